/** Events: who is told what, and until when. */
import test from 'ava'

import { failure, open, run } from './door.mjs'
import { PlainBrowser, consent } from './support/browser.mjs'
import { account, openEnvironment } from './support/environment.mjs'
import { startProvider } from './support/provider.mjs'

const stage = (t) => openEnvironment(t, startProvider, { scopes: ['openid', 'email', 'offline_access'] })

test('a listener is told of every change of a status, until it is removed', async (t) => {
  const { actions, onbehalf, link } = await stage(t)
  const heard = []
  const removed = []
  onbehalf.on('statusChanged', (event) => heard.push(event))
  const stop = onbehalf.on('statusChanged', (event) => removed.push(event))
  await consent(new PlainBrowser(), await link(), { as: 'Agree' })
  await until(() => heard.length === 1)
  const { connectedAccount } = await actions.getConnectedAccountDetails(account)
  t.deepEqual(heard[0], {
    type: 'statusChanged',
    connectedAccountId: connectedAccount.id,
    ...account,
    organizationId: 'default',
    status: 'ACTIVE',
    previousStatus: 'PENDING_AUTH',
    at: connectedAccount.updatedAt,
  })

  stop()
  // A second time it must not stop whoever came since.
  const since = []
  onbehalf.on('statusChanged', (event) => since.push(event))
  stop()
  await actions.disconnectConnectedAccount(account)
  await until(() => heard.length === 2)
  t.like(heard[1], { previousStatus: 'ACTIVE', status: 'DISCONNECTED', reason: 'disconnected' })
  t.is(removed.length, 1)
  await until(() => since.length === 1)
  t.is(since[0].status, 'DISCONNECTED')
})

test('what is no event or no listener is refused by name', async (t) => {
  const onbehalf = open(t)
  for (const [name, listener, said] of [
    ['statusChange', () => {}, /`name` must be the name of an event: "statusChanged"/],
    [undefined, () => {}, /`name` must be/],
    [Symbol('statusChanged'), () => {}, /`name` must be/],
    ['statusChanged', undefined, /`listener` must be a function/],
    ['statusChanged', {}, /`listener` must be a function/],
  ]) {
    const error = await failure(async () => onbehalf.on(name, listener))
    t.is(error.code, 'INVALID_ARGUMENT')
    t.regex(error.message, said)
    t.regex(error.stack, /events\.spec\.mjs/)
  }
})

const connections = { gmail: { clientId: 'id', clientSecret: 'secret' } }
const setUp = `
  import { Onbehalf } from 'onbehalf'
  const onbehalf = new Onbehalf({ store: ':memory:', port: 0, connections: ${JSON.stringify(connections)} })
  const account = { connectionName: 'gmail', identifier: 'user_123' }
  await onbehalf.actions.getOrCreateConnectedAccount(account)
`

test('a listener keeps no process alive', async (t) => {
  const { code, stderr } = await run(`${setUp} onbehalf.on('statusChanged', () => {})`, { timeout: 20_000 })
  t.is(code, 0, stderr)
})

test('what a listener throws is uncaught, and the others are told', async (t) => {
  const { stdout, stderr } = await run(`${setUp}
    process.on('uncaughtException', (error) => console.log(error.message))
    onbehalf.on('statusChanged', () => { throw new Error('mine') })
    const told = new Promise((resolve) => onbehalf.on('statusChanged', resolve))
    await onbehalf.actions.disconnectConnectedAccount(account)
    const hold = setInterval(() => {}, 1000)
    console.log((await told).status)
    clearInterval(hold)
  `)
  t.is(stdout, 'mine\nDISCONNECTED\n', stderr)
})

test('nobody is told once `close` has resolved', async (t) => {
  const { actions, onbehalf } = await stage(t)
  await actions.getOrCreateConnectedAccount(account)
  let closed = false
  let late = 0
  onbehalf.on('statusChanged', () => void (late += closed))
  await actions.disconnectConnectedAccount(account)
  await onbehalf.close()
  closed = true
  for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate)
  t.is(late, 0)
})

/** Waits for what comes by itself. */
async function until(holds) {
  while (!holds()) await new Promise(setImmediate)
}
