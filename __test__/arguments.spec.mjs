/** What the door does with arguments: A115 (polluted prototypes), A116 (getters and proxies), A117 (wrong types). */
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runInNewContext } from 'node:vm'

import test from 'ava'
import { Onbehalf, OnbehalfError } from 'onbehalf'

import { failure, open, run } from './door.mjs'

const account = { connectionName: 'gmail', identifier: 'user_123' }
const cyclic = {}
cyclic.self = cyclic

/** Options of the constructor that are refused, and how the message begins. None may repeat a value: `CANARY`. */
const refusedOptions = [
  [5, '`options` must be an object'],
  [null, '`options` must be an object'],
  ['CANARY', '`options` must be an object'],
  [[], '`options` must be an object'],
  [Symbol('CANARY'), '`options` must not be a symbol'],
  [() => 'CANARY', '`options` must not be a function'],
  [new Map(), '`options` must be a plain object'],
  [new Date(), '`options` must be a plain object'],
  [Promise.resolve({}), '`options` must be a plain object'],
  [{ store: 5 }, '`store` must be a string'],
  [{ store: Symbol('CANARY') }, '`store` must not be a symbol'],
  [{ store: 5n }, '`store` must not be a BigInt'],
  [{ store: new String('CANARY') }, '`store` must be a plain object'],
  [{ store: 'CANARY\ud800' }, '`store` must be well-formed Unicode'],
  [{ port: '7415' }, '`port` must be a whole number from 0 to 65535'],
  [{ port: 1.5 }, '`port` must be a whole number from 0 to 65535'],
  [{ port: -1 }, '`port` must be a whole number from 0 to 65535'],
  [{ port: 65_536 }, '`port` must be a whole number from 0 to 65535'],
  [{ port: 2 ** 53 }, '`port` must be a whole number from 0 to 65535'],
  [{ port: NaN }, '`port` must be a finite number'],
  [{ key: true }, '`key` must be a string'],
  [{ key: 'CANARY', keyFile: 'CANARY' }, '`keyFile` must not stand beside `key`'],
  [{ publicUrl: 'CANARY' }, '`publicUrl` must be an absolute URL'],
  [{ userVerification: 'CANARY' }, '`userVerification` must be "app" or "none"'],
  [{ userVerification: 1 }, '`userVerification` must be a string'],
  [{ backgroundRefresh: 'CANARY' }, '`backgroundRefresh` must be a boolean'],
  [{ userVerifyUrls: 'CANARY' }, '`userVerifyUrls` must be an array'],
  [{ userVerifyUrls: [, 'CANARY'] }, '`userVerifyUrls.0` must be a string'],
  [{ connections: [] }, '`connections` must be an object'],
  [{ connections: { gmail: 'CANARY' } }, '`connections.gmail` must be an object'],
  [
    { connections: { gmail: { clientSecret: { CANARY: 1 } } } },
    '`connections.gmail.clientSecret` must be a string or an array of strings',
  ],
  [{ connections: { gmail: { clientSecret: ['CANARY', 7] } } }, '`connections.gmail.clientSecret.1` must be a string'],
  [{ connections: { gmail: { scopes: ['CANARY', 7] } } }, '`connections.gmail.scopes.1` must be a string'],
  [
    { connections: { gmail: { endpoints: { tokenUrl: 'CANARY' } } } },
    '`connections.gmail.endpoints.tokenUrl` must be an absolute URL',
  ],
  [{ connections: { '../gmail': {} } }, '`connectionName` must be at most 64 letters'],
  [{ connectors: { mine: Buffer } }, '`connectors.mine` must not be a function'],
  [{ connections: cyclic }, '`connections.self.self'],
  [{ ['k'.repeat(2000)]: 1 }, '`options` has a key that is too long'],
]

test('options of the wrong type are refused by name, and never repeated', (t) => {
  for (const [options, beginning] of refusedOptions) {
    const error = t.throws(() => new Onbehalf(options), { instanceOf: OnbehalfError, code: 'INVALID_ARGUMENT' })
    t.true(error.message.startsWith(beginning), `${error.message} does not begin with ${beginning}`)
    t.notRegex(error.stack + JSON.stringify(error.details), /(?<!Buffer|'|")CANARY/)
  }
})

/** Options of `request` that are refused, and how the message begins. */
const refusedRequests = [
  [undefined, '`path` is required'],
  [{ path: '/' }, '`connectionName` and `identifier` are required'],
  [{ path: '/', connectionName: 'gmail' }, '`identifier` is required'],
  [{ path: '/', connectionName: 'gmail', identifier: '  ' }, '`identifier` is required'],
  [{ path: '/', connectionName: 'gmail', identifier: 'a\u0007' }, '`identifier` must not contain control characters'],
  [{ path: '/', connectionName: 'gmail', identifier: 'a'.repeat(201) }, '`identifier` must be at most 200 characters'],
  [{ path: '/', connectionName: 'a b', identifier: 'x' }, '`connectionName` must be at most 64 letters'],
  [{ path: '/', ...account, connectedAccountId: 'ca_1' }, '`connectedAccountId` must not stand beside'],
  [{ path: '/', ...account, organizationId: 'a b' }, '`organizationId` must be'],
  [{ path: 5, ...account }, '`path` must be a string'],
  [{ path: '/', ...account, method: 'GET /' }, '`method` must be an HTTP method'],
  [{ path: '/', ...account, body: 5 }, '`body` must be an object, an array, a string or a Uint8Array'],
  [{ path: '/', ...account, body: new Uint16Array(2) }, '`body` must be a Uint8Array'],
  [{ path: '/', ...account, body: { at: new Date(0) } }, '`body.at` must be a plain object'],
  [{ path: '/', ...account, body: {}, formData: {} }, '`formData` must not stand beside `body`'],
  [{ path: '/', ...account, queryParams: new URLSearchParams('a=1') }, '`queryParams` must be a plain object'],
  [{ path: '/', ...account, queryParams: { a: { b: 1 } } }, '`queryParams.a` must be a string, a number, a boolean'],
  [{ path: '/', ...account, headers: { accept: 1 } }, '`headers.accept` must be a string'],
  [{ path: '/', ...account, timeoutMs: 0 }, '`timeoutMs` must be a positive number of milliseconds'],
  [{ path: '/', ...account, timeoutMs: '5' }, '`timeoutMs` must be a positive number of milliseconds'],
  [{ path: '/', ...account, signal: {} }, '`signal` must be an AbortSignal'],
  [{ path: '/', ...account, signal: 'stop' }, '`signal` must be an AbortSignal'],
]

test('a request that cannot be sent is refused before anything is opened', async (t) => {
  const store = join(tmpdir(), `onbehalf-${process.pid}`, 'store.db')
  const { actions } = open(t, { store })
  for (const [options, beginning] of refusedRequests) {
    const error = await failure(() => actions.request(options))
    t.is(error.code, 'INVALID_ARGUMENT', error.stack)
    t.true(error.message.startsWith(beginning), `${error.message} does not begin with ${beginning}`)
  }
  t.false(existsSync(store))
})

test('an unknown option is named, with the nearest one', async (t) => {
  const { actions, connections } = open(t)
  const unknown = async (call, option, nearest) => {
    const error = await failure(call)
    t.is(error.code, 'UNKNOWN_OPTION', error.stack)
    t.deepEqual(error.details, nearest ? { option, nearest } : { option })
  }
  await unknown(() => new Onbehalf({ Store: 'a' }), 'Store', 'store')
  await unknown(() => new Onbehalf({ conections: {} }), 'conections', 'connections')
  await unknown(
    () => new Onbehalf({ connections: { gmail: { clientID: 'a' } } }),
    'connections.gmail.clientID',
    'clientId',
  )
  await unknown(() => actions.getAuthorizationLink({ ...account, identifer: 'x' }), 'identifer', 'identifier')
  await unknown(() => actions.request({ ...account, path: '/', query: {} }), 'query', 'queryParams')
  await unknown(() => connections.get({ name: 'gmail' }), 'name')
  await unknown(() => actions.getToken({ ...account, timeout: 5 }), 'timeout', 'timeoutMs')
  await unknown(() => new Onbehalf({ signal: new AbortController().signal }), 'signal')
  await unknown(() => new Onbehalf({ 'line\nbreak': 1 }), 'line\\nbreak')
})

/** Every option that a polluted prototype could set. */
const names =
  'store key keyFile publicUrl port appName userVerification userVerifyUrls connections connectors proxy backgroundRefresh connector authMethod clientId clientSecret scopes scopeParams fields app endpoints authorizeUrl tokenUrl refreshUrl revokeUrl baseUrl connectionName identifier connectedAccountId organizationId state userVerifyUrl signal timeoutMs path method body headers queryParams formData stream minValidity pageSize'

test('a polluted prototype changes nothing (A115)', async (t) => {
  t.timeout(180_000)
  const answers = await run(
    `
    import { Onbehalf } from 'onbehalf'
    const say = async (pollute) => {
      const undo = pollute()
      const lines = []
      const attempt = async (call) => lines.push(await (async () => call())().then(JSON.stringify, (e) => e.code + e.message))
      await attempt(() => new Onbehalf({ store: ':memory:', connections: { gmail: {} } }))
      const { actions, connections } = new Onbehalf({ store: ':memory:' })
      await attempt(() => actions.getAuthorizationLink({}))
      await attempt(() => actions.request({ path: '/', connectionName: 'gmail' }))
      await attempt(() => actions.getToken({ connectionName: 'none', identifier: 'user' }))
      await attempt(() => connections.create({ connectionName: 'a', endpoints: {}, scopes: [,] }))
      undo()
      return lines.join('\\n')
    }
    const clean = await say(() => () => {})
    for (const [prototype, key] of [
      ...${JSON.stringify(names.split(' '))}.map((name) => [Object.prototype, name]),
      [Array.prototype, 0],
    ]) {
      for (const value of ['polluted', 1, true, {}, ['polluted']]) {
        const answers = await say(() => {
          prototype[key] = value
          return () => delete prototype[key]
        })
        if (answers !== clean) throw new Error(key + ' changed\\n' + clean + '\\nto\\n' + answers)
      }
    }
    console.log('unchanged')
  `,
    { timeout: 150_000 },
  )
  t.is(answers.stdout, 'unchanged\n', answers.stderr)
})

test('an own key `__proto__` sets no prototype', (t) => {
  const error = t.throws(() => new Onbehalf(JSON.parse('{ "__proto__": { "store": "polluted" } }')))
  t.like(error, { code: 'UNKNOWN_OPTION', details: { option: '__proto__' } })
})

test('each property is read once (A116)', async (t) => {
  const reads = {}
  const counting = (options) =>
    Object.defineProperties(
      {},
      Object.fromEntries(
        Object.entries(options).map(([key, value]) => [
          key,
          { enumerable: true, get: () => ((reads[key] = (reads[key] ?? 0) + 1), value) },
        ]),
      ),
    )
  const { signal } = new AbortController()
  const nested = counting({ a: 1 })
  await failure(() => open(t).actions.request(counting({ path: '/', ...account, signal, timeoutMs: 50, body: nested })))
  t.deepEqual(reads, { path: 1, connectionName: 1, identifier: 1, signal: 1, timeoutMs: 1, body: 1, a: 1 })
})

test('what a getter or a proxy throws comes back as it is (A116)', async (t) => {
  const { actions } = open(t)
  const mine = new RangeError('mine')
  const thrower = () => {
    throw mine
  }
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  t.is(await failure(() => actions.request({ get path() { return thrower() } })), mine) // prettier-ignore
  t.is(await failure(() => actions.request(new Proxy({}, { ownKeys: thrower }))), mine)
  t.is(await failure(() => actions.request({ get path() { throw 'text' } })), 'text') // prettier-ignore
  t.is(await failure(() => actions.request(new Proxy({ path: '/' }, { get: thrower }))), mine)
  t.true((await failure(() => actions.request(proxy))) instanceof TypeError)
})

test('a getter may call back in, and may remove what is read next (A116)', async (t) => {
  const { actions } = open(t)
  const inner = []
  const options = {
    get path() {
      inner.push(actions.getToken({}))
      delete this.headers
      return '/'
    },
    headers: 'of the wrong type',
    connectionName: 'gmail',
  }
  t.is((await failure(() => actions.request(options))).details.argument, 'identifier')
  t.is((await failure(() => inner[0])).code, 'INVALID_ARGUMENT')
})

test('options of another realm are options', (t) => {
  t.throws(() => new Onbehalf(runInNewContext('({ port: "x" })')), { code: 'INVALID_ARGUMENT', message: /port/ })
  t.notThrows(() => new Onbehalf(runInNewContext('({ store: ":memory:", userVerifyUrls: [] })')))
  t.notThrows(() => new Onbehalf(Object.assign(Object.create(null), { store: ':memory:' })))
})

test('`undefined` and `null` are options that were left out', (t) => {
  t.notThrows(
    () => new Onbehalf({ store: ':memory:', port: undefined, key: null, connections: { a: { scopes: null } } }),
  )
})

test('what is huge is refused before it is copied (A117)', async (t) => {
  const { actions } = open(t)
  const before = process.memoryUsage().rss
  for (const body of ['x'.repeat(2 ** 27), new Uint8Array(2 ** 27), new Array(2 ** 20).fill(0), new Array(2 ** 31)])
    t.is((await failure(() => actions.request({ ...account, path: '/', body }))).message, '`options` are too large')
  t.true(process.memoryUsage().rss - before < 2 ** 29)
})

test('a detached buffer is empty, and a shared one is copied (A117)', async (t) => {
  const { actions } = open(t)
  const detached = new Uint8Array(8)
  structuredClone(detached.buffer, { transfer: [detached.buffer] })
  for (const body of [detached, new Uint8Array(new SharedArrayBuffer(8)), Buffer.from('abc')]) {
    const error = await failure(() => actions.request({ ...account, path: '/', body }))
    t.not(error.code, 'INVALID_ARGUMENT')
  }
})

/** Whatever this package calls: the rooms' methods, each with options of its own. */
const methodsOf = (room) =>
  Object.getOwnPropertyNames(Object.getPrototypeOf(room)).filter((name) => name !== 'constructor')

test('no value, however odd, is more than refused (A117)', async (t) => {
  t.timeout(300_000, 'a busy machine takes its time for 100,000 calls')
  const onbehalf = open(t)
  await onbehalf.close()
  const { actions, connections, connectors } = onbehalf
  const rooms = { actions, connections, connectors }
  const methods = Object.values(rooms).flatMap((room) => methodsOf(room).map((name) => room[name]))
  t.true(methods.length >= 23, `${methods.length} methods`)
  const calls = [
    ...methods,
    onbehalf.listen,
    onbehalf.health,
    onbehalf.metrics,
    onbehalf.close,
    (options) => new Onbehalf(options),
  ]

  // The same values in every run: a linear generator with a seed of its own.
  let seed = 1
  const below = (limit) => (seed = (seed * 48_271) % 2_147_483_647) % limit
  const oneOf = (list) => list[below(list.length)]
  const leaves = [undefined, null, true, 0, -0, 1, 2 ** 53, 1e400, NaN, 5n, 'text', '', ' ', '\udc00', '\0', '\u202e']
  leaves.push('user_123', 'gmail', 'ca_1', 'x'.repeat(5000), 'https://x.test/', '../..', Symbol('s'), () => {}, /x/)
  const keys = [...names.split(' '), '__proto__', 'constructor', 'valueOf', '0', 'toJSON', 'then', '']
  const instances = [Uint8Array, Float64Array, BigInt64Array, ArrayBuffer, SharedArrayBuffer, DataView, Date, Set]
  const instance = (type) => new type(type === DataView ? new ArrayBuffer(8) : type === Set ? [1] : below(9))
  const fields = (depth) => Object.fromEntries(Array.from({ length: below(6) }, () => [oneOf(keys), odd(depth - 1)]))
  const odd = (depth) => {
    if (depth === 0) return oneOf(leaves)
    return oneOf([
      () => oneOf(leaves),
      () => instance(oneOf(instances)),
      () => Array.from({ length: below(4) }, () => odd(depth - 1)),
      () => Object.assign(Array(below(4)), fields(depth)),
      () => fields(depth),
      () => Object.assign(Object.create(null), fields(depth)),
      () => new Proxy(fields(depth), {}),
    ])()
  }

  const codes = new Map()
  for (let round = 0; round < 100_000; round++) {
    // Mostly objects, since all else is refused at once.
    const options = below(8) ? fields(4) : odd(2)
    try {
      await oneOf(calls)(options)
      codes.set('done', round)
    } catch (error) {
      if (!(error instanceof OnbehalfError)) throw error
      codes.set(error.code, round)
    }
  }
  // `new Onbehalf()` and `close()` may be meant; everything else finds the instance closed at best.
  t.deepEqual([...codes.keys()].sort(), ['CLOSED', 'INVALID_ARGUMENT', 'UNKNOWN_OPTION', 'done'])
})
