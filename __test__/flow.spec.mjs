/** The whole of an authorization against a strict provider: what must work, and what an attacker must not achieve. */
import test from 'ava'

import { PlainBrowser, consent, interrupted } from './support/browser.mjs'
import { account, openEnvironment } from './support/environment.mjs'
import { grace, startProvider } from './support/provider.mjs'

test('a person who agrees is connected, and their API answers', async (t) => {
  const { actions, provider, status } = await connected(t)
  t.is(await status(), 'ACTIVE')
  t.deepEqual((await actions.request({ ...account, path: '/me' })).data, grace)
  t.deepEqual(grants(provider), ['authorization_code'])
})

test('bytes arrive as they were sent, in both directions', async (t) => {
  const { actions } = await connected(t)
  const every = Uint8Array.from({ length: 1000 }, (_, index) => index % 256)

  const answer = await actions.request({ ...account, path: '/bytes/1000' })
  t.deepEqual(new Uint8Array(await answer.bytes()), every)
  const echo = await actions.request({ ...account, method: 'POST', path: '/echo', body: every })
  t.deepEqual(new Uint8Array(Buffer.from(echo.data.body, 'base64')), every)
})

test('looking at a link changes nothing, and it works once', async (t) => {
  const { link, status, provider } = await stage(t)
  const url = await link()
  for (const scanner of [new PlainBrowser(), new PlainBrowser(), new PlainBrowser()]) t.is(await scanner.open(url), 200)

  await consent(new PlainBrowser(), url, { as: 'Agree' })
  t.is(await status(), 'ACTIVE')
  t.not(await new PlainBrowser().open(url), 200)
  t.deepEqual(grants(provider), ['authorization_code'])
})

test('a person who refuses is not connected', async (t) => {
  const { link, status, provider } = await stage(t)
  await consent(new PlainBrowser(), await link(), { as: 'Refuse' })
  t.is(await status(), 'PENDING_AUTH')
  t.deepEqual(grants(provider), [])
})

test('a callback in another browser connects nobody, and its code is not sent', async (t) => {
  const { link, status, provider } = await stage(t)
  const callback = await interrupted(await link())
  await new PlainBrowser().open(callback.url)
  t.is(await status(), 'PENDING_AUTH')
  t.deepEqual(grants(provider), [])
})

for (const [what, forge] of Object.entries({
  'with a state that was not given': (query) => query.set('state', 'x'.repeat(43)),
  'without a state': (query) => query.delete('state'),
  'with two states': (query) => query.append('state', query.get('state')),
  'with two codes': (query) => query.append('code', 'another'),
}))
  test(`a callback ${what} connects nobody, and its code is not sent`, async (t) => {
    const { link, status, provider } = await stage(t)
    const { browser, url } = await interrupted(await link())
    forge(url.searchParams)
    await browser.open(url)
    t.is(await status(), 'PENDING_AUTH')
    t.deepEqual(grants(provider), [])
  })

test('of fifty callbacks that are the same, one sends the code', async (t) => {
  const { link, status, provider } = await stage(t)
  const { browser, url } = await interrupted(await link())
  await Promise.all(Array.from({ length: 50 }, () => browser.open(url)))
  t.is(await status(), 'ACTIVE')
  t.deepEqual(grants(provider), ['authorization_code'])
})

test('an access token that is refused is refreshed once, whoever asks', async (t) => {
  const { actions, provider } = await connected(t)
  provider.expireAccessTokens()
  const answers = await Promise.all(Array.from({ length: 20 }, () => actions.request({ ...account, path: '/me' })))
  t.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]))
  t.deepEqual(grants(provider), ['authorization_code', 'refresh_token'])
})

test('a provider that is busy costs nobody their authorization', async (t) => {
  const { actions, provider, status } = await connected(t)
  const { aroundToken } = provider
  provider.expireAccessTokens()
  provider.aroundToken = async (context) => Object.assign(context, { status: 503, body: 'busy' })
  await t.throwsAsync(actions.request({ ...account, path: '/me' }), { code: 'PROVIDER_UNAVAILABLE' })
  t.is(await status(), 'ACTIVE')

  provider.aroundToken = aroundToken
  t.is((await actions.request({ ...account, path: '/me' })).status, 200)
})

test('a grant that was revoked asks for the person again', async (t) => {
  const { actions, provider, status } = await connected(t)
  provider.revoke()
  await t.throwsAsync(actions.request({ ...account, path: '/me' }), { code: 'REAUTHORIZATION_REQUIRED' })
  t.is(await status(), 'EXPIRED')
})

const stage = (t) => openEnvironment(t, startProvider, { scopes: ['openid', 'email', 'offline_access'] })

async function connected(t) {
  const environment = await stage(t)
  await consent(new PlainBrowser(), await environment.link(), { as: 'Agree' })
  await environment.actions.waitForConnectedAccount({ ...account, timeoutMs: 10_000 })
  return environment
}

const grants = ({ tokenRequests }) => tokenRequests.map(({ grantType }) => grantType)
