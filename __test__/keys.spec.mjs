/** The keys that a store opens with: a new one takes the place of an old one, and people notice nothing. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'

import test from 'ava'

import { failure, open } from './door.mjs'
import { startKeyed } from './support/keyed.mjs'

const oldKey = 'nMCLgHuCPqwgk67ZjMA9qWxrA1M+sKxlsUKAkD4ADtM='
const newKey = 'cgAMXSyYuGPFQ4/Ho1nu9QqjWiBsPxNRI1nS8XwG5NU='
const account = { connectionName: 'keys', identifier: 'ada' }
const authorizationDetails = { staticAuth: { details: { api_key: 'sk_ada_4f81c0d29e7b' } } }

/** The path of a store that does not exist yet, in a folder that is gone when the test ends. */
async function fresh(t) {
  const folder = await mkdtemp(join(tmpdir(), 'onbehalf-keys-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return join(folder, 'store.db')
}

test('a new key takes the place of the old one in three steps', async (t) => {
  const store = await fresh(t)
  const { options } = await startKeyed(t)
  const withOld = open(t, { ...options, store, key: oldKey })
  await withOld.actions.createConnectedAccount({ ...account, authorizationDetails })
  const before = await withOld.actions.getConnectedAccount(account)
  const { keySlots } = await withOld.keySlots()
  t.like(keySlots, { length: 1, 0: { kind: 'direct', current: true } })

  const added = await withOld.addKeySlot({ key: newKey })
  t.like(added, { kind: 'wrapped', current: false })
  t.true(added.createdAt instanceof Date)
  t.deepEqual(await withOld.addKeySlot({ key: newKey }), added, 'what is there is left as it is')
  await withOld.close()

  const withNew = open(t, { ...options, store, key: newKey })
  t.deepEqual(await withNew.actions.getConnectedAccount(account), before)
  await withNew.removeKeySlot({ id: keySlots[0].id })
  t.deepEqual(await withNew.keySlots(), { keySlots: [{ ...added, current: true }] })
  const { records } = await withNew.audit.list()
  t.deepEqual(
    records.filter(({ action }) => action.startsWith('key.')).map(({ action, name }) => [action, name]),
    [
      ['key.added', added.id],
      ['key.removed', keySlots[0].id],
    ],
  )

  const refused = await failure(() => open(t, { store, key: oldKey }).keySlots())
  t.like(refused, { code: 'KEY_MISMATCH', details: { keyId: added.id } })
  t.like(before.connectedAccount.authorizationDetails, authorizationDetails)
  t.deepEqual(await withNew.actions.getConnectedAccount(account), before)
})

test('instances with keys of their own share a store', async (t) => {
  const store = await fresh(t)
  const { options } = await startKeyed(t)
  const one = open(t, { ...options, store, key: oldKey })
  const keyFile = join(store, '..', 'my.key')
  await writeFile(keyFile, `${newKey}\n`, { mode: 0o600 })
  await one.addKeySlot({ keyFile })
  const other = open(t, { ...options, store, keyFile })
  await other.actions.createConnectedAccount({ ...account, authorizationDetails })
  const { connectedAccount } = await one.actions.getConnectedAccount(account)
  t.like(connectedAccount.authorizationDetails, authorizationDetails)
})

test('the key that an instance was opened with is not removed, nor one that there is not', async (t) => {
  const onbehalf = open(t, { key: oldKey })
  const [{ id }] = (await onbehalf.keySlots()).keySlots
  for (const refused of [id, 'key_unknown', ''])
    t.like(await failure(() => onbehalf.removeKeySlot({ id: refused })), {
      code: 'INVALID_ARGUMENT',
      details: { argument: 'id' },
    })
  t.is((await onbehalf.keySlots()).keySlots.length, 1)
})

test('what is no key is refused and never quoted', async (t) => {
  const onbehalf = open(t)
  const canary = 'CANARY-almost-a-key'
  for (const [options, code] of [
    [{ key: canary }, 'KEY_INVALID'],
    [{ keyFile: join(tmpdir(), 'onbehalf-none.key') }, 'KEY_INVALID'],
    [{ key: newKey, keyFile: 'my.key' }, 'INVALID_ARGUMENT'],
    [{}, 'INVALID_ARGUMENT'],
    [{ kye: newKey }, 'UNKNOWN_OPTION'],
  ]) {
    const error = await failure(() => onbehalf.addKeySlot(options))
    t.is(error.code, code)
    t.false(inspect(error).includes(canary))
  }
  t.is((await onbehalf.keySlots()).keySlots.length, 1)
})

test('the methods can be passed around', async (t) => {
  const { keySlots, addKeySlot, removeKeySlot } = open(t)
  const { id } = await addKeySlot({ key: newKey })
  t.is(await removeKeySlot({ id }), undefined)
  t.like(await keySlots(), { keySlots: { length: 1 } })
})
