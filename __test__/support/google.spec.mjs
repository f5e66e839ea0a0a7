import test from 'ava'

import { ChromiumBrowser, PlainBrowser } from './browser.mjs'
import { startApp } from './direct.mjs'
import { ada, startGoogle } from './google.mjs'
import { requireChromium } from '../../scripts/chromium.mjs'

const browsers = {
  Chromium: async () => ChromiumBrowser.start(await requireChromium()),
  'plain HTTP': () => new PlainBrowser(),
}

for (const [name, start] of Object.entries(browsers))
  test(`a person authorizes an app at the emulated Google with ${name}, and it reads their mail`, async (t) => {
    const { app, google } = await stage(t)
    const browser = await start()
    t.teardown(() => browser.close())

    t.is(await browser.open(app.authorizeUrl(google, 'mail')), 200)
    await browser.press(ada.email)

    t.is(await browser.text(), 'You are connected.')
    t.is(app.answer.get('state'), app.state)
    const tokens = await app.token(google, app.exchange())
    t.is(tokens.status, 200)
    const { messages } = await mail(google, tokens.access_token, '/messages')
    t.is(messages.length, ada.mail.length)
    t.like(await mail(google, tokens.access_token, '/profile'), { emailAddress: ada.email, messagesTotal: 3 })
  })

test('the emulated Google takes no code without its verifier, and no redirect URI that is not registered', async (t) => {
  const { app, google } = await stage(t)
  const browser = new PlainBrowser()
  await browser.open(app.authorizeUrl(google, 'mail'))
  await browser.press(ada.email)
  t.like(await app.token(google, { ...app.exchange(), code_verifier: 'another' }), { error: 'invalid_grant' })

  const elsewhere = new URL(app.authorizeUrl(google, 'mail'))
  elsewhere.searchParams.set('redirect_uri', 'http://127.0.0.1:1/callback')
  t.is(await browser.open(elsewhere), 400)
})

test('tokens of the emulated Google expire and are revoked when a test says so', async (t) => {
  const { app, google } = await stage(t)
  const browser = new PlainBrowser()
  await browser.open(app.authorizeUrl(google, 'mail'))
  await browser.press(ada.email)
  const tokens = await app.token(google, app.exchange())
  const refresh = { grant_type: 'refresh_token', refresh_token: tokens.refresh_token }

  google.expireAccessTokens()
  t.is((await mail(google, tokens.access_token, '/messages')).error.code, 401)
  const { access_token } = await app.token(google, refresh)
  t.is((await mail(google, access_token, '/messages')).messages.length, ada.mail.length)

  google.revoke()
  t.is((await mail(google, access_token, '/messages')).error.code, 401)
  t.like(await app.token(google, refresh), { status: 400, error: 'invalid_grant' })
})

async function stage(t) {
  const app = await startApp()
  const google = await startGoogle({ redirectUris: [app.redirectUri] })
  t.teardown(app.close)
  t.teardown(google.close)
  return { app, google }
}

async function mail({ endpoints }, token, path) {
  const headers = { authorization: `Bearer ${token}` }
  const response = await fetch(`${endpoints.baseUrl}/gmail/v1/users/me${path}`, { headers })
  return response.json()
}
