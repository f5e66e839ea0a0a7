/** The sandbox as somebody meets it who has just installed the package: no configuration, and a browser. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import test from 'ava'

import { requireChromium } from '../scripts/chromium.mjs'
import { failure, open } from './door.mjs'
import { ChromiumBrowser, PlainBrowser, openBrowser } from './support/browser.mjs'
import { freePort } from './support/serve.mjs'

const account = { connectionName: 'sandbox', identifier: 'user_123' }

for (const [name, start] of Object.entries({ 'plain HTTP': async () => new PlainBrowser(), Chromium: openBrowser }))
  test(`a link works at once, without any configuration (${name})`, async (t) => {
    const { actions, listen } = open(t)
    const { link } = await actions.getAuthorizationLink(account)
    await listen()
    const browser = await start()
    t.teardown(() => browser.close())

    t.is(await browser.open(link), 200)
    await browser.press()
    t.regex(await browser.text(), /Simulation.*May the app act for you\?/s)
    await browser.fill('user', 'grace')
    await browser.press('Allow')
    t.regex(browser.url, /\/connect\/outcome\//)

    const { connectedAccount } = await actions.waitForConnectedAccount({ ...account, timeoutMs: 10_000 })
    t.like(connectedAccount, { providerAccountId: 'grace', scopes: ['read', 'write'] })
    t.like((await actions.request({ ...account, path: '/me' })).data, { id: 'grace' })
  })

test('two instances on one store have the same app at the sandbox', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'onbehalf-'))
  const [key, port] = [randomBytes(32).toString('base64'), await freePort()]
  const connections = { gmail: { connector: 'sandbox' } }
  const [first, second] = [1, 2].map(() => open(t, { store: join(folder, 'store.db'), key, port, connections }))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  for (const connectionName of ['sandbox', 'gmail']) {
    const person = { ...account, connectionName }
    const { link } = await first.actions.getAuthorizationLink(person)
    // The second writes the connection too.
    const { link: other } = await second.actions.getAuthorizationLink({ ...person, identifier: 'user_456' })
    for (const [identifier, made] of Object.entries({ user_123: link, user_456: other })) {
      const browser = new PlainBrowser()
      await browser.open(made)
      await browser.press()
      await browser.press('Allow')
      const { connectedAccount } = await first.actions.getConnectedAccountDetails({ ...person, identifier })
      t.is(connectedAccount.status, 'ACTIVE')
    }
  }
})

test('what a person does not tick is not granted', async (t) => {
  const { actions } = open(t)
  const browser = await ChromiumBrowser.start(await requireChromium())
  t.teardown(() => browser.close())
  await browser.open((await actions.getAuthorizationLink(account)).link)
  await browser.press()
  await browser.page.uncheck('[value=write]')
  await browser.press('Allow')
  const { connectedAccount } = await actions.waitForConnectedAccount({ ...account, timeoutMs: 10_000 })
  t.deepEqual(connectedAccount.scopes, ['read'])
})

test('a person who denies is not connected', async (t) => {
  const { actions } = open(t)
  const browser = new PlainBrowser()
  await browser.open((await actions.getAuthorizationLink(account)).link)
  await browser.press()
  await browser.press('Deny')
  t.is((await actions.getConnectedAccountDetails(account)).connectedAccount.status, 'PENDING_AUTH')
})

test('the consent page is as strict as every page', async (t) => {
  const { actions } = open(t)
  const browser = new PlainBrowser()
  await browser.open((await actions.getAuthorizationLink(account)).link)
  await browser.press()
  const { headers } = await fetch(browser.url)
  t.is(headers.get('x-frame-options'), 'DENY')
  t.is(headers.get('cache-control'), 'no-store')
  t.regex(headers.get('content-security-policy'), /^default-src 'none'; style-src 'sha256-[^']+'; form-action 'self'/)

  const forged = new URL(browser.url)
  forged.searchParams.set('redirect_uri', 'https://evil.example/callback/sandbox')
  t.is(await browser.open(forged), 400)
  t.regex(await browser.text(), /not registered/)
  forged.searchParams.set('client_id', '"><script>')
  t.is(await browser.open(forged), 400)
})

test('it is mounted with the pages', async (t) => {
  const { actions, handler } = open(t, { publicUrl: 'http://localhost:3000/agents', port: undefined })
  const { link } = await actions.getAuthorizationLink(account)
  const started = await handler(
    new Request(link, { method: 'POST', headers: { origin: 'http://localhost:3000' }, body: '' }),
  )
  const location = started.headers.get('location')
  t.regex(location, /^http:\/\/localhost:3000\/agents\/sandbox\/authorize\?/)
  t.is((await handler(new Request(location))).status, 200)
})

test('the connector is listed; its connections are, once they are used', async (t) => {
  const { actions, connectors } = open(t)
  t.like(await connectors.get({ connector: 'sandbox' }), { name: 'Sandbox', categories: ['testing'] })
  t.deepEqual(await actions.listConnections(), { connections: [] })
  await actions.getAuthorizationLink(account)
  const { connections } = await actions.listConnections()
  t.deepEqual(
    connections.map(({ name }) => name),
    ['sandbox'],
  )
})

test('elsewhere than on loopback there is no sandbox', async (t) => {
  const key = randomBytes(32).toString('base64')
  const { actions, connectors } = open(t, {
    port: undefined,
    publicUrl: 'https://connect.example',
    key,
    userVerification: 'none',
  })
  t.is((await failure(() => connectors.get({ connector: 'sandbox' }))).code, 'CONNECTOR_NOT_FOUND')
  t.is((await failure(() => actions.getAuthorizationLink(account))).code, 'CONNECTION_NOT_FOUND')
})

test('one’s own connector and connection of that name go first', async (t) => {
  const text = `
    name     = "Mine"
    docs     = "https://example.com/docs"
    base_url = "https://api.example.com"
    [auth.oauth2]
    authorize_url = "https://example.com/authorize"
    token_url     = "https://example.com/token"
    scopes        = ["read"]
  `
  const mine = open(t, { connectors: { sandbox: text } })
  t.is((await mine.connectors.get({ connector: 'sandbox' })).name, 'Mine')
  t.is((await failure(() => mine.actions.getAuthorizationLink(account))).code, 'CONNECTION_NOT_CONFIGURED')

  const gmail = { connector: 'gmail', clientId: 'a', clientSecret: 'b' }
  const other = open(t, { connections: { sandbox: gmail } })
  await other.actions.getAuthorizationLink(account)
  const { connections } = await other.actions.listConnections()
  t.like(connections[0], { name: 'sandbox', connector: 'gmail' })
})
