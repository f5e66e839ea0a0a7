/** Several processes on one store: what one does the others hear of, and none takes from another. */
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import test from 'ava'

import { PlainBrowser, consent } from './support/browser.mjs'
import { account } from './support/environment.mjs'
import { startPeer } from './support/peer.mjs'
import { startProvider } from './support/provider.mjs'
import { freePort } from './support/serve.mjs'

const key = createHash('sha256').update('a key of these tests').digest('base64')

/** A provider, and a way to start processes on one store and one port. */
async function stage(t, { expiresIn } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'onbehalf-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const port = await freePort()
  const provider = await startProvider({ redirectUris: [`http://localhost:${port}/callback/app`], expiresIn })
  t.teardown(provider.close)
  const { clientId, clientSecret, endpoints } = provider
  const scopes = ['openid', 'email', 'offline_access', 'mail.read']
  const connections = { app: { connector: 'gmail', clientId, clientSecret, scopes, endpoints } }
  const start = (options) => startPeer(t, { store: join(folder, 'store.db'), key, port, connections, ...options })
  return { provider, start }
}

/** Both processes, and an account that the first one connected. */
async function connected(t, options) {
  const { provider, start } = await stage(t, options)
  const [first, second] = [start(), start()]
  const { answer } = await first.ask('getAuthorizationLink', account)
  await consent(new PlainBrowser(), answer.link, { as: 'Agree' })
  return { provider, first, second }
}

const refreshes = ({ tokenRequests }) => tokenRequests.filter(({ grantType }) => grantType === 'refresh_token')

test('a process hears that the person followed the link of another', async (t) => {
  const { start } = await stage(t)
  const [first, second] = [start(), start()]
  const { answer } = await first.ask('getAuthorizationLink', account)
  const waiting = second.ask('waitForConnectedAccount', account)
  await consent(new PlainBrowser(), answer.link, { as: 'Agree' })
  t.is((await waiting).answer.connectedAccount.status, 'ACTIVE')
  t.truthy((await second.ask('getToken', account)).answer.accessToken)
  const told = await first.ask('told')
  t.like(told.answer, [{ type: 'statusChanged', previousStatus: 'PENDING_AUTH', status: 'ACTIVE' }])
  t.deepEqual((await second.ask('told')).answer, [], 'events are of the process that caused them')
})

test('a wait for what another process does ends by time and by signal', async (t) => {
  const { start } = await stage(t)
  const [first, second] = [start(), start()]
  await first.ask('getOrCreateConnectedAccount', account)
  const wait = (asked, options) => second.ask('waitForConnectedAccount', { ...account, ...asked }, options)
  t.is((await wait({ timeoutMs: 300 })).failure.code, 'TIMED_OUT')
  t.is((await wait({}, { timeout: 300 })).failure.name, 'TimeoutError')
  const waiting = wait({})
  await first.ask('deleteConnectedAccount', account)
  t.is((await waiting).failure.code, 'CONNECTED_ACCOUNT_NOT_FOUND')
})

test('processes that need the same token ask for it once', async (t) => {
  const { provider, first, second } = await connected(t, { expiresIn: 20 })
  const asked = Array.from({ length: 50 }, (_, number) => [first, second][number % 2].ask('getToken', account))
  const tokens = new Set((await Promise.all(asked)).map(({ answer }) => answer.accessToken))
  t.is(tokens.size, 1)
  t.is(refreshes(provider).length, 1)
})

test('a process that is killed while it refreshes holds no other up, and takes nothing with it', async (t) => {
  const { provider, first, second } = await connected(t, { expiresIn: 20 })
  const held = provider.hold('before')
  first.ask('getToken', account)
  await held.arrived
  const waiting = second.ask('getToken', account)
  await first.kill()
  t.truthy((await waiting).answer?.accessToken)
  t.is((await second.ask('getConnectedAccountDetails', account)).answer.connectedAccount.status, 'ACTIVE')
})

test('a process that closes or dies leaves store and port to the others', async (t) => {
  for (const end of ['close', 'kill']) {
    const { first, second } = await connected(t)
    const linked = await second.ask('getAuthorizationLink', { ...account, identifier: 'another' })
    const before = await fetch(linked.answer.link)
    t.is(before.status, 200, 'the process that has the port serves for both')
    await (end === 'kill' ? first.kill() : first.ask('close'))

    const page = new PlainBrowser()
    t.is(await eventually(() => page.open(linked.answer.link)), 200, 'the other has taken it over')
    await consent(new PlainBrowser(), linked.answer.link, { as: 'Agree' })
    const { answer } = await second.ask('waitForConnectedAccount', { ...account, identifier: 'another' })
    t.is(answer.connectedAccount.status, 'ACTIVE')
    t.truthy((await second.ask('getToken', account)).answer.accessToken)
  }
})

test('a port of another store is taken', async (t) => {
  const { start } = await stage(t)
  const [first, other] = [start(), start({ store: ':memory:', key: undefined })]
  await first.ask('getAuthorizationLink', account)
  t.is((await other.ask('getAuthorizationLink', account)).failure.code, 'PORT_IN_USE')
})

test('processes that make a store at once share it', async (t) => {
  const { start } = await stage(t)
  const peers = Array.from({ length: 4 }, () => start())
  const made = await Promise.all(peers.map((peer) => peer.ask('getOrCreateConnectedAccount', account)))
  t.is(new Set(made.map(({ answer }) => answer.connectedAccount.id)).size, 1)
})

/** What `call` comes to once it doesn't fail: a port changes hands in a quarter of a second. */
async function eventually(call) {
  for (;;) {
    try {
      return await call()
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}
