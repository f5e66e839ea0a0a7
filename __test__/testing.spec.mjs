/** The test API: each of its methods has the effect that it promises, without a browser, a port or a pause. */
import test from 'ava'
import { OnbehalfError } from 'onbehalf'
import { openSandbox } from 'onbehalf/testing'

import { failure } from './door.mjs'

const account = { connectionName: 'sandbox', identifier: 'user_123' }

async function open(t, options) {
  const sandbox = await openSandbox(options)
  t.teardown(() => sandbox.close())
  return sandbox
}

async function connected(t, options) {
  const sandbox = await open(t, options)
  await sandbox.connect({ identifier: 'user_123' })
  return sandbox
}

const me = ({ actions }) => actions.request({ ...account, path: '/me' })
const details = async ({ actions }) => (await actions.getConnectedAccountDetails(account)).connectedAccount
const refreshes = ({ requests }) => requests.filter(({ grantType }) => grantType === 'refresh_token').length

test('a person is connected without a browser, and the API answers', async (t) => {
  const sandbox = await open(t)
  const connectedAccount = await sandbox.connect({ identifier: 'user_123' })
  t.like(connectedAccount, { ...account, status: 'ACTIVE', scopes: ['read', 'write'], providerAccountId: 'user_123' })
  const { status, data } = await me(sandbox)
  t.deepEqual({ status, data }, { status: 200, data: { id: 'user_123', email: 'user_123@sandbox.example' } })
})

test('a person may be somebody else there, and allow a part', async (t) => {
  const sandbox = await open(t)
  const account = await sandbox.connect({ identifier: 'user_123', user: 'grace@example.com', scopes: ['read'] })
  t.like(account, { providerAccountLabel: 'grace@example.com', scopes: ['read'] })
  const write = { ...account, connectedAccountId: undefined, method: 'POST', path: '/echo', body: {} }
  const { connectionName, identifier, method, path } = write
  const answer = await sandbox.actions.request({ connectionName, identifier, method, path, body: {} })
  t.is(answer.status, 403)
})

test('what is sent is echoed, without the credential', async (t) => {
  const { actions } = await connected(t)
  const { accessToken } = await actions.getToken(account)
  const answer = await actions.request({
    ...account,
    method: 'POST',
    path: '/echo',
    queryParams: { a: [1, 2] },
    headers: { 'x-mine': 'yes' },
    body: { hello: 'world' },
  })
  t.like(answer.data, { method: 'POST', path: '/echo', query: 'a=1&a=2', body: '{"hello":"world"}' })
  t.is(answer.data.headers['x-mine'], 'yes')
  t.false((await answer.text()).includes(accessToken))
})

test('any number of bytes and any status can be asked for', async (t) => {
  const { actions } = await connected(t)
  const bytes = await (await actions.request({ ...account, path: '/bytes/200000' })).bytes()
  t.deepEqual(
    new Uint8Array(bytes),
    Uint8Array.from({ length: 200_000 }, (_, index) => index % 256),
  )
  for (const status of [204, 302, 404, 429, 500]) {
    const answer = await actions.request({ ...account, path: `/status/${status}` })
    t.is(answer.status, status)
  }
  t.is((await actions.request({ ...account, path: '/nowhere' })).status, 404)
})

test('a link of one’s agent is granted, and ends at the outcome or the verify page', async (t) => {
  const verify = 'https://app.example/verify'
  const sandbox = await open(t, { userVerification: 'app', userVerifyUrls: [verify] })
  const { link } = await sandbox.actions.getAuthorizationLink({ ...account, state: 'mine' })
  const { redirectUrl } = await sandbox.grant(link)
  t.true(redirectUrl.startsWith(`${verify}?`))
  t.is((await details(sandbox)).status, 'PENDING_VERIFICATION')

  const authRequestId = new URL(redirectUrl).searchParams.get('auth_request_id')
  await sandbox.actions.verifyConnectedAccountUser({ authRequestId, identifier: account.identifier })
  t.is((await details(sandbox)).status, 'ACTIVE')
  t.is((await sandbox.connect({ identifier: 'user_456' })).status, 'ACTIVE', 'connecting verifies by itself')
})

test('a link that is denied connects nobody', async (t) => {
  const sandbox = await open(t)
  const { link } = await sandbox.actions.getAuthorizationLink(account)
  const { redirectUrl } = await sandbox.deny(link)
  t.regex(redirectUrl, /^http:\/\/localhost\/connect\/outcome\//)
  t.is((await details(sandbox)).status, 'PENDING_AUTH')
})

test('an expired access token is refreshed once', async (t) => {
  const sandbox = await connected(t)
  await sandbox.expireAccessTokens({ identifier: 'user_123' })
  const answers = await Promise.all(Array.from({ length: 10 }, () => me(sandbox)))
  t.true(answers.every(({ status }) => status === 200))
  t.is(refreshes(sandbox), 1)
})

test('what concerns one person leaves another alone', async (t) => {
  const sandbox = await connected(t)
  await sandbox.connect({ identifier: 'user_456' })
  await sandbox.revoke({ identifier: 'user_456' })
  t.is((await me(sandbox)).status, 200)
  t.is(refreshes(sandbox), 0)
  const other = { ...account, identifier: 'user_456', path: '/me' }
  await t.throwsAsync(sandbox.actions.request(other), { code: 'REAUTHORIZATION_REQUIRED' })
})

test('a revoked grant asks for the person again', async (t) => {
  const sandbox = await connected(t)
  await sandbox.revoke()
  await t.throwsAsync(me(sandbox), { code: 'REAUTHORIZATION_REQUIRED', instanceOf: OnbehalfError })
  t.like(await details(sandbox), { status: 'EXPIRED', reason: 'revoked' })
  t.is((await sandbox.connect({ identifier: 'user_123' })).status, 'ACTIVE')
})

test('a refresh that fails with a status costs nothing, and says when to try again', async (t) => {
  const sandbox = await connected(t)
  await sandbox.expireAccessTokens()
  sandbox.failNext({ path: '/token', status: 503, retryAfter: 120 })
  const error = await failure(() => me(sandbox))
  t.is(error.code, 'PROVIDER_UNAVAILABLE')
  t.true(error.retryable)
  t.truthy(error.details.retryAt)
  t.is((await details(sandbox)).status, 'ACTIVE')

  sandbox.advance({ minutes: 3 })
  t.is((await me(sandbox)).status, 200)
})

test('a request to the API fails as it is told, as often as it is told', async (t) => {
  const sandbox = await connected(t)
  sandbox.failNext({ path: '/me', status: 429, retryAfter: 7, times: 2 })
  for (const wanted of [429, 429, 200]) t.is((await me(sandbox)).status, wanted)
  sandbox.failNext({ path: '/me', status: 429, retryAfter: 7 })
  t.is((await me(sandbox)).headers['retry-after'], '7')
})

test('a refresh whose answer is lost asks for the person again, and says why', async (t) => {
  const sandbox = await connected(t)
  await sandbox.expireAccessTokens()
  sandbox.dropNext({ path: '/token' })
  await t.throwsAsync(me(sandbox), { code: 'PROVIDER_UNAVAILABLE' })
  t.is((await details(sandbox)).status, 'ACTIVE', 'it is not known yet')
  // The next try betrays the refresh token's reuse, which is proof.
  sandbox.advance({ minutes: 5 })
  await t.throwsAsync(me(sandbox), { code: 'REAUTHORIZATION_REQUIRED' })
  t.like(await details(sandbox), { status: 'EXPIRED', reason: 'lost_rotation' })
})

test('a request whose answer is lost is reported as such', async (t) => {
  const sandbox = await connected(t)
  sandbox.dropNext({ path: '/echo' })
  await t.throwsAsync(sandbox.actions.request({ ...account, method: 'POST', path: '/echo', body: {} }), {
    code: 'ANSWER_LOST',
  })
  sandbox.dropNext({ path: '/bytes/1000', partway: true })
  await t.throwsAsync(async () => (await sandbox.actions.request({ ...account, path: '/bytes/1000' })).bytes())
  t.is((await me(sandbox)).status, 200)
})

test('narrowed scopes show on the account after the next refresh', async (t) => {
  const sandbox = await connected(t)
  await sandbox.narrowScopes({ identifier: 'user_123', scopes: ['read'] })
  const write = { ...account, method: 'POST', path: '/echo', body: {} }
  t.is((await sandbox.actions.request(write)).status, 403)
  await sandbox.expireAccessTokens()
  await me(sandbox)
  t.deepEqual((await details(sandbox)).scopes, ['read'])
})

test('a moved clock lets a token be refreshed before it ends', async (t) => {
  const sandbox = await connected(t)
  const held = sandbox.holdNext({ path: '/token' })
  sandbox.advance({ minutes: 55 })
  t.is((await me(sandbox)).status, 200, 'the token still works, and nobody waits for the next')
  await held.arrived()
  held.release()
  t.is(refreshes(sandbox), 1)
  t.deepEqual(
    sandbox.requests.filter(({ status }) => status === 401),
    [],
  )
  await sandbox.actions.getToken({ ...account, minValidity: 600 }) // waits for that refresh
  sandbox.advance({ days: 1, hours: 2, minutes: 3, seconds: 4, milliseconds: 5 })
  t.is((await me(sandbox)).status, 200)
  t.is(refreshes(sandbox), 2)
})

test('a held request waits until it is let go, in no time', async (t) => {
  const sandbox = await connected(t)
  const held = sandbox.holdNext({ path: '/me' })
  let answered = false
  const answer = me(sandbox).finally(() => (answered = true))
  await held.arrived()
  t.false(answered)
  held.release()
  t.is((await answer).status, 200)
})

test('a slow request takes longer than a caller waits', async (t) => {
  const sandbox = await connected(t)
  sandbox.slowNext({ path: '/me', milliseconds: 60_000 })
  const request = sandbox.actions.request({ ...account, path: '/me', timeoutMs: 20 })
  await t.throwsAsync(request, { code: 'TIMED_OUT' })
  sandbox.slowNext({ milliseconds: 1 })
  t.is((await me(sandbox)).status, 200)
})

test('a test answers in the place of a real API', async (t) => {
  const sandbox = await open(t, { connections: { gmail: { connector: 'sandbox', scopes: ['gmail.readonly'] } } })
  const gmail = { connectionName: 'gmail', identifier: 'user_123' }
  await sandbox.connect(gmail)
  const path = '/gmail/v1/users/me/messages'
  sandbox.reply({ path, body: { messages: [] } })
  sandbox.reply({ path, method: 'POST', status: 201, body: null })
  t.deepEqual((await sandbox.actions.request({ ...gmail, path })).data, { messages: [] })
  t.is((await sandbox.actions.request({ ...gmail, path, method: 'POST', body: {} })).status, 201)
  await sandbox.revoke(gmail)
  await t.throwsAsync(sandbox.actions.request({ ...gmail, path }), { code: 'REAUTHORIZATION_REQUIRED' })
})

test('a reply is for those alone who may still do something', async (t) => {
  const sandbox = await connected(t)
  const post = async (path) => (await sandbox.actions.request({ ...account, path, method: 'POST', body: {} })).status
  sandbox.reply({ path: '/any' })
  sandbox.reply({ path: '/drafts', scope: 'write' })
  t.deepEqual([await post('/any'), await post('/drafts')], [200, 200])
  await sandbox.narrowScopes({ identifier: 'user_123', scopes: ['read'] })
  t.deepEqual([await post('/any'), await post('/drafts')], [200, 403])
  await sandbox.narrowScopes({ identifier: 'user_123', scopes: [] })
  t.deepEqual([await post('/any'), await post('/drafts')], [403, 403])
})

test('a reply has the body that it was given, and no other', async (t) => {
  const sandbox = await connected(t)
  const answered = async (reply) => {
    sandbox.reply({ path: '/it', ...reply })
    const answer = await sandbox.actions.request({ ...account, path: '/it' })
    return [answer.status, answer.headers['content-length'], await answer.text()]
  }
  t.deepEqual(await answered({ body: null }), [200, '4', 'null'])
  t.deepEqual(await answered({ body: undefined }), [200, '0', ''])
  t.deepEqual(await answered({ status: 201 }), [201, '0', ''])
  t.deepEqual(await answered({ status: 204, body: {} }), [204, undefined, ''])
  t.deepEqual(await answered({ status: 205, body: {} }), [205, '0', ''])
})

test('the requests that arrived are known, without credentials', async (t) => {
  const sandbox = await connected(t)
  const { accessToken } = await sandbox.actions.getToken(account)
  sandbox.dropNext({ path: '/me' })
  await failure(() => me(sandbox))
  t.deepEqual(
    sandbox.requests.map(({ method, path, user, grantType, status }) => [method, path, user, grantType, status]),
    [
      ['POST', '/token', undefined, 'authorization_code', 200],
      ['GET', '/me', 'user_123', undefined, 200],
      ['GET', '/me', 'user_123', undefined, undefined],
    ],
  )
  t.false(JSON.stringify(sandbox.requests).includes(accessToken))
  t.true(sandbox.requests.every(({ at }) => at instanceof Date))
})

test('misuse is refused, and names what is wrong', async (t) => {
  const sandbox = await connected(t, { connections: { gmail: { clientId: 'a', clientSecret: 'b' } } })
  const { link } = await sandbox.actions.getAuthorizationLink(account)
  const gmail = await sandbox.actions.getAuthorizationLink({ ...account, connectionName: 'gmail' })
  const refused = {
    'an identifier that is not known': ['CONNECTED_ACCOUNT_NOT_FOUND', () => sandbox.revoke({ identifier: 'nobody' })],
    'a person who has not authorized': [
      'INVALID_ARGUMENT',
      () => sandbox.revoke({ ...account, connectionName: 'gmail' }),
    ],
    'a connection without an identifier': ['INVALID_ARGUMENT', () => sandbox.revoke({ connectionName: 'sandbox' })],
    'a link of elsewhere': ['INVALID_ARGUMENT', () => sandbox.grant('https://elsewhere.example/connect/abc')],
    'no link': ['INVALID_ARGUMENT', () => sandbox.grant()],
    'a link to another provider': ['INVALID_ARGUMENT', () => sandbox.grant(gmail.link)],
    'a link that never was': ['LINK_NOT_FOUND', () => sandbox.deny('http://localhost/connect/abc')],
    'a scope that is not asked for': ['INVALID_ARGUMENT', () => sandbox.grant(link, { scopes: ['admin'] })],
    'a time before': ['INVALID_ARGUMENT', () => sandbox.advance({ hours: -1 })],
    'no object': ['INVALID_ARGUMENT', () => sandbox.advance(1000)],
    'an unknown unit': ['UNKNOWN_OPTION', () => sandbox.advance({ weeks: 1 })],
    'a good status': ['INVALID_ARGUMENT', () => sandbox.failNext({ status: 200 })],
    'no status': ['INVALID_ARGUMENT', () => sandbox.failNext({})],
    'a path without a slash': ['INVALID_ARGUMENT', () => sandbox.dropNext({ path: 'token' })],
    'not once': ['INVALID_ARGUMENT', () => sandbox.dropNext({ times: 0 })],
    'a status that is none': ['INVALID_ARGUMENT', () => sandbox.reply({ path: '/me', status: 42 })],
    'two scopes': ['INVALID_ARGUMENT', () => sandbox.reply({ path: '/me', scope: 'read write' })],
    'a tenant without an identifier': ['INVALID_ARGUMENT', () => sandbox.revoke({ organizationId: 'acme' })],
    'an option that is unknown': ['UNKNOWN_OPTION', () => sandbox.holdNext({ pathh: '/me' })],
  }
  for (const [what, [code, call]] of Object.entries(refused)) {
    const error = await failure(call)
    t.true(error instanceof OnbehalfError, what)
    t.is(error.code, code, `${what}: ${error.message}`)
    t.regex(error.stack, /testing\.spec\.mjs/, what)
  }
})

test('a key is entered, works, and is taken back', async (t) => {
  const sandbox = await open(t)
  const person = { connectionName: 'sandbox_key', identifier: 'user_123' }
  const { link } = await sandbox.actions.getAuthorizationLink(person)
  await t.throwsAsync(sandbox.grant(link), { code: 'INVALID_ARGUMENT', message: /submitKey/ })
  const wrong = await failure(() => sandbox.submitKey(link, 'sandbox-key-that-nobody-issued'))
  const powerless = await failure(() => sandbox.submitKey(link, sandbox.issueKey({ permissions: [] })))
  t.not(wrong.message, powerless.message, 'a wrong key is not one that may do nothing')

  await sandbox.submitKey(link, sandbox.issueKey({ user: 'grace' }))
  t.like((await sandbox.actions.request({ ...person, path: '/me' })).data, { id: 'grace' })
  await sandbox.revoke(person)
  t.is((await sandbox.actions.request({ ...person, path: '/me' })).status, 401)
  t.is((await sandbox.connect({ ...person, identifier: 'user_456' })).providerAccountId, 'user_456')
})

test('connections that are made as the program runs, of any tenant, are played too', async (t) => {
  const sandbox = await open(t)
  const { connections } = sandbox.onbehalf
  const app = { connector: 'sandbox', clientId: 'sandbox', clientSecret: 'sandbox' }
  for (const organizationId of [undefined, 'acme', 'o/1?~']) {
    const person = { connectionName: 'mail', identifier: 'user_123', organizationId }
    await connections.create({ ...app, connectionName: 'mail', organizationId })
    t.is((await sandbox.connect(person)).status, 'ACTIVE')
    const status = async () => (await sandbox.actions.request({ ...person, path: '/echo' })).status
    await sandbox.narrowScopes({ ...person, scopes: ['write'] })
    t.is(await status(), 403)
    await sandbox.revoke(person)
    await t.throwsAsync(status, { code: 'REAUTHORIZATION_REQUIRED' })
    const { link } = await sandbox.actions.getAuthorizationLink(person)
    await sandbox.grant(link)
    await sandbox.expireAccessTokens(person)
    t.is(await status(), 200)
  }
  const keys = { connectionName: 'keys', organizationId: 'acme' }
  await connections.create({ ...keys, connector: 'sandbox', authMethod: 'api_key' })
  t.is((await sandbox.connect({ ...keys, identifier: 'user_123' })).status, 'ACTIVE')
})

test('a link that failed can be granted with what it asks for', async (t) => {
  const sandbox = await open(t)
  const { link } = await sandbox.actions.getAuthorizationLink(account)
  await failure(() => sandbox.grant(link, { user: ' ' }))
  await failure(() => sandbox.grant(link, { scopes: ['admin'] }))
  await sandbox.grant(link, { user: 'grace', scopes: ['read'] })
  t.like(await details(sandbox), { status: 'ACTIVE', scopes: ['read'] })
})

test('connecting that fails says so', async (t) => {
  const sandbox = await open(t)
  sandbox.failNext({ path: '/token', status: 503 })
  await t.throwsAsync(sandbox.connect({ identifier: 'user_123' }), { code: 'AUTHORIZATION_FAILED' })
})

test('variables of the machine are not heard', async (t) => {
  process.env.ONBEHALF_USER_VERIFICATION = 'nonsense'
  t.teardown(() => delete process.env.ONBEHALF_USER_VERIFICATION)
  await t.notThrowsAsync(connected(t))
})

test('closing lets held requests go, and ends what comes after', async (t) => {
  const sandbox = await connected(t)
  await sandbox.expireAccessTokens()
  const held = sandbox.holdNext({ path: '/token' })
  const request = failure(() => me(sandbox))
  await held.arrived()
  await sandbox.close()
  t.is((await request).code, 'CLOSED')
  await t.throwsAsync(sandbox.connect({ identifier: 'user_123' }), { code: 'CLOSED' })
  t.throws(() => sandbox.holdNext(), { code: 'CLOSED' })
})

test('closing ends the wait for a request that never came', async (t) => {
  const sandbox = await open(t)
  const arrived = failure(() => sandbox.holdNext().arrived())
  await sandbox.close()
  t.is((await arrived).code, 'CLOSED')
})

test('the page of a link counts down on the sandbox’s clock', async (t) => {
  const sandbox = await open(t)
  const { link } = await sandbox.actions.getAuthorizationLink(account)
  const minutes = async () => {
    const page = await (await sandbox.onbehalf.handler(new Request(link))).text()
    return Number(/for the next \D*(\d+)/.exec(page)[1])
  }
  const before = await minutes()
  sandbox.advance({ minutes: 3 })
  const passed = before - (await minutes())
  t.true(passed === 3 || passed === 4, `${passed}`)
})

test('a sandbox is disposed of where the runtime can', async (t) => {
  const sandbox = await connected(t)
  if (Symbol.asyncDispose) await sandbox[Symbol.asyncDispose]()
  else await sandbox.close()
  await t.throwsAsync(me(sandbox), { code: 'CLOSED' })
})
