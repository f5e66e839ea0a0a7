/** User verification: the app says whose browser came back, and only then is the code worth anything (A01, A10, A11). */
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import test from 'ava'

import { failure, open } from './door.mjs'
import { PlainBrowser, consent } from './support/browser.mjs'
import { account, openEnvironment } from './support/environment.mjs'
import { grace, startProvider } from './support/provider.mjs'
import { serve } from './support/serve.mjs'

test('the code is exchanged only once the app has said who consented', async (t) => {
  const { actions, app, browser, link, provider, status } = await stage(t)
  await browser.open(`${app.origin}/sign-in?as=${account.identifier}`)
  await consent(browser, await link(), { as: 'Agree' })

  t.deepEqual(app.visits[0].before, { status: 'PENDING_VERIFICATION', tokenRequests: 0 })
  t.is(await status(), 'ACTIVE')
  t.is(provider.tokenRequests.length, 1)
  t.regex(await browser.text(), /Gmail\W+is connected/)
  t.is(new URL(browser.url).search, '')
  t.deepEqual((await actions.request({ ...account, path: '/me' })).data, grace)
})

test('a person whom the app does not know as the link’s connects nobody (A01)', async (t) => {
  const { actions, app, browser, link, provider, status } = await stage(t)
  await browser.open(`${app.origin}/sign-in?as=victim`)
  await consent(browser, await link(), { as: 'Agree' })

  t.like(app.visits[0], { code: 'USER_MISMATCH' })
  t.is(provider.tokenRequests.length, 0)
  t.is(await status(), 'PENDING_AUTH')
  const { connectedAccounts } = await actions.listConnectedAccounts()
  t.deepEqual(
    connectedAccounts.map(({ identifier }) => identifier),
    [account.identifier],
  )

  // Not even the right person can use it now.
  const again = { authRequestId: app.visits[0].nonce, identifier: account.identifier }
  t.is((await failure(() => actions.verifyConnectedAccountUser(again))).code, 'FLOW_NOT_FOUND')
  t.is(provider.tokenRequests.length, 0)
})

test('a link that is made for the moment of the click gains an attacker nothing (A10)', async (t) => {
  const { app, browser, link, provider, status } = await stage(t)
  const lure = await serve(async (_, response) => response.writeHead(303, { location: await link() }).end())
  t.teardown(lure.close)
  await browser.open(`${app.origin}/sign-in?as=victim`)
  await consent(browser, lure.origin, { as: 'Agree' })
  t.like(app.visits[0], { code: 'USER_MISMATCH' })
  t.is(provider.tokenRequests.length, 0)
  t.is(await status(), 'PENDING_AUTH')
})

test('a person who is signed in nowhere connects nobody', async (t) => {
  const { app, browser, link, provider, status } = await stage(t)
  await consent(browser, await link(), { as: 'Agree' })
  t.like(app.visits[0], { code: 'INVALID_ARGUMENT' })
  t.is(provider.tokenRequests.length, 0)
  t.is(await status(), 'PENDING_VERIFICATION')
})

test('what the verify URL carried is good once, whoever is first (A11)', async (t) => {
  const { actions, app, browser, link, provider, status } = await stage(t, { verifies: false })
  await consent(browser, await link(), { as: 'Agree' })
  const verification = { authRequestId: app.visits[0].nonce, identifier: account.identifier }
  const verify = () => actions.verifyConnectedAccountUser(verification)

  const ended = await Promise.allSettled(Array.from({ length: 20 }, verify))
  t.is(ended.filter(({ status }) => status === 'fulfilled').length, 1)
  for (const { reason } of ended) if (reason) t.is(reason.code, 'FLOW_NOT_FOUND', reason.stack)
  t.is((await failure(verify)).code, 'FLOW_NOT_FOUND')
  t.is(provider.tokenRequests.length, 1)
  t.is(await status(), 'ACTIVE')
})

test('nothing that an attacker knows verifies a person (A11)', async (t) => {
  const { actions, browser, link, provider, status } = await stage(t, { verifies: false })
  const seen = []
  browser.onRedirect = (url) => (seen.push(url), url)
  const made = await link()
  await consent(browser, made, { as: 'Agree' })

  const [authorize] = seen.filter(({ pathname }) => pathname === '/auth')
  const [callback] = seen.filter(({ pathname }) => pathname.startsWith('/callback/'))
  const known = [
    'x'.repeat(43),
    made.split('/').at(-1),
    authorize.searchParams.get('state'),
    authorize.searchParams.get('code_challenge'),
    callback.searchParams.get('code'),
    (await actions.getConnectedAccountDetails(account)).connectedAccount.id,
  ]
  for (const authRequestId of known) {
    const verification = { authRequestId, identifier: account.identifier }
    const error = await failure(() => actions.verifyConnectedAccountUser(verification))
    t.is(error.code, 'FLOW_NOT_FOUND', error.stack)
  }
  t.is(provider.tokenRequests.length, 0)
  t.is(await status(), 'PENDING_VERIFICATION')
})

test('the verify URL has the nonce and the app’s own state, and nothing of the provider’s (A14)', async (t) => {
  const { app, browser, link } = await stage(t, { verifies: false })
  const leads = []
  browser.onRedirect = (url) => (leads.push(url), url)
  const state = 'a&b=c#d é'
  await consent(browser, await link({ state }), { as: 'Agree' })

  const { searchParams, hash } = leads.at(-1)
  t.deepEqual([...searchParams.keys()], ['auth_request_id', 'state'])
  t.is(searchParams.get('state'), state)
  t.regex(searchParams.get('auth_request_id'), /^[\w-]{43,}$/)
  t.is(hash, '')
  const { code } = Object.fromEntries(leads.find(({ pathname }) => pathname.startsWith('/callback/')).searchParams)
  t.false(leads.at(-1).href.includes(code))
  t.is(app.visits.length, 1)
})

test('a verify URL that is not on the list, to the letter, is refused (A13)', async (t) => {
  const { actions, app } = await stage(t)
  const { verifyUrl } = app
  const { host } = new URL(verifyUrl)
  const tricks = [
    `${verifyUrl}/`,
    `${verifyUrl}?next=https://evil.test`,
    `${verifyUrl}#x`,
    `${verifyUrl}/../verify`,
    ` ${verifyUrl}`,
    verifyUrl.toUpperCase(),
    verifyUrl.replace('http:', 'https:'),
    verifyUrl.replace('http:', ''),
    verifyUrl.replace('//', '//evil.test@'),
    verifyUrl.replace(host, `${host}.evil.test`),
    verifyUrl.replace(host, `${host}@evil.test`),
    verifyUrl.replace(host, host.replace(':', '.:')),
    verifyUrl.replace('/verify', '/%76erify'),
    verifyUrl.replace('/verify', '\\verify'),
    verifyUrl.replace('/verify', '//verify'),
    'https://evil.test/verify',
    '//evil.test/verify',
    '/verify',
    'javascript:alert(1)',
  ]
  for (const userVerifyUrl of tricks) {
    const error = await failure(() => actions.getAuthorizationLink({ ...account, userVerifyUrl }))
    t.is(error.code, 'VERIFY_URL_NOT_ALLOWED', userVerifyUrl)
    t.regex(error.message, /add it to `userVerifyUrls`/)
  }
  t.deepEqual((await actions.listConnectedAccounts()).connectedAccounts, [])
})

test('a link that names a verify URL is verified, though the environment does not ask for it', async (t) => {
  const { app, browser, link, provider, status } = await stage(t, { userVerification: 'none' })
  await browser.open(`${app.origin}/sign-in?as=victim`)
  await consent(browser, await link({ userVerifyUrl: app.verifyUrl }), { as: 'Agree' })
  t.like(app.visits[0], { code: 'USER_MISMATCH' })
  t.is(provider.tokenRequests.length, 0)

  await browser.open(`${app.origin}/sign-in?as=${account.identifier}`)
  await consent(browser, await link({ userVerifyUrl: app.verifyUrl }), { as: 'Agree' })
  t.is(await status(), 'ACTIVE')
})

test('whoever refuses at the provider needs no verification', async (t) => {
  const { app, browser, link, status } = await stage(t)
  await consent(browser, await link(), { as: 'Refuse' })
  t.deepEqual(app.visits, [])
  t.is(await status(), 'PENDING_AUTH')
  t.regex(await browser.text(), /You said no/)
})

test('a public address needs a decision on how users are verified, before anything is opened', async (t) => {
  const store = join(tmpdir(), `onbehalf-undecided-${process.pid}`, 'store.db')
  const publicUrl = 'https://connect.example.com'
  const { actions } = open(t, { store, publicUrl, key: randomBytes(32).toString('base64') })
  const error = await failure(() => actions.listConnections())
  t.like(error, { code: 'USER_VERIFICATION_UNDECIDED', retryable: false, details: { publicUrl } })
  t.regex(error.message, /`userVerification`: "app" \(with `userVerifyUrls`\) or "none"/)
  t.false(existsSync(store))

  for (const decided of [{ userVerification: 'none' }, { userVerification: 'app', userVerifyUrls: [publicUrl] }])
    await t.notThrowsAsync(open(t, { publicUrl, ...decided }).actions.listConnections())
})

/**
 * An environment that verifies its users at an app of its own, and a browser.
 *
 * The app knows its user by its own session alone, and tells onbehalf. `visits` are those of its verify page: what was
 * true `before`, the `nonce`, and the `code` of the error if there was one.
 */
async function stage(t, { verifies = true, ...options } = {}) {
  const app = { visits: [] }
  let environment
  const server = await serve(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url, server.origin)
    if (pathname === '/sign-in')
      return response.setHeader('set-cookie', `signed-in=${searchParams.get('as')}; Path=/`).end('You are signed in.')

    const { actions, provider, status } = environment
    const nonce = searchParams.get('auth_request_id')
    const visit = { nonce, before: { status: await status(), tokenRequests: provider.tokenRequests.length } }
    app.visits.push(visit)
    if (!verifies) return response.end('Later.')
    const identifier = /signed-in=(\w+)/.exec(request.headers.cookie)?.[1]
    try {
      const verified = await actions.verifyConnectedAccountUser({ authRequestId: nonce, identifier })
      response.writeHead(303, { location: verified.postUserVerifyRedirectUrl }).end()
    } catch ({ code }) {
      visit.code = code
      response.writeHead(403).end('That was not you.')
    }
  })
  t.teardown(server.close)
  Object.assign(app, { origin: server.origin, verifyUrl: `${server.origin}/verify` })

  environment = await openEnvironment(t, startProvider, {
    scopes: ['openid', 'email', 'offline_access'],
    userVerification: 'app',
    userVerifyUrls: [app.verifyUrl],
    ...options,
  })
  return { ...environment, app, browser: new PlainBrowser() }
}
