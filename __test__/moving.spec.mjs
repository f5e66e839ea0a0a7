/** Connected accounts that move to another environment: the door's side of it. */
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import test from 'ava'

import { openSandbox } from '../testing.js'
import { failure, open } from './door.mjs'

const account = { connectionName: 'sandbox', identifier: 'user_123' }

async function sandboxOf(t) {
  const sandbox = await openSandbox()
  t.teardown(() => sandbox.close())
  return sandbox
}

/** The path of a file that there is not yet, in a folder of this test's own. */
async function newFile(t) {
  const folder = await mkdtemp(join(tmpdir(), 'onbehalf-moving-'))
  t.teardown(() => rm(folder, { recursive: true }))
  return join(folder, 'accounts.moving')
}

test('an account moves with its tokens, and the place it left stops', async (t) => {
  const [from, to, path] = [await sandboxOf(t), await sandboxOf(t), await newFile(t)]
  await from.connect(account)
  const left = await from.actions.getToken(account)
  const recipient = await to.onbehalf.movingKey()
  t.regex(recipient, /^onbehalf-recipient:[\w-]{48}$/)
  t.is(await to.onbehalf.movingKey(), recipient)
  const exported = await from.onbehalf.exportAccounts({ recipient, path, disableConnections: true })
  t.deepEqual(exported, { connections: 1, accounts: 1 })
  if (process.platform !== 'win32') t.is((await stat(path)).mode & 0o777, 0o600)
  t.false((await readFile(path)).includes(left.accessToken))

  const counted = { connections: 1, accounts: 1 }
  t.deepEqual(await to.onbehalf.importAccounts({ path }), { ...counted, imported: 1, skipped: 0, conflicts: 0 })
  t.deepEqual(await to.onbehalf.importAccounts({ path }), { ...counted, imported: 0, skipped: 1, conflicts: 0 })
  t.deepEqual(await to.actions.getToken(account), left)
  t.is((await failure(() => from.actions.getToken(account))).code, 'CONNECTION_DISABLED')
})

test('what cannot be meant is refused before anything is opened', async (t) => {
  const [onbehalf, path] = [open(t), await newFile(t)]
  const recipient = await onbehalf.movingKey()
  for (const [method, options, argument] of [
    ['exportAccounts', { path }, 'recipient'],
    ['exportAccounts', { path, recipient: `${recipient.slice(0, -1)}~` }, 'recipient'],
    ['exportAccounts', { recipient }, 'path'],
    ['exportAccounts', { recipient, path, organizationId: '' }, 'organizationId'],
    ['importAccounts', {}, 'path'],
    ['importAccounts', { path }, 'path'],
  ]) {
    const { code, details } = await failure(() => onbehalf[method](options))
    t.deepEqual([code, details.argument], ['INVALID_ARGUMENT', argument], `${method} ${Object.keys(options)}`)
  }
  const misspelt = await failure(() => onbehalf.exportAccounts({ recipient, path, disableConnection: true }))
  t.deepEqual([misspelt.code, misspelt.details.nearest], ['UNKNOWN_OPTION', 'disableConnections'])
})

test('a file is neither overwritten, nor taken in when it was altered', async (t) => {
  const [onbehalf, path] = [open(t), await newFile(t)]
  const recipient = await onbehalf.movingKey()
  t.deepEqual(await onbehalf.exportAccounts({ recipient, path }), { connections: 0, accounts: 0 })
  const again = await failure(() => onbehalf.exportAccounts({ recipient, path }))
  t.regex(again.message, /`path` cannot be written \(there is something of that name/)
  const altered = await readFile(path)
  altered[altered.length - 1] ^= 1
  await writeFile(path, altered)
  t.is((await failure(() => onbehalf.importAccounts({ path }))).code, 'INTEGRITY_FAILED')
})

test('nothing moves after closing', async (t) => {
  const onbehalf = open(t)
  await onbehalf.movingKey()
  await onbehalf.close()
  t.is((await failure(() => onbehalf.movingKey())).code, 'CLOSED')
})
