/** What a call is to JavaScript: its errors, its signal, its time, and what it shows when printed. */
import { getEventListeners, once } from 'node:events'
import { createServer } from 'node:http'
import { inspect } from 'node:util'

import test from 'ava'
import { ConnectorStatus, Onbehalf, OnbehalfError, actions as standard } from 'onbehalf'

import { failure, open } from './door.mjs'
import { freePort } from './support/serve.mjs'

const account = { connectionName: 'nowhere', identifier: 'user_123' }

test('an error has a code, says whether to try again, and names the line that called', async (t) => {
  const { actions } = open(t)
  async function whoCalls() {
    return await actions.getAuthorizationLink({})
  }
  const error = await failure(whoCalls)
  t.true(error instanceof OnbehalfError)
  t.true(error instanceof Error)
  t.is(error.name, 'OnbehalfError')
  t.is(error.code, 'INVALID_ARGUMENT')
  t.is(error.retryable, false)
  t.deepEqual(error.details, { argument: 'connectionName' })
  t.regex(error.stack, /^OnbehalfError: `connectionName` and .*\n {4}at (async )?whoCalls .*calls\.spec\.mjs/)
  t.deepEqual(Object.keys(error), ['code', 'retryable', 'details'])
})

test('an error of the engine is the same kind of error', async (t) => {
  const { actions } = open(t)
  async function whoCalls() {
    return await actions.getConnectedAccountDetails(account)
  }
  const error = await failure(whoCalls)
  t.true(error instanceof OnbehalfError)
  t.regex(error.code, /^[A-Z_]+$/)
  t.regex(error.stack, /^OnbehalfError: .*\n {4}at (async )?whoCalls .*calls\.spec\.mjs/)
})

test('every method returns a promise, whatever it is passed', async (t) => {
  const { actions, connections, connectors } = open(t)
  for (const room of [actions, connections, connectors, standard]) {
    const names = new Set([...Object.keys(room), ...Object.getOwnPropertyNames(Object.getPrototypeOf(room))])
    for (const name of names) {
      if (name === 'constructor' || name in Object.prototype) continue
      const answer = room[name](Symbol('not options'))
      t.true(answer instanceof Promise, name)
      t.is((await failure(() => answer)).code, 'INVALID_ARGUMENT', name)
    }
  }
})

test('a signal that was aborted before rejects with its reason', async (t) => {
  const { actions } = open(t)
  for (const reason of [new RangeError('mine'), 'text', undefined]) {
    const signal = AbortSignal.abort(reason)
    t.is(await failure(() => actions.getToken({ ...account, signal })), signal.reason)
  }
})

test('a signal is left as it was found when the call settles', async (t) => {
  const { actions } = open(t)
  const { signal } = new AbortController()
  const onabort = () => {}
  signal.onabort = onabort
  await failure(() => actions.getToken({ ...account, signal }))
  t.is(signal.onabort, onabort)
  t.deepEqual(getEventListeners(signal, 'abort').length, 1)
})

test('a closed instance says so, and closing twice is closing once', async (t) => {
  const onbehalf = new Onbehalf({ store: ':memory:' })
  await onbehalf.close()
  await onbehalf.close()
  t.is((await failure(() => onbehalf.connectors.list())).code, 'CLOSED')
  t.is((await failure(() => onbehalf.listen())).code, 'CLOSED')
})

test('nothing secret is shown when an instance is printed', (t) => {
  const onbehalf = open(t, { key: 'CANARY', connections: { gmail: { clientSecret: 'CANARY', app: { a: 'CANARY' } } } })
  const shown = [onbehalf, onbehalf.actions, onbehalf.connections, onbehalf.connectors].flatMap((object) => [
    inspect(object, { showHidden: true, depth: Infinity, getters: true }),
    JSON.stringify(object),
    String(object),
    JSON.stringify(structuredClone({ ...object })),
  ])
  t.notRegex(shown.join(), /CANARY/)
  t.is(inspect(onbehalf), 'Onbehalf {}')
})

test('an instance has the same rooms each time', (t) => {
  const onbehalf = open(t)
  t.is(onbehalf.actions, onbehalf.actions)
  t.is(onbehalf.connections, onbehalf.connections)
  t.is(onbehalf.connectors, onbehalf.connectors)
})

test('the statuses cannot be changed', (t) => {
  t.true(Object.isFrozen(ConnectorStatus))
  t.deepEqual(
    Object.entries(ConnectorStatus).filter(([name, value]) => name !== value),
    [],
  )
})

test('the pages are served on a free port, until the instance is closed', async (t) => {
  const onbehalf = open(t)
  const { url } = await onbehalf.listen()
  t.regex(url, /^http:\/\/localhost:\d+\/$/)
  t.deepEqual(await onbehalf.listen(), { url })
  const { port } = new URL(url)
  const taken = open(t, { port: Number(port) })
  t.like(await failure(() => taken.listen()), { code: 'PORT_IN_USE', details: { port } })
  await onbehalf.close()
  await t.notThrowsAsync(taken.listen())
})

test('an app can serve the pages itself, by a handler that is passed around', async (t) => {
  const { handler } = open(t)
  const response = await handler(new Request('http://localhost/nowhere', { method: 'POST', body: 'a=b' }))
  t.true(response instanceof Response)
  t.is(response.status, 404)
  t.is((await failure(() => handler('http://localhost/'))).name, 'TypeError')
})

test('the handler reads no more of a body than the pages take', async (t) => {
  const { handler } = open(t)
  let pulled = 0
  const body = new ReadableStream({
    pull: (controller) => controller.enqueue(new Uint8Array(1024).fill(97, pulled++ && 0)),
  })
  const request = {
    method: 'POST',
    body,
    duplex: 'half',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  }
  const response = await handler(new Request('http://localhost/callback/app', request))
  t.is(response.status, 413)
  t.true(pulled <= 66, `${pulled} KiB were read`)
})

test('with a public URL of its own, an app makes links without a port being taken', async (t) => {
  const port = await freePort()
  const publicUrl = `http://localhost:${port}`
  const app = createServer().listen(port, 'localhost')
  await once(app, 'listening')
  t.teardown(() => app.close())
  const { actions } = open(t, {
    publicUrl,
    port: undefined,
    connections: { gmail: { clientId: 'a', clientSecret: 'b' } },
  })
  const { link } = await actions.getAuthorizationLink({ connectionName: 'gmail', identifier: 'user_123' })
  t.true(link.startsWith(`${publicUrl}/connect/`))
})

test('methods work when they are taken from their room', async (t) => {
  const { listConnections } = open(t).actions
  t.deepEqual(await listConnections(), { connections: [] })
})
