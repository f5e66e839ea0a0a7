/** Connected accounts: made once, found by either name, listed, cut off and deleted; tokens where they are asked for. */
import { inspect } from 'node:util'

import test from 'ava'

import { failure, open } from './door.mjs'
import { PlainBrowser, consent } from './support/browser.mjs'
import { account, openEnvironment } from './support/environment.mjs'
import { grace, startProvider } from './support/provider.mjs'

const connections = Object.fromEntries(
  ['mail', 'calendar'].map((name) => [name, { connector: 'gmail', clientId: 'an id', clientSecret: 'a secret' }]),
)
const ada = { connectionName: 'mail', identifier: 'ada' }

test('a connected account is made once, however often and at once it is asked for', async (t) => {
  const { actions } = open(t, { connections })
  const answers = await Promise.all(Array.from({ length: 20 }, () => actions.getOrCreateConnectedAccount(ada)))
  answers.push(await actions.upsertConnectedAccount({ ...ada, connectionName: 'MAIL' }))
  for (const answer of answers) t.deepEqual(answer, answers[0])

  const { connectedAccount } = answers[0]
  t.like(connectedAccount, {
    organizationId: 'default',
    connectionName: 'mail',
    connector: 'gmail',
    identifier: 'ada',
    status: 'PENDING_AUTH',
    scopes: [],
    kept: {},
  })
  t.regex(connectedAccount.id, /^ca_\w{16,}$/)
  t.true(connectedAccount.createdAt instanceof Date)
  t.deepEqual(await actions.listConnectedAccounts(), { connectedAccounts: [connectedAccount] })
})

test('`createConnectedAccount` makes no second one', async (t) => {
  const { actions } = open(t, { connections })
  const created = await actions.createConnectedAccount(ada)
  const error = await failure(() => actions.createConnectedAccount(ada))
  t.like(error, { code: 'CONNECTED_ACCOUNT_ALREADY_EXISTS', details: ada })
  t.deepEqual(await actions.getOrCreateConnectedAccount(ada), created)
})

test('an account is found by its names and by its id, and by nothing else', async (t) => {
  const { actions } = open(t, { connections })
  const { connectedAccount } = await actions.createConnectedAccount(ada)
  const { id } = connectedAccount
  for (const by of [ada, { ...ada, identifier: ' ada ' }, { connectedAccountId: id }])
    t.deepEqual(await actions.getConnectedAccountDetails(by), { connectedAccount })

  for (const other of [
    { ...ada, identifier: 'Ada' },
    { ...ada, connectionName: 'calendar' },
    { connectedAccountId: `${id}x` },
    { connectedAccountId: id, organizationId: 'other' },
  ])
    for (const method of ['getConnectedAccountDetails', 'getConnectedAccount', 'getToken', 'deleteConnectedAccount'])
      t.is((await failure(() => actions[method](other))).code, 'CONNECTED_ACCOUNT_NOT_FOUND', inspect(other))
  t.is((await actions.listConnectedAccounts()).connectedAccounts.length, 1)
})

test('accounts are listed by connection and person, page by page, each once', async (t) => {
  const { actions } = open(t, { connections })
  for (const connectionName of ['mail', 'calendar'])
    for (let person = 0; person < 6; person++)
      await actions.createConnectedAccount({ connectionName, identifier: `person_${person}` })

  const all = async (filter, pageSize) => {
    const seen = []
    let page = {}
    do {
      page = await actions.listConnectedAccounts({ ...filter, pageSize, pageToken: page.nextPageToken })
      t.true(page.connectedAccounts.length <= (pageSize ?? 10))
      seen.push(...page.connectedAccounts.map(({ connectionName, identifier }) => `${connectionName} ${identifier}`))
    } while (page.nextPageToken)
    t.is(new Set(seen).size, seen.length)
    return seen.length
  }
  for (const pageSize of [undefined, 1, 5, 12, 100]) {
    t.is(await all({}, pageSize), 12)
    t.is(await all({ connectionName: 'mail' }, pageSize), 6)
    t.is(await all({ connectionNames: ['mail', 'calendar'] }, pageSize), 12)
    t.is(await all({ identifier: 'person_3' }, pageSize), 2)
    t.is(await all({ connectionName: 'mail', identifier: 'person_3' }, pageSize), 1)
    t.is(await all({ identifier: 'nobody' }, pageSize), 0)
  }
  for (const [options, code] of [
    [{ pageSize: 0 }, 'INVALID_ARGUMENT'],
    [{ pageSize: 101 }, 'INVALID_ARGUMENT'],
    [{ pageToken: 'x x' }, 'INVALID_ARGUMENT'],
    [{ connectionName: 'mial' }, 'CONNECTION_NOT_FOUND'],
  ])
    t.is((await failure(() => actions.listConnectedAccounts(options))).code, code, inspect(options))
})

test('only `getConnectedAccount` and `getToken` bring a token', async (t) => {
  const { actions } = await connected(t)
  const { connectedAccount } = await actions.getConnectedAccount(account)
  const { authorizationDetails, ...rest } = connectedAccount
  const { accessToken, refreshToken, expiresAt, scopes } = authorizationDetails.oauthToken
  t.true(accessToken.length > 20)
  t.true(refreshToken.length > 20)
  t.true(expiresAt > new Date())
  t.true(scopes.includes('openid'))
  t.like(rest, { status: 'ACTIVE', providerAccountId: undefined })

  const others = [
    await actions.getConnectedAccountDetails(account),
    await actions.getOrCreateConnectedAccount(account),
    await actions.waitForConnectedAccount(account),
    await actions.listConnectedAccounts(),
  ]
  t.deepEqual(others[0], { connectedAccount: rest })
  for (const answer of others) {
    const shown = inspect(answer, { depth: 9, showHidden: true }) + JSON.stringify(answer)
    t.false(shown.includes(accessToken))
    t.false(shown.includes(refreshToken))
  }
  t.deepEqual(await actions.getToken(account), { accessToken, expiresAt, scopes })
})

test('the account says whose it is at the provider', async (t) => {
  const probe = ({ origin, endpoints }) => ({
    connection: { connector: 'mine' },
    connectors: {
      mine: `
        name     = "Mine"
        docs     = "https://example.com/docs"
        base_url = "${origin}"

        [auth.oauth2]
        authorize_url = "${endpoints.authorizeUrl}"
        token_url     = "${endpoints.tokenUrl}"
        scopes        = ["openid", "email", "offline_access"]

        [probe]
        url   = "/me"
        id    = "id"
        label = "email"
      `,
    },
  })
  const { actions } = await connected(t, probe)
  const { connectedAccount } = await actions.getConnectedAccountDetails(account)
  t.like(connectedAccount, { providerAccountId: grace.id, providerAccountLabel: grace.email })
})

test('a token is valid for as long as is asked, refreshed first when it is not', async (t) => {
  const { actions, provider } = await connected(t)
  const first = await actions.getToken(account)
  t.is((await actions.getToken({ ...account, minValidity: 3000 })).accessToken, first.accessToken)
  t.is(provider.tokenRequests.length, 1)

  const all = await Promise.all(Array.from({ length: 10 }, () => actions.getToken({ ...account, minValidity: 3600 })))
  t.is(provider.tokenRequests.length, 2)
  t.is(new Set(all.map(({ accessToken }) => accessToken)).size, 1)
  t.not(all[0].accessToken, first.accessToken)
  for (const minValidity of [-1, NaN, '60', 2 ** 70])
    t.is(
      (await failure(() => actions.getToken({ ...account, minValidity }))).code,
      'INVALID_ARGUMENT',
      `${minValidity}`,
    )
})

test('nobody’s token is brought before they consent', async (t) => {
  const { actions } = open(t, { connections })
  await actions.createConnectedAccount(ada)
  const error = await failure(() => actions.getToken(ada))
  t.like(error, { code: 'AUTHORIZATION_REQUIRED', details: ada })
  t.regex(error.message, /`getAuthorizationLink`/)
  t.is((await failure(() => actions.request({ ...ada, path: '/' }))).code, 'AUTHORIZATION_REQUIRED')
  t.is((await actions.getConnectedAccount(ada)).connectedAccount.authorizationDetails, undefined)
})

test('a disconnected account has no token, and can be connected again', async (t) => {
  const { actions, link, provider, status } = await connected(t)
  const { connectedAccount } = await actions.disconnectConnectedAccount(account)
  t.like(connectedAccount, { status: 'DISCONNECTED', reason: 'disconnected' })
  for (const call of [() => actions.getToken(account), () => actions.request({ ...account, path: '/me' })])
    t.is((await failure(call)).code, 'AUTHORIZATION_REQUIRED')
  t.is((await actions.getConnectedAccount(account)).connectedAccount.authorizationDetails, undefined)
  t.is(provider.apiRequests.filter(({ url }) => url === '/me').length, 0)

  await consent(new PlainBrowser(), await link(), { as: 'Agree' })
  t.is(await status(), 'ACTIVE')
  const { connectedAccount: again } = await actions.getConnectedAccountDetails(account)
  t.is(again.id, connectedAccount.id)
  t.is(again.reason, undefined)
})

test('a deleted account is gone, with its links', async (t) => {
  const { actions, link } = await connected(t)
  const made = await link()
  const { id } = (await actions.getConnectedAccountDetails(account)).connectedAccount
  t.is(await actions.deleteConnectedAccount(account), undefined)
  for (const by of [account, { connectedAccountId: id }])
    t.is((await failure(() => actions.getConnectedAccountDetails(by))).code, 'CONNECTED_ACCOUNT_NOT_FOUND')
  t.is((await failure(() => actions.deleteConnectedAccount(account))).code, 'CONNECTED_ACCOUNT_NOT_FOUND')
  t.is(await new PlainBrowser().open(made), 404)
  t.not((await actions.getOrCreateConnectedAccount(account)).connectedAccount.id, id)
})

test('an account that is deleted while its person consents stays deleted (A39)', async (t) => {
  const environment = await stage(t)
  const { actions, link, provider } = environment
  const browser = new PlainBrowser()
  browser.onRedirect = async (url) => {
    if (url.pathname.startsWith('/callback/')) await actions.deleteConnectedAccount(account)
    return url
  }
  await consent(browser, await link(), { as: 'Agree' })
  t.deepEqual(await actions.listConnectedAccounts(), { connectedAccounts: [] })
  t.is(provider.tokenRequests.length, 0)
})

test('a connection takes its accounts along when it is deleted', async (t) => {
  const { actions, onbehalf } = await connected(t)
  await onbehalf.connections.delete({ connectionName: 'app' })
  t.deepEqual(await actions.listConnectedAccounts(), { connectedAccounts: [] })
  t.is((await actions.getOrCreateConnectedAccount(account)).connectedAccount.status, 'PENDING_AUTH')
})

const stage = (t, options = { scopes: ['openid', 'email', 'offline_access'] }) =>
  openEnvironment(t, startProvider, options)

async function connected(t, options) {
  const environment = await stage(t, options)
  await consent(new PlainBrowser(), await environment.link(), { as: 'Agree' })
  t.is(await environment.status(), 'ACTIVE')
  return environment
}
