import test from 'ava'

import { ChromiumBrowser, PlainBrowser } from './browser.mjs'
import { startApp } from './direct.mjs'
import { grace, startProvider } from './provider.mjs'
import { requireChromium } from '../../scripts/chromium.mjs'

const basic = { basic: true }

test('a person authorizes an app at the strict provider with Chromium', async (t) => {
  const { app, provider } = await stage(t)
  const browser = await ChromiumBrowser.start(await requireChromium())
  t.teardown(() => browser.close())

  await browser.open(app.authorizeUrl(provider, 'openid email'))
  await browser.press('Agree')

  t.is(app.answer.get('state'), app.state)
  t.is(app.answer.get('iss'), provider.origin)
  t.is((await app.token(provider, app.exchange(), basic)).status, 200)
})

test('a person who refuses at the strict provider comes back with access_denied', async (t) => {
  const { app, provider } = await stage(t)
  const browser = new PlainBrowser()
  await browser.open(app.authorizeUrl(provider, 'openid'))
  await browser.press('Refuse')
  t.is(app.answer.get('error'), 'access_denied')
  t.is(app.answer.get('code'), null)
})

test("the strict provider's API takes its own access tokens alone", async (t) => {
  const { app, provider } = await stage(t)
  const { access_token } = await authorize(app, provider)
  const call = (path, token, init) =>
    fetch(provider.origin + path, { ...init, headers: { authorization: `Bearer ${token}` } })

  t.deepEqual(await (await call('/me', access_token)).json(), grace)
  const echo = await (await call('/echo?a=b', access_token, { method: 'PUT', body: 'hello' })).json()
  t.like(echo, { method: 'PUT', url: '/echo?a=b', body: Buffer.from('hello').toString('base64') })
  const bytes = new Uint8Array(await (await call('/bytes/300', access_token)).arrayBuffer())
  t.deepEqual(
    [...bytes],
    Array.from({ length: 300 }, (_, index) => index % 256),
  )

  t.is((await call('/me', 'another')).status, 401)
  provider.expireAccessTokens()
  t.is((await call('/me', access_token)).status, 401)
  t.deepEqual(
    provider.apiRequests.map(({ status }) => status),
    [200, 200, 200, 401, 401],
  )
})

test('the strict provider rotates refresh tokens, and the reuse of one ends the grant', async (t) => {
  const { app, provider } = await stage(t)
  const first = await authorize(app, provider)
  const refresh = ({ refresh_token }) => app.token(provider, { grant_type: 'refresh_token', refresh_token }, basic)

  const second = await refresh(first)
  t.is(second.status, 200)
  t.not(second.refresh_token, first.refresh_token)
  t.is(provider.reuses, 0)
  t.like(await refresh(first), { status: 400, error: 'invalid_grant' })
  t.like(await refresh(second), { status: 400, error: 'invalid_grant' })
  t.is(provider.reuses, 1)
  t.deepEqual(provider.tokenRequests, [
    { grantType: 'authorization_code', status: 200 },
    { grantType: 'refresh_token', status: 200 },
    { grantType: 'refresh_token', status: 400 },
    { grantType: 'refresh_token', status: 400 },
  ])
})

test('the strict provider takes a code once, with its verifier, from an app that knows its secret', async (t) => {
  const { app, provider } = await stage(t)
  const invalid = { status: 400, error: 'invalid_grant' }

  await agree(app, provider)
  const impostor = { ...provider, clientSecret: 'another' }
  t.like(await app.token(impostor, app.exchange(), basic), { status: 401, error: 'invalid_client' })
  t.like(await app.token(provider, { ...app.exchange(), code_verifier: 'x'.repeat(43) }, basic), invalid)
  await agree(app, provider)
  t.is((await app.token(provider, app.exchange(), basic)).status, 200)
  t.like(await app.token(provider, app.exchange(), basic), invalid)
})

test('a test may stand in for the token endpoint, and end every grant', async (t) => {
  const { app, provider } = await stage(t)
  const { refresh_token } = await authorize(app, provider)
  const refresh = () => app.token(provider, { grant_type: 'refresh_token', refresh_token }, basic)
  const { aroundToken } = provider

  provider.aroundToken = async (context) => Object.assign(context, { status: 503, body: { error: 'busy' } })
  t.like(await refresh(), { status: 503, error: 'busy' })
  provider.aroundToken = aroundToken
  provider.revoke()
  t.like(await refresh(), { status: 400, error: 'invalid_grant' })
})

test('the strict provider grants without a browser, and holds a request before or after it was answered', async (t) => {
  const { app, provider } = await stage(t)
  let { refreshToken: refresh_token } = await provider.grant()
  for (const [where, answered] of [
    ['before', 0],
    ['after', 2],
  ]) {
    const held = provider.hold(where)
    const before = provider.issued.length
    const asked = app.token(provider, { grant_type: 'refresh_token', refresh_token }, basic)
    await held.arrived
    t.is(provider.issued.length - before, answered)
    held.release()
    const answer = await asked
    t.is(answer.status, 200)
    refresh_token = answer.refresh_token
  }
})

async function stage(t) {
  const app = await startApp()
  const provider = await startProvider({ redirectUris: [app.redirectUri] })
  t.teardown(app.close)
  t.teardown(provider.close)
  return { app, provider }
}

async function agree(app, provider) {
  const browser = new PlainBrowser()
  await browser.open(app.authorizeUrl(provider, 'openid email offline_access'))
  await browser.press('Agree')
}

async function authorize(app, provider) {
  await agree(app, provider)
  return app.token(provider, app.exchange(), basic)
}
