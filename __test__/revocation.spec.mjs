/** What becomes of a person's grant at the provider when the app deletes or disconnects their account. */
import { setTimeout as wait } from 'node:timers/promises'

import test from 'ava'

import { openSandbox } from '../testing.js'

const account = { connectionName: 'sandbox', identifier: 'user_123' }

async function connected(t) {
  const sandbox = await openSandbox()
  t.teardown(() => sandbox.close())
  await sandbox.connect(account)
  return sandbox
}

/** The only revocation, when it is over. */
async function over(t, { actions }) {
  for (let look = 0; look < 500; look++) {
    const { revocations } = await actions.listRevocations()
    t.is(revocations.length, 1)
    if (revocations[0].state !== 'pending') return revocations[0]
    await wait(10)
  }
  return t.fail('the revocation has come to no end')
}

for (const method of ['deleteConnectedAccount', 'disconnectConnectedAccount'])
  test(`${method} revokes the grant at the provider`, async (t) => {
    const sandbox = await connected(t)
    const { accessToken } = await sandbox.actions.getToken(account)
    const { connectedAccount } = await sandbox.actions.getConnectedAccountDetails(account)
    await sandbox.actions[method](account)

    const revocation = await over(t, sandbox)
    t.like(revocation, { ...account, state: 'accepted', attempts: 1, connectedAccountId: connectedAccount.id })
    t.regex(revocation.id, /^rev_/)
    t.true(revocation.createdAt instanceof Date)
    t.false('nextTryAt' in revocation)
    const asked = sandbox.requests.filter(({ path }) => path === '/revoke')
    t.is(asked.length, 2)
    t.false(JSON.stringify(revocation).includes(accessToken))
  })

test('a grant is left to the provider where the app says so', async (t) => {
  const sandbox = await connected(t)
  await sandbox.actions.deleteConnectedAccount({ ...account, revoke: false })
  t.deepEqual(await sandbox.actions.listRevocations(), { revocations: [] })
  t.is(sandbox.requests.filter(({ path }) => path === '/revoke').length, 0)
})

test('a connection that is deleted takes its grants along', async (t) => {
  const sandbox = await connected(t)
  await sandbox.onbehalf.connections.delete({ connectionName: 'sandbox' })
  t.is((await over(t, sandbox)).state, 'accepted')
})

test('another organization sees none of it', async (t) => {
  const sandbox = await connected(t)
  await sandbox.actions.deleteConnectedAccount(account)
  await over(t, sandbox)
  t.deepEqual(await sandbox.actions.listRevocations({ organizationId: 'other' }), { revocations: [] })
})
