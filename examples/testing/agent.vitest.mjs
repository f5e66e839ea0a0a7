/** The agent's tests in Vitest. */
import { openSandbox } from 'onbehalf/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'

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

test('it asks again when the consent was taken back', async () => {
  const person = { connectionName: 'gmail', identifier: 'user_123' }
  await sandbox.connect(person)
  await sandbox.revoke(person)
  expect(await unread(sandbox.actions, 'user_123')).toHaveProperty('link')
})
