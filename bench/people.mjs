/** Environments of many people, who have brought their tokens; and the same refreshes without us. */
import { statSync } from 'node:fs'
import { join } from 'node:path'

import { Agent, request } from 'undici'

import { folder, keep, key, tokens } from './world.mjs'

export const connectionName = 'app'
/** How many token requests of ours are under way at a provider; who is compared with us has as many. */
export const atOnce = 8

const clientId = 'an-app'
const clientSecret = 'a secret'

/** Whom a person brings their token for: an access token, which has ended where `expiresAt` has passed. */
const accessToken = 'access.'.padEnd(64, 'x')
const refreshTokenOf = (person) => `${person}.0`
const identifierOf = (person) => `user_${person}`

/** How many bytes of text the accounts of `people` persons hold: the identifier and both tokens. */
export function plaintextOf(people) {
  let bytes = 0
  for (let person = 0; person < people; person++)
    bytes += identifierOf(person).length + accessToken.length + refreshTokenOf(person).length
  return bytes
}

/** Where an environment is: its store, and the token endpoint that its connection names. */
export async function place(name) {
  return { store: join(folder(), 'store.db'), tokenUrl: `${await tokens()}/${name}` }
}

/** The environment at that place. */
export async function open({ store, tokenUrl }, { backgroundRefresh = false } = {}) {
  const { Onbehalf } = await import('onbehalf')
  // It has no probe: nothing is asked for whoever brings a token.
  const plain = `
    name     = "Plain"
    docs     = "https://example.com/docs"
    base_url = "${new URL(tokenUrl).origin}"

    [auth.oauth2]
    authorize_url = "${new URL(tokenUrl).origin}/authorize"
    token_url     = "${tokenUrl}"
    scopes        = ["read"]
    refresh_tokens = { rotation = "always" }`
  const connections = { [connectionName]: { connector: 'plain', clientId, clientSecret } }
  return keep(new Onbehalf({ store, key, port: 0, connectors: { plain }, connections, backgroundRefresh }))
}

/** Makes accounts of so many people. Made through the API: calls that are made together share commits. */
export async function fill({ actions }, people, expiresAt) {
  let next = 0
  const bring = async () => {
    while (next < people) {
      const person = next++
      const oauthToken = { accessToken, refreshToken: refreshTokenOf(person), expiresAt }
      const authorizationDetails = { oauthToken }
      await actions.createConnectedAccount({ connectionName, identifier: identifierOf(person), authorizationDetails })
    }
  }
  await Promise.all(Array.from({ length: 64 }, bring))
}

/** Somebody of so many people. */
export const anybody = (people) => ({ connectionName, identifier: identifierOf(Math.floor(Math.random() * people)) })

/** A call that brings one person after the other a new token, through us. */
export function refreshing({ actions }) {
  let next = 0
  return () => actions.getToken({ connectionName, identifier: identifierOf(next++) })
}

/** The same request, and nothing else. */
export function asking(tokenUrl) {
  const dispatcher = new Agent({ connections: atOnce })
  const headers = { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' }
  let next = 0
  return async () => {
    const form = { grant_type: 'refresh_token', refresh_token: refreshTokenOf(next++) }
    const body = String(new URLSearchParams({ ...form, client_id: clientId, client_secret: clientSecret }))
    const answer = await request(tokenUrl, { method: 'POST', headers, body, dispatcher })
    const token = await answer.body.json()
    if (!token.refresh_token) throw new Error(`The token endpoint says ${answer.statusCode}.`)
    return token
  }
}

/** The bytes of a store's file, with its log. */
export const sizeOf = (store) =>
  ['', '-wal'].reduce((bytes, suffix) => bytes + (statSync(store + suffix, { throwIfNoEntry: false })?.size ?? 0), 0)
