/** Environments of many people, who have brought their tokens; and the same refreshes without us. */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { Agent, request } from 'undici'

import { numberPrinted } from './child.mjs'
import { due } from './ready.mjs'
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

/** Where stores are kept from one run to the next. */
const kept = join(import.meta.dirname, '.onbehalf')
/** Their tokens last, and nobody is asked for others. */
const nowhere = 'http://127.0.0.1:9/token'
const late = new Date('2100-01-01')

/** Where an environment is: its store, what seals it, and the token endpoint that its connection names. */
export async function place(name) {
  return { store: join(folder(), 'store.db'), key, tokenUrl: `${await tokens()}/${name}` }
}

/**
 * Where an environment is in which so many people have tokens that last. A million take minutes to make, so the store is
 * kept, in `bench/.onbehalf`: remove it when what is stored changes.
 */
export async function standing(people) {
  const [files, unfinished] = [join(kept, `accounts-${people}`), join(kept, 'unfinished')]
  const place = (files) => ({
    store: join(files, 'store.db'),
    key: readFileSync(join(files, 'key'), 'utf8'),
    tokenUrl: nowhere,
  })
  if (!existsSync(files)) {
    rmSync(unfinished, { recursive: true, force: true })
    mkdirSync(unfinished, { recursive: true })
    writeFileSync(join(unfinished, 'key'), key)
    const onbehalf = await open(place(unfinished))
    await fill(onbehalf, people, late)
    await onbehalf.close()
    renameSync(unfinished, files)
  }
  return place(files)
}

/** What opens the environment at that place. */
export function settingsOf({ store, key, tokenUrl }, { backgroundRefresh = false } = {}) {
  const { origin } = new URL(tokenUrl)
  // It has no probe: nothing is asked for whoever brings a token.
  const plain = `
    name     = "Plain"
    docs     = "https://example.com/docs"
    base_url = "${origin}"

    [auth.oauth2]
    authorize_url  = "${origin}/authorize"
    token_url      = "${tokenUrl}"
    scopes         = ["read"]
    refresh_tokens = { rotation = "always" }`
  const connections = { [connectionName]: { connector: 'plain', clientId, clientSecret } }
  return { store, key, port: 0, connectors: { plain }, connections, backgroundRefresh }
}

/** The environment at that place. */
export async function open(place, options) {
  const { Onbehalf } = await import('onbehalf')
  return keep(new Onbehalf(settingsOf(place, options)))
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
  await Promise.all(Array.from({ length: 256 }, bring))
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

/** The microseconds of one look for what is due, by the engine's own program, at an average of `times`. */
export async function finding({ store }, times) {
  const program = await due()
  return async () => ({ value: await numberPrinted(program, [store, String(times)]) })
}

/** The bytes of a store's file, with its log. */
export const sizeOf = (store) =>
  ['', '-wal'].reduce((bytes, suffix) => bytes + (statSync(store + suffix, { throwIfNoEntry: false })?.size ?? 0), 0)
