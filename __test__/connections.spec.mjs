/** Connections and connectors, as an app sets them up: everything can be changed, and no secret comes back. */
import { inspect } from 'node:util'

import test from 'ava'

import { failure, open } from './door.mjs'

const secret = 'CANARY-the-client-secret'
const made = { connectionName: 'mail', connector: 'gmail', clientId: 'an id', clientSecret: secret }

test('a connection is made, found, changed and deleted', async (t) => {
  const { connections } = open(t)
  const created = await connections.create(made)
  t.like(created, {
    organizationId: 'default',
    name: 'mail',
    connector: 'gmail',
    authMethod: 'oauth2',
    enabled: true,
    clientId: 'an id',
    hasClientSecret: true,
    scopes: ['https://www.googleapis.com/auth/gmail.modify'],
    endpoints: {},
  })
  t.regex(created.id, /^conn_\w{16,}$/)
  t.regex(created.redirectUri, /^http:\/\/localhost:\d+\/callback\/mail$/)
  t.true(created.createdAt instanceof Date)
  t.deepEqual(await connections.get({ connectionName: 'MAIL' }), created)

  const updated = await connections.update({ connectionName: 'mail', scopes: ['openid'] })
  t.deepEqual(updated, { ...created, scopes: ['openid'], updatedAt: updated.updatedAt })
  t.true(updated.updatedAt >= created.updatedAt)

  t.is(await connections.delete({ connectionName: 'mail' }), undefined)
  t.is((await failure(() => connections.get({ connectionName: 'mail' }))).code, 'CONNECTION_NOT_FOUND')
  t.deepEqual(await connections.list(), { connections: [] })
})

test('a connection that exists is not made again, and stays as it was', async (t) => {
  const { connections } = open(t)
  const created = await connections.create(made)
  for (const connectionName of ['mail', 'Mail', ' mail ']) {
    const error = await failure(() => connections.create({ connectionName, connector: 'hubspot', clientId: 'other' }))
    t.like(error, { code: 'CONNECTION_ALREADY_EXISTS', details: { connectionName: 'mail' } })
  }
  const parallel = await Promise.allSettled(
    Array.from({ length: 10 }, () => connections.create({ ...made, connectionName: 'twin' })),
  )
  t.is(parallel.filter(({ status }) => status === 'fulfilled').length, 1)
  t.deepEqual(await connections.get({ connectionName: 'mail' }), created)
})

test('what is changed of what is not there, or to what cannot be, changes nothing', async (t) => {
  const { connections } = open(t)
  const created = await connections.create(made)
  for (const method of ['get', 'update', 'delete', 'enable', 'disable'])
    t.like(await failure(() => connections[method]({ connectionName: 'mial' })), {
      code: 'CONNECTION_NOT_FOUND',
      details: { connectionName: 'mial' },
    })
  const refused = [
    [{ clientId: '' }, 'clientId'],
    [{ clientId: 'a\u0000' }, 'clientId'],
    [{ clientSecret: '' }, 'clientSecret'],
    [{ clientSecret: [] }, 'clientSecret'],
    [{ clientSecret: [secret, secret] }, 'clientSecret'],
    [{ clientSecret: ['a', 'b', 'c', 'd', 'e'] }, 'clientSecret'],
    [{ scopes: ['two words'] }, 'scopes'],
    [{ scopes: [''] }, 'scopes'],
    [{ endpoints: { tokenUrl: 'http://example.com/token' } }, 'endpoints.tokenUrl'],
    [{ endpoints: { baseUrl: 'https://user:pass@example.com' } }, 'endpoints.baseUrl'],
    [{ endpoints: { authorizeUrl: 'javascript:alert(1)' } }, 'endpoints.authorizeUrl'],
    [{ endpoints: { revokeUrl: 'https://example.com/#x' } }, 'endpoints.revokeUrl'],
  ]
  for (const [patch, argument] of refused) {
    const error = await failure(() => connections.update({ connectionName: 'mail', clientSecret: 'other', ...patch }))
    t.like(error, { code: 'INVALID_ARGUMENT', details: { argument } }, error.stack)
    t.like(await failure(() => connections.create({ ...made, connectionName: 'other', ...patch })), {
      code: error.code,
    })
  }
  t.deepEqual(await connections.list(), { connections: [created] })
})

test('a connector, an auth method, a field or a scope parameter that does not exist is named', async (t) => {
  const { connections, connectors } = open(t)
  const refused = [
    [{ connector: 'gmial' }, { code: 'CONNECTOR_NOT_FOUND', message: /did you mean `gmail`\?/ }],
    [
      { authMethod: 'oauth' },
      { code: 'INVALID_ARGUMENT', message: /`authMethod` .*it has `oauth2`, `service_account`/ },
    ],
    [{ fields: { subdomain: 'x' } }, { code: 'UNKNOWN_OPTION' }],
    [{ connector: 'zendesk' }, { code: 'INVALID_ARGUMENT', message: /subdomain/ }],
    [
      { connector: 'zendesk', fields: { subdomain: 'evil.test/' } },
      { code: 'INVALID_ARGUMENT', message: /subdomain/ },
    ],
    [
      { connector: 'zendesk', fields: { subdomian: 'a' } },
      { code: 'UNKNOWN_OPTION', message: /`subdomain`/ },
    ],
    [{ scopeParams: { optional_scope: ['a'] } }, { code: 'UNKNOWN_OPTION' }],
    [{ app: { private_key: secret } }, { code: 'UNKNOWN_OPTION' }],
  ]
  for (const [options, expected] of refused) {
    const error = await t.throwsAsync(connections.create({ ...made, ...options }), expected)
    t.false(shown(error).includes(secret))
  }
  await t.throwsAsync(connectors.get({ connector: 'gmial' }), { code: 'CONNECTOR_NOT_FOUND', message: /`gmail`/ })
  t.deepEqual(await connections.list(), { connections: [] })
})

test('a connection that is switched off is of no use until it is switched on', async (t) => {
  const { actions, connections } = open(t)
  await connections.create(made)
  const account = { connectionName: 'mail', identifier: 'user_123' }
  const { link } = await actions.getAuthorizationLink(account)

  t.false((await connections.disable({ connectionName: 'mail' })).enabled)
  t.is((await failure(() => actions.getAuthorizationLink(account))).code, 'CONNECTION_DISABLED')
  t.is((await failure(() => actions.request({ ...account, path: '/' }))).code, 'CONNECTION_DISABLED')
  t.is((await fetch(link)).status, 409)
  t.is((await actions.listConnectedAccounts()).connectedAccounts.length, 1)

  t.true((await connections.enable({ connectionName: 'mail' })).enabled)
  t.is((await fetch(link)).status, 200)
})

test('connections are listed by name, page by page, each once', async (t) => {
  const { actions, connections } = open(t)
  const names = ['delta', 'alpha', 'charlie', 'echo', 'bravo']
  for (const connectionName of names) await connections.create({ ...made, connectionName })

  for (const list of [connections.list.bind(connections), actions.listConnections.bind(actions)]) {
    const seen = []
    let page = { nextPageToken: undefined }
    do {
      page = await list({ pageSize: 2, pageToken: page.nextPageToken })
      t.true(page.connections.length <= 2)
      seen.push(...page.connections.map(({ name }) => name))
    } while (page.nextPageToken)
    t.deepEqual(seen, names.toSorted())
  }
  for (const [options, argument] of [
    [{ pageSize: 0 }, 'pageSize'],
    [{ pageSize: 101 }, 'pageSize'],
    [{ pageSize: 1.5 }, 'pageSize'],
    [{ pageToken: '!' }, 'pageToken'],
  ])
    t.like(await failure(() => connections.list(options)), { code: 'INVALID_ARGUMENT', details: { argument } })
})

test('endpoints replace the connector’s, all of them together', async (t) => {
  const { actions, connections } = open(t)
  const authorizeUrl = 'https://sandbox.example/authorize?tenant=a'
  const endpoints = { authorizeUrl, tokenUrl: 'http://127.0.0.1:1/token', baseUrl: 'http://localhost:1/' }
  t.deepEqual((await connections.create({ ...made, endpoints })).endpoints, endpoints)

  const { link } = await actions.getAuthorizationLink({ connectionName: 'mail', identifier: 'user_123' })
  const { origin } = new URL(link)
  const { headers } = await fetch(link, { method: 'POST', headers: { origin }, redirect: 'manual' })
  const location = new URL(headers.get('location'))
  t.is(location.origin + location.pathname, 'https://sandbox.example/authorize')
  t.is(location.searchParams.get('tenant'), 'a')

  const revokeUrl = 'https://sandbox.example/revoke'
  t.deepEqual((await connections.update({ connectionName: 'mail', endpoints: { revokeUrl } })).endpoints, { revokeUrl })
})

test('a client secret can be written and never read (A33)', async (t) => {
  const options = { connections: { declared: { connector: 'hubspot', clientId: 'an id', clientSecret: secret } } }
  const onbehalf = open(t, options)
  const { actions, connections, connectors } = onbehalf
  const connectionName = 'mail'
  const answers = [
    await connections.create(made),
    await connections.get({ connectionName }),
    await connections.update({ connectionName, clientSecret: `${secret} again` }),
    await connections.update({ connectionName, clientSecret: [`${secret} to come`, secret] }),
    await failure(() => connections.update({ connectionName, clientSecret: [secret, secret] })),
    await failure(() => connections.update({ connectionName, clientSecret: [secret, 7] })),
    await connections.disable({ connectionName }),
    await connections.enable({ connectionName }),
    await connections.list(),
    await actions.listConnections(),
    await connections.get({ connectionName: 'declared' }),
    await actions.getOrCreateConnectedAccount({ connectionName: 'declared', identifier: 'user_123' }),
    await actions.getAuthorizationLink({ connectionName, identifier: 'user_123' }),
    await connectors.get({ connector: 'gmail' }),
    await failure(() => connections.create({ ...made, clientId: '' })),
    await failure(() => connections.create(made)),
    onbehalf,
    actions,
    connections,
  ]
  for (const answer of answers) t.false(shown(answer).includes('CANARY'))
  t.true((await connections.get({ connectionName })).hasClientSecret)
  t.true((await connections.get({ connectionName: 'declared' })).hasClientSecret)
})

test('a client secret is rolled over by a list', async (t) => {
  const clientSecret = ['the new one', 'the old one']
  const onbehalf = open(t, { connections: { declared: { connector: 'hubspot', clientId: 'an id', clientSecret } } })
  const { actions, connections } = onbehalf
  t.like(await connections.get({ connectionName: 'declared' }), { hasClientSecret: true, misconfigured: undefined })
  t.true((await connections.create({ ...made, clientSecret })).hasClientSecret)
  const { id } = await connections.update({ connectionName: 'mail', clientSecret: 'the new one' })
  t.like(await connections.get({ connectionName: 'mail' }), { id, hasClientSecret: true })
  const { connectedAccount } = await actions.getOrCreateConnectedAccount({ connectionName: 'mail', identifier: 'a' })
  t.like(connectedAccount, { connectionId: id, refreshedAt: undefined, nextRefreshAt: undefined })
})

test('the catalogue tells what each connector needs', async (t) => {
  const { connectors } = open(t, {
    connectors: {
      mine: `
        name     = "Mine"
        docs     = "https://example.com/docs"
        base_url = "https://api.example.com"

        [auth.oauth2]
        authorize_url = "https://example.com/authorize"
        token_url     = "https://example.com/token"
        scopes        = ["read"]
      `,
    },
  })
  const { connectors: all } = await connectors.list()
  const slugs = all.map(({ slug }) => slug)
  t.deepEqual(slugs, slugs.toSorted())
  for (const slug of ['gmail', 'google_calendar', 'hubspot', 'mine', 'salesforce']) t.true(slugs.includes(slug), slug)
  for (const connector of all) {
    t.regex(connector.docs, /^https:\/\//, connector.slug)
    t.true(connector.authMethods.length > 0, connector.slug)
    t.deepEqual(await connectors.get({ connector: connector.slug }), connector)
  }

  t.like(await connectors.get({ connector: 'mine' }), { name: 'Mine', docs: 'https://example.com/docs', fields: [] })
  const zendesk = await connectors.get({ connector: 'zendesk' })
  t.like(zendesk.fields[0], { name: 'subdomain', label: 'Subdomain', required: true, secret: false })
  t.like(Object.fromEntries(zendesk.authMethods.map(({ name, supported }) => [name, supported])), {
    oauth2: true,
    api_token: true,
  })
})

test('connections of one organization are not another’s', async (t) => {
  const { connections } = open(t)
  await connections.create({ ...made, organizationId: 'a' })
  const other = await connections.create({ ...made, organizationId: 'b', clientId: 'other' })
  t.is((await failure(() => connections.get({ connectionName: 'mail' }))).code, 'CONNECTION_NOT_FOUND')
  await connections.delete({ connectionName: 'mail', organizationId: 'a' })
  t.deepEqual(await connections.list({ organizationId: 'a' }), { connections: [] })
  t.deepEqual(await connections.list({ organizationId: 'b' }), { connections: [other] })
})

/** All that printing, logging and serializing show. */
const shown = (value) =>
  [
    inspect(value, { depth: 9, showHidden: true, getters: true }),
    JSON.stringify(value),
    String(value?.stack),
    String(value),
  ].join()
