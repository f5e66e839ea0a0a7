/** The agent's tests in ava. */
import test from 'ava'
import { openSandbox } from 'onbehalf/testing'

import { unread } from './agent.mjs'

const path = '/gmail/v1/users/me/messages'

test.beforeEach(async (t) => {
  t.context = await openSandbox({ connections: { gmail: { connector: 'sandbox' } } })
})
test.afterEach.always((t) => t.context.close())

test('it counts the unread messages', async (t) => {
  const sandbox = t.context
  await sandbox.connect({ connectionName: 'gmail', identifier: 'user_123' })
  sandbox.reply({ path, body: { resultSizeEstimate: 3 } })
  t.deepEqual(await unread(sandbox.actions, 'user_123'), { count: 3 })
  t.is(sandbox.requests.at(-1).query, 'q=is%3Aunread')
})

test('it asks the person first, and works once they have consented', async (t) => {
  const sandbox = t.context
  sandbox.reply({ path, body: { resultSizeEstimate: 0 } })
  const { link } = await unread(sandbox.actions, 'user_123')
  await sandbox.grant(link)
  t.deepEqual(await unread(sandbox.actions, 'user_123'), { count: 0 })
})

test('it asks again when the consent was taken back', async (t) => {
  const sandbox = t.context
  const person = { connectionName: 'gmail', identifier: 'user_123' }
  await sandbox.connect(person)
  await sandbox.revoke(person)
  t.truthy((await unread(sandbox.actions, 'user_123')).link)
})

test('it waits as long as the provider asks it to', async (t) => {
  const sandbox = t.context
  await sandbox.connect({ connectionName: 'gmail', identifier: 'user_123' })
  sandbox.failNext({ path, status: 429, retryAfter: 30 })
  t.deepEqual(await unread(sandbox.actions, 'user_123'), { later: 30 })
})
