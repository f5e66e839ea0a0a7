/** How a wait ends: by a signal, by time, and with the process. */
import { getEventListeners } from 'node:events'

import test from 'ava'

import { failure, open, run } from './door.mjs'

const account = { connectionName: 'gmail', identifier: 'user_123' }
const connections = { gmail: { clientId: 'id', clientSecret: 'secret' } }

/** An instance with an account that nobody has authorized: to wait for it takes for ever. */
async function pending(t) {
  const { actions } = open(t, { connections })
  await actions.getOrCreateConnectedAccount(account)
  return actions
}

test('a signal ends a wait with its reason, whatever that is', async (t) => {
  const actions = await pending(t)
  for (const reason of [new RangeError('mine'), 'text', null, undefined]) {
    const controller = new AbortController()
    const waiting = actions.waitForConnectedAccount({ ...account, signal: controller.signal })
    controller.abort(reason)
    t.is(await failure(() => waiting), controller.signal.reason)
  }
})

test('a wait listens to its signal without touching `onabort`, and not longer than it lasts', async (t) => {
  const actions = await pending(t)
  const controller = new AbortController()
  const heard = []
  controller.signal.onabort = () => heard.push('mine')
  const waiting = actions.waitForConnectedAccount({ ...account, signal: controller.signal })
  const other = actions.waitForConnectedAccount({ ...account, signal: controller.signal, timeoutMs: 1 })
  t.is(getEventListeners(controller.signal, 'abort').length, 3)
  await failure(() => other)
  t.is(getEventListeners(controller.signal, 'abort').length, 2)
  controller.abort()
  await failure(() => waiting)
  t.deepEqual(heard, ['mine'])
  t.is(getEventListeners(controller.signal, 'abort').length, 1)
})

test('a signal ends the wait of its caller alone', async (t) => {
  const actions = await pending(t)
  const other = actions.waitForConnectedAccount({ ...account, timeoutMs: 100 })
  t.is(
    (await failure(() => actions.waitForConnectedAccount({ ...account, signal: AbortSignal.timeout(1) }))).name,
    'TimeoutError',
  )
  t.is((await failure(() => other)).code, 'TIMED_OUT')
})

test('a wait ends when its time is up', async (t) => {
  const actions = await pending(t)
  const error = await failure(() => actions.waitForConnectedAccount({ ...account, timeoutMs: 20 }))
  t.like(error, { code: 'TIMED_OUT', retryable: false, details: { afterMs: '20' } })
})

test('a wait ends when the instance is closed', async (t) => {
  const onbehalf = open(t, { connections })
  await onbehalf.actions.getOrCreateConnectedAccount(account)
  const waiting = onbehalf.actions.waitForConnectedAccount({ ...account, timeoutMs: 10_000 })
  await onbehalf.close()
  t.is((await failure(() => waiting)).code, 'CLOSED')
})

const setUp = `
  import { Onbehalf } from 'onbehalf'
  const account = ${JSON.stringify(account)}
  const options = { store: ':memory:', port: 0, connections: ${JSON.stringify(connections)} }
  const onbehalf = new Onbehalf(options)
  const { actions } = onbehalf
`

test('a pending wait keeps the process alive', async (t) => {
  const { stdout, stderr } = await run(`${setUp}
    await actions.getAuthorizationLink(account)
    actions.waitForConnectedAccount({ ...account, timeoutMs: 300 }).catch(({ code }) => console.log(code))
  `)
  t.is(stdout, 'TIMED_OUT\n', stderr)
})

test('the pages that a link needs keep no process alive', async (t) => {
  const { code, stdout, stderr } = await run(
    `${setUp}
    const { link } = await actions.getAuthorizationLink(account)
    console.log((await fetch(link, { headers: { connection: 'close' } })).status)
  `,
    { timeout: 10_000 },
  )
  t.deepEqual({ code, stdout }, { code: 0, stdout: '200\n' }, stderr)
})

test('`listen` keeps the process alive until `close`', async (t) => {
  const { code, stdout, stderr } = await run(
    `${setUp}
    await onbehalf.listen()
    setTimeout(() => onbehalf.close().then(() => console.log('closed')), 200).unref()
  `,
    { timeout: 10_000 },
  )
  t.deepEqual({ code, stdout }, { code: 0, stdout: 'closed\n' }, stderr)
})

test('a link works though nothing holds the instance that made it', async (t) => {
  const { stdout, stderr } = await run(`
    import { Onbehalf } from 'onbehalf'
    import v8 from 'node:v8'
    import vm from 'node:vm'
    v8.setFlagsFromString('--expose-gc')
    const link = await (async () => {
      const onbehalf = new Onbehalf({ store: ':memory:', port: 0, connections: ${JSON.stringify(connections)} })
      return (await onbehalf.actions.getAuthorizationLink(${JSON.stringify(account)})).link
    })()
    for (let round = 0; round < 5; round++) {
      vm.runInNewContext('gc')()
      await new Promise(setImmediate)
    }
    console.log((await fetch(link, { headers: { connection: 'close' } })).status)
  `)
  t.is(stdout, '200\n', stderr)
})
