/** The agent's tests in Jest. */
import { openSandbox } from 'onbehalf/testing'

import { unread } from './agent.mjs'

const path = '/gmail/v1/users/me/messages'
let sandbox

beforeEach(async () => {
  sandbox = await openSandbox({ connections: { gmail: { connector: 'sandbox' } } })
})
afterEach(() => sandbox.close())

test('it counts the unread messages', async () => {
  await sandbox.connect({ connectionName: 'gmail', identifier: 'user_123' })
  sandbox.reply({ path, body: { resultSizeEstimate: 3 } })
  expect(await unread(sandbox.actions, 'user_123')).toEqual({ count: 3 })
})

test('it goes on after its token has ended', async () => {
  await sandbox.connect({ connectionName: 'gmail', identifier: 'user_123' })
  sandbox.reply({ path, body: { resultSizeEstimate: 3 } })
  sandbox.advance({ hours: 2 })
  expect(await unread(sandbox.actions, 'user_123')).toEqual({ count: 3 })
})
