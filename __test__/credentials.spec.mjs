/** Credentials that the app brings: keys and tokens, put into accounts, used in requests, and handed out again. */
import { inspect } from 'node:util'

import test from 'ava'

import { failure, open } from './door.mjs'
import { startKeyed } from './support/keyed.mjs'

const ada = { connectionName: 'keys', identifier: 'ada' }
const adaByToken = { connectionName: 'tokens', identifier: 'ada' }
const key = (api_key, more) => ({ authorizationDetails: { staticAuth: { details: { api_key, ...more } } } })
const token = (accessToken, more) => ({ authorizationDetails: { oauthToken: { accessToken, ...more } } })

/** An instance beside its provider. */
async function start(t) {
  const provider = await startKeyed(t)
  return { provider, actions: open(t, provider.options).actions }
}

test('an account is created with a key, which requests then carry', async (t) => {
  const { actions, provider } = await start(t)
  const { connectedAccount } = await actions.createConnectedAccount({ ...ada, ...key(' sk_ada_4f81c0d29e7b ') })
  t.like(connectedAccount, { status: 'ACTIVE', providerAccountId: 'ada', providerAccountLabel: 'ada@acme.example' })
  t.is(connectedAccount.authorizationDetails, undefined)

  const { status } = await actions.request({ ...ada, path: '/things' })
  t.is(status, 200)
  t.like(provider.requests.at(-1), { url: '/things', headers: { 'x-key': 'sk_ada_4f81c0d29e7b' } })

  const found = await actions.getConnectedAccount(ada)
  t.deepEqual(found.connectedAccount.authorizationDetails, {
    staticAuth: { details: { api_key: 'sk_ada_4f81c0d29e7b', region: 'eu' } },
  })
  const error = await failure(() => actions.getToken(ada))
  t.is(error.code, 'NOT_SUPPORTED')
  t.regex(error.message, /`getConnectedAccount` returns it/)
})

test('`getOrCreateConnectedAccount` with a key creates the account, and then replaces its key', async (t) => {
  const { actions, provider } = await start(t)
  const first = await actions.getOrCreateConnectedAccount({ ...ada, ...key('sk_ada_4f81c0d29e7b') })
  const second = await actions.upsertConnectedAccount({ ...ada, ...key('sk_bob_4f81c0d29e7b', { region: 'us' }) })
  t.is(second.connectedAccount.id, first.connectedAccount.id)
  t.is(second.connectedAccount.providerAccountId, 'bob')
  await actions.request({ ...ada, path: '/things' })
  t.is(provider.requests.at(-1).headers['x-key'], 'sk_bob_4f81c0d29e7b')
})

test('`updateConnectedAccount` replaces a credential, by either name', async (t) => {
  const { actions } = await start(t)
  const none = await failure(() => actions.updateConnectedAccount({ ...ada, ...key('sk_ada_4f81c0d29e7b') }))
  t.is(none.code, 'CONNECTED_ACCOUNT_NOT_FOUND')
  const { connectedAccount } = await actions.createConnectedAccount(ada)
  t.is(connectedAccount.status, 'PENDING_AUTH')
  const byName = await actions.updateConnectedAccount({ ...ada, ...key('sk_ada_4f81c0d29e7b') })
  t.like(byName.connectedAccount, { id: connectedAccount.id, status: 'ACTIVE' })
  await actions.disconnectConnectedAccount(ada)
  const byId = await actions.updateConnectedAccount({
    connectedAccountId: connectedAccount.id,
    ...key('sk_bob_4f81c0d29e7b'),
  })
  t.like(byId.connectedAccount, { id: connectedAccount.id, status: 'ACTIVE', providerAccountId: 'bob' })
})

test('a wait ends when a credential is brought', async (t) => {
  const { actions } = await start(t)
  await actions.createConnectedAccount(ada)
  const waiting = actions.waitForConnectedAccount(ada)
  await actions.updateConnectedAccount({ ...ada, ...key('sk_ada_4f81c0d29e7b') })
  t.is((await waiting).connectedAccount.status, 'ACTIVE')
})

test('a token without an end is used as it is', async (t) => {
  const { actions, provider } = await start(t)
  const brought = token('at_ada_4f81c0d29e7b', { scopes: ['read', 'write'] })
  const { connectedAccount } = await actions.createConnectedAccount({ ...adaByToken, ...brought })
  t.like(connectedAccount, { status: 'ACTIVE', scopes: ['read', 'write'], providerAccountId: 'ada' })
  await actions.request({ ...adaByToken, path: '/things' })
  t.is(provider.requests.at(-1).headers.authorization, 'Bearer at_ada_4f81c0d29e7b')
  const found = await actions.getConnectedAccount(adaByToken)
  t.deepEqual(found.connectedAccount.authorizationDetails, {
    oauthToken: { accessToken: 'at_ada_4f81c0d29e7b', scopes: ['read', 'write'] },
  })
  t.deepEqual(provider.tokenRequests, [])
})

test('a token that has ended is refreshed when it is used', async (t) => {
  const { actions, provider } = await start(t)
  const brought = token('at_old', { refreshToken: 'rt_old', expiresAt: new Date(Date.now() - 1000) })
  const { connectedAccount } = await actions.createConnectedAccount({ ...adaByToken, ...brought })
  t.like(connectedAccount, { status: 'ACTIVE', tokenExpiresAt: brought.authorizationDetails.oauthToken.expiresAt })
  t.deepEqual([provider.requests, provider.tokenRequests], [[], []])
  t.is((await actions.getToken(adaByToken)).accessToken, 'at_new_4f81c0d29e7b')
  t.like(provider.tokenRequests[0], { grant_type: 'refresh_token', refresh_token: 'rt_old' })
})

test('a token that is brought leaves nothing of the one before', async (t) => {
  const { actions } = await start(t)
  await actions.createConnectedAccount({ ...adaByToken, ...token('at_old', { refreshToken: 'rt_old' }) })
  await actions.updateConnectedAccount({ ...adaByToken, ...token('at_ada_4f81c0d29e7b') })
  const { connectedAccount } = await actions.getConnectedAccount(adaByToken)
  t.deepEqual(connectedAccount.authorizationDetails, { oauthToken: { accessToken: 'at_ada_4f81c0d29e7b', scopes: [] } })
})

/** What a provider that lies, or is down, does when it is asked about a key. */
const providers = [
  ['does not know the key', [401, {}, '{}'], 'CREDENTIAL_REFUSED'],
  ['knows the key, but grants it nothing', [403, {}, '{}'], 'PERMISSION_MISSING'],
  ['is down', [503, { 'retry-after': '7' }, ''], 'PROVIDER_UNAVAILABLE'],
  ['redirects', [302, { location: 'http://127.0.0.1:1/' }, ''], 'PROVIDER_RESPONSE_INVALID'],
  ['shows a login page', [200, { 'content-type': 'text/html' }, '<h1>Sign in</h1>'], 'PROVIDER_RESPONSE_INVALID'],
  ['says nothing of a person', [200, {}, '{"ok":true}'], 'PROVIDER_RESPONSE_INVALID'],
  ['answers half', [200, {}, '{"id":"ada"'], 'PROVIDER_RESPONSE_INVALID'],
  ['hangs up', (response) => response.destroy(), 'PROVIDER_UNAVAILABLE'],
]

for (const [what, next, code] of providers)
  test(`a provider that ${what} is told apart, and nothing is stored`, async (t) => {
    const { actions, provider } = await start(t)
    provider.next = next
    const error = await failure(() => actions.createConnectedAccount({ ...ada, ...key('CANARY') }))
    t.is(error.code, code, error.stack)
    t.false(inspect(error, { depth: null }).includes('CANARY'))
    t.is(error.details.host, '127.0.0.1')
    t.deepEqual((await actions.listConnectedAccounts()).connectedAccounts, [])
    t.is(provider.requests.length, 1)
  })

test('a provider that hangs is waited for no longer than the caller says', async (t) => {
  const { actions, provider } = await start(t)
  provider.next = () => {}
  const error = await failure(() =>
    actions.createConnectedAccount({ ...ada, ...key('sk_ada_4f81c0d29e7b'), timeoutMs: 50 }),
  )
  t.is(error.code, 'TIMED_OUT')
})

test('a connector of the catalogue that takes keys needs no connection', async (t) => {
  const { actions } = open(t)
  const { connectedAccount } = await actions.createConnectedAccount({ connectionName: 'openai', identifier: 'ada' })
  t.like(connectedAccount, { connector: 'openai', status: 'PENDING_AUTH' })
  const { link } = await actions.getAuthorizationLink({ connectionName: 'anthropic', identifier: 'ada' })
  t.regex(link, /^http:\/\/localhost:\d+\/connect\/\w+$/)
})
