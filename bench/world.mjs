/**
 * What benchmarks share: one of our environments with an account that works, Scalekit's SDK with the stub that answers
 * it, the provider's API, the floor. Each is made when it is first asked for, and `close` ends them all.
 */
import { fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { PlainBrowser, consent } from '../__test__/support/browser.mjs'
import { startProvider } from '../__test__/support/provider.mjs'
import { freePort } from '../__test__/support/serve.mjs'
import { floor as buildFloor } from './ready.mjs'

/** Whom every call is about. */
export const account = { connectionName: 'app', identifier: 'user_123' }

/** What seals every store of this run. */
export const key = randomBytes(32).toString('base64')

const made = new Map()
const ends = []

/** Makes `name` once. */
const shared = (name, make) => () => {
  if (!made.has(name)) made.set(name, make())
  return made.get(name)
}

/** Ends everything, the newest first. What is asked for later is made anew. */
export async function close() {
  made.clear()
  for (const end of ends.splice(0).reverse()) await end()
}

/** Closes `onbehalf` in the end. */
export function keep(onbehalf) {
  ends.push(() => onbehalf.close())
  return onbehalf
}

/** A folder that is removed in the end. */
export function folder() {
  const path = mkdtempSync(join(tmpdir(), 'onbehalf-bench-'))
  ends.push(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** Starts one of `peers` in a process of its own, and answers its origin. */
async function peer(name) {
  const child = fork(new URL(`peers/${name}.mjs`, import.meta.url))
  ends.push(() => child.kill())
  const [port] = await once(child, 'message')
  return `http://127.0.0.1:${port}`
}

/** The origin of the provider's API. */
export const upstream = shared('upstream', () => peer('upstream'))

/** The origin of a provider's token endpoints. */
export const tokens = shared('tokens', () => peer('tokens'))

/** The origin of Scalekit's stub. */
export const stub = shared('stub', () => peer('stub'))

/** Scalekit's SDK, which speaks to the stub. */
export const sdk = shared('sdk', async () => {
  const { Scalekit } = await import('@scalekit-sdk/node')
  return new Scalekit(await stub(), 'client', 'secret').actions
})

/**
 * An environment of ours in a file, whose `account` has been authorized as people do it, at a strict provider. `copy`
 * answers another file with the same rows, for another process or another writer.
 */
export const environment = shared('environment', async () => {
  const { Onbehalf } = await import('onbehalf')
  const port = await freePort()
  const provider = await startProvider({ redirectUris: [`http://localhost:${port}/callback/app`] })
  const { clientId, clientSecret } = provider
  const endpoints = { ...provider.endpoints, baseUrl: await upstream() }
  const files = folder()
  const store = join(files, 'store.db')
  const scopes = ['openid', 'email', 'offline_access']
  const connections = { app: { connector: 'gmail', clientId, clientSecret, scopes, endpoints } }
  ends.push(() => provider.close())
  const onbehalf = keep(new Onbehalf({ store, key, port, connections }))

  const { actions } = onbehalf
  const { link } = await actions.getAuthorizationLink(account)
  await consent(new PlainBrowser(), link, { as: 'Agree' })
  await actions.waitForConnectedAccount({ ...account, timeoutMs: 10_000 })

  let copies = 0
  const copy = () => {
    const path = join(files, `copy-${copies++}.db`)
    // Nothing is written meanwhile, so the file and its log belong together.
    for (const suffix of ['', '-wal']) copyFileSync(store + suffix, path + suffix)
    return path
  }
  return { actions, store, copy }
})

/** The floor's addon. */
export const floor = shared('floor', async () => {
  const library = { exports: {} }
  process.dlopen(library, await buildFloor())
  return library.exports
})
