/**
 * A store in a file, or on the tests' PostgreSQL, and accounts in it with tokens of the strict provider that have ended:
 * whoever needs one refreshes it first. Any number of processes may be started on it.
 */
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { Onbehalf } from 'onbehalf'

import { startPeer } from './peer.mjs'
import { startProvider } from './provider.mjs'

const key = createHash('sha256').update('a key of these tests').digest('base64')

/**
 * A connector that knows nothing of its provider: it must be taken for a strict one. That a grant is gone is confirmed at
 * once, so that no test waits.
 */
const connectors = {
  strict: `
name     = 'Strict'
docs     = 'https://strict.example/docs'
base_url = 'https://strict.example'

[auth.oauth2]
authorize_url = 'https://strict.example/auth'
token_url     = 'https://strict.example/token'
client_auth   = 'basic'
scopes        = ['email', 'offline_access']

[auth.oauth2.refresh_tokens]
confirm_s = 0
`,
}

/** The `number`-th account. */
export const person = (number) => ({ connectionName: 'app', identifier: `user_${number}` })

/** Sets it; all ends with the test. New tokens live `expiresIn` seconds; `place` says, of a folder, where the store is. */
export async function setStage(t, { accounts = 1, expiresIn, folder = ownFolder(t), place = inFile } = {}) {
  const provider = await startProvider({ redirectUris: ['http://localhost/callback/app'], expiresIn })
  t.teardown(provider.close)
  const { clientId, clientSecret, endpoints } = provider
  const connections = { app: { connector: 'strict', clientId, clientSecret, endpoints } }
  // What is asked of the provider, a test decides.
  const backgroundRefresh = false
  const options = { ...place(folder), key, port: 0, connectors, connections, backgroundRefresh }

  const onbehalf = new Onbehalf(options)
  for (let number = 0; number < accounts; number += together)
    await Promise.all(
      Array.from({ length: Math.min(together, accounts - number) }, async (_, index) => {
        const oauthToken = { ...(await provider.grant()), expiresAt: new Date(0) }
        await onbehalf.actions.createConnectedAccount({
          ...person(number + index),
          authorizationDetails: { oauthToken },
        })
      }),
    )
  await onbehalf.close()

  return {
    folder,
    options,
    provider,
    /** How many refreshes the provider has answered. */
    refreshes: () => provider.tokenRequests.length,
    /** Starts a process on the store; its options as those of `startPeer`. */
    start: (manner) => startPeer(t, options, manner),
    /** Opens the store in this process. */
    open() {
      const opened = new Onbehalf(options)
      t.teardown(opened.close)
      return opened
    },
  }
}

const inFile = (folder) => ({ store: join(folder, 'store.db') })

/** A schema of the tests' own server, `ONBEHALF_TEST_POSTGRES`, that nobody else has, with its journals in the folder. */
export function onPostgres(folder) {
  const store = new URL(process.env.ONBEHALF_TEST_POSTGRES)
  store.searchParams.set('schema', `test_${randomBytes(8).toString('hex')}`)
  return { store: store.href, journal: folder }
}

/** How many accounts are made at once. */
const together = 100

function ownFolder(t) {
  const folder = mkdtempSync(join(tmpdir(), 'onbehalf-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  return folder
}
