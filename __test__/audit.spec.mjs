/** What was done is on record, and the record can be shipped and proved. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import test from 'ava'

import { Onbehalf } from '../index.js'
import { openSandbox } from '../testing.js'

const account = { connectionName: 'sandbox', identifier: 'user_123' }

async function connected(t) {
  const sandbox = await openSandbox()
  t.teardown(() => sandbox.close())
  await sandbox.connect(account)
  return sandbox
}

test('an authorization and a disclosure are on record, without a secret', async (t) => {
  const { actions, onbehalf } = await connected(t)
  const { accessToken } = await actions.getToken(account)
  const { connectedAccount } = await actions.getConnectedAccountDetails(account)
  const { records, nextPageToken } = await onbehalf.audit.list()
  t.is(nextPageToken, undefined)
  t.deepEqual(
    records.map(({ action }) => action),
    [
      'connection.created',
      'account.created',
      'link.created',
      'flow.started',
      'account.authorized',
      'credential.disclosed',
    ],
  )
  const disclosed = records.at(-1)
  t.like(disclosed, { number: 6, organizationId: 'default', connectedAccountId: connectedAccount.id })
  t.true(disclosed.at instanceof Date)
  t.false('problem' in disclosed)
  t.is(records[1].name, 'user_123')
  t.false(JSON.stringify(records).includes(accessToken))
})

test('records are shipped as JSON lines, from where that stopped', async (t) => {
  const { actions, onbehalf } = await connected(t)
  const lines = []
  const ship = async (after) => {
    for (;;) {
      const { records } = await onbehalf.audit.tail({ after, limit: 2 })
      if (records.length === 0) return after
      t.true(records.length <= 2)
      lines.push(...records.map((record) => JSON.stringify(record)))
      after = records.at(-1).number
    }
  }
  const stopped = await ship(0)
  await actions.disconnectConnectedAccount({ ...account, revoke: false })
  t.is(await ship(stopped), stopped + 1)
  const shipped = lines.map((line) => JSON.parse(line))
  t.deepEqual(
    shipped.map(({ number }) => number),
    shipped.map((_, index) => index + 1),
  )
  t.is(shipped.at(-1).action, 'account.disconnected')
})

test('what was verified once is a checkpoint for the next time', async (t) => {
  const { actions, onbehalf } = await connected(t)
  const checkpoint = await onbehalf.audit.verify()
  t.is(checkpoint.number, 5)
  t.regex(checkpoint.link, /^[0-9a-f]{64}$/)
  await actions.getToken(account)
  t.is((await onbehalf.audit.verify({ since: checkpoint })).number, 6)
  const other = { ...checkpoint, link: checkpoint.link.replace(/^./, (digit) => (digit === '0' ? '1' : '0')) }
  const error = await t.throwsAsync(onbehalf.audit.verify({ since: other }), { code: 'INTEGRITY_FAILED' })
  t.regex(error.message, /chain of records, at number 5/)
  await t.throwsAsync(onbehalf.audit.verify({ since: { number: 7, link: checkpoint.link } }), {
    code: 'INTEGRITY_FAILED',
  })
})

test('records outlive the process', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'onbehalf-audit-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const options = { store: join(folder, 'store.db'), backgroundRefresh: false }
  const connections = { gmail: { clientId: 'id', clientSecret: 'secret' } }
  const first = new Onbehalf({ ...options, connections })
  await first.actions.getOrCreateConnectedAccount({ connectionName: 'gmail', identifier: 'user_123' })
  await first.close()
  const second = new Onbehalf({ ...options, connections })
  t.teardown(() => second.close())
  const { records } = await second.audit.list()
  t.deepEqual(
    records.map(({ action }) => action),
    ['connection.created', 'account.created'],
  )
})

test('bad input is refused by name', async (t) => {
  const { onbehalf } = await openSandbox().then((sandbox) => (t.teardown(() => sandbox.close()), sandbox))
  await t.throwsAsync(onbehalf.audit.list({ pageSize: 101 }), { code: 'INVALID_ARGUMENT', message: /pageSize/ })
  await t.throwsAsync(onbehalf.audit.list({ pageToken: 'x' }), { code: 'INVALID_ARGUMENT', message: /pageToken/ })
  await t.throwsAsync(onbehalf.audit.tail({ limit: 0 }), { code: 'INVALID_ARGUMENT', message: /limit/ })
  await t.throwsAsync(onbehalf.audit.tail({ after: -1 }), { code: 'INVALID_ARGUMENT', message: /after/ })
  await t.throwsAsync(onbehalf.audit.verify({ since: { number: 1 } }), { code: 'INVALID_ARGUMENT' })
})
