/** The form for a credential, as people meet it: a key is entered, checked at its provider, and connected or refused. */
import test from 'ava'

import { requireChromium } from '../scripts/chromium.mjs'
import { failure } from './door.mjs'
import { ChromiumBrowser, PlainBrowser } from './support/browser.mjs'
import { account } from './support/environment.mjs'
import { ada, apiKey, enter, head, stage } from './support/parcels.mjs'
import { payloads } from './support/payloads.mjs'
import { serve } from './support/serve.mjs'

let chromium
test.before(async () => void (chromium = await ChromiumBrowser.start(await requireChromium())))
test.after.always(() => chromium?.close())

const basic = `${head}
  [auth.basic]
  fields = { email = { kind = "email" }, password = { secret = true } }
  send   = { headers = { Authorization = "Basic {email + ':' + password | base64}" } }
`

const twoKeys = `${head}
  [auth.api_key]
  send = { headers = { X-Key = "{api_key}", X-App = "{app_key}", X-Site = "{site}" } }

  [auth.api_key.fields]
  site    = { options = ["us", "eu"] }
  api_key = { label = "API key", secret = true }
  app_key = { label = "App key", secret = true }
`

for (const kind of ['Chromium', 'plain HTTP']) {
  test(`a person enters a key, and the app can call (${kind})`, async (t) => {
    const { actions, link, provider, status } = await stage(t)
    const browser = await person(t, kind)
    t.is(await browser.open(await link()), 200)
    await enter(browser, { shop: 'acme', api_key: 'key-1-9d5c2e77ab10' })

    t.regex(await plain(browser), /Parcels is connected/)
    t.is(await status(), 'ACTIVE')
    t.deepEqual((await actions.request({ ...account, path: '/orders' })).data, ada)
    t.deepEqual(
      provider.calls.map(({ url, headers }) => [url, headers['x-key']]),
      [
        ['/me', 'key-1-9d5c2e77ab10'],
        ['/orders', 'key-1-9d5c2e77ab10'],
      ],
    )
  })

  test(`a name and a password go out as Basic (${kind})`, async (t) => {
    const { link, provider, status } = await stage(t, { connector: basic })
    const browser = await person(t, kind)
    await browser.open(await link())
    await enter(browser, { email: 'ada@acme.test', password: 'p:w' })
    t.is(await status(), 'ACTIVE')
    t.is(provider.calls[0].headers.authorization, `Basic ${btoa('ada@acme.test:p:w')}`)
  })

  test(`a key that is wrong is corrected (${kind})`, async (t) => {
    const { link, status } = await stage(t)
    const browser = await person(t, kind)
    await browser.open(await link())
    await enter(browser, { shop: 'acme', api_key: 'wr0ng' })
    t.regex(await plain(browser), /Parcels doesn't accept this.*Nothing was stored.*Please enter it again/s)
    t.not(await status(), 'ACTIVE')

    t.false((await html(browser)).includes('wr0ng'))
    await enter(browser, { api_key: 'key-1-9d5c2e77ab10' })
    t.regex(await plain(browser), /Parcels is connected/)
    t.is(await status(), 'ACTIVE')
  })
}

test('two keys and a choice are one credential', async (t) => {
  const { link, provider, status } = await stage(t, { connector: twoKeys })
  const { page } = await visitor(t)
  await page.goto(await link())
  await page.getByLabel('Site').selectOption('eu')
  await page.getByLabel('API key').fill('key-1-9d5c2e77ab10')
  await page.getByLabel('App key').fill('key-2-9d5c2e77ab10')
  await submit(page)
  t.is(await status(), 'ACTIVE')
  t.like(provider.calls[0].headers, { 'x-key': 'key-1-9d5c2e77ab10', 'x-app': 'key-2-9d5c2e77ab10', 'x-site': 'eu' })
})

for (const [answer, status, said] of [
  [{ status: 401 }, 422, /doesn't accept this/],
  [{ status: 403 }, 422, /doesn't allow enough.*PERMISSION_MISSING/s],
  [{ status: 429, headers: { 'retry-after': '60' } }, 503, /is having trouble/],
  [{ status: 503 }, 503, /is having trouble/],
  [{ status: 302, headers: { location: 'https://evil.test/' } }, 502, /gave a strange answer/],
  [{ status: 200, body: '<h1>Sign in</h1>', headers: { 'content-type': 'text/html' } }, 502, /gave a strange answer/],
  [{ status: 200, body: '{}' }, 502, /gave a strange answer/],
  [null, 503, /could not be reached/],
])
  test(`a provider that answers ${JSON.stringify(answer)} has its say`, async (t) => {
    const { link, provider, status: accountStatus } = await stage(t)
    const browser = new PlainBrowser()
    await browser.open(await link())
    provider.answer = answer
    if (!answer) await provider.close()
    await enter(browser, { shop: 'acme', api_key: 'key-1-9d5c2e77ab10' })
    t.is(browser.status, status)
    t.regex(await plain(browser), said)
    t.false(browser.html.includes('key-1-9d5c2e77ab10') || browser.html.includes('evil'))
    t.not(await accountStatus(), 'ACTIVE')
    if (!answer) return

    provider.answer = undefined
    await enter(browser, { api_key: 'key-1-9d5c2e77ab10' })
    t.is(await accountStatus(), 'ACTIVE')
  })

test('what comes along with a pasted name is taken off', async (t) => {
  const { link, status } = await stage(t)
  const { page } = await visitor(t)
  await page.goto(await link())
  await page.fill('[name=shop]', ' https://acme.parcels.example/ ')
  await page.fill('[name=api_key]', ' k1\t')
  await submit(page)
  t.is(await status(), 'ACTIVE')
})

test('going back and sending the form again changes nothing (A36)', async (t) => {
  const { link, provider } = await stage(t)
  const browser = await visitor(t)
  const { page } = browser
  await page.goto(await link())
  await enter(browser, { shop: 'acme', api_key: 'key-1-9d5c2e77ab10' })
  const outcome = page.url()

  await page.goBack()
  t.regex(await plain(browser), /This link was used already/)
  t.is(await page.locator('form').count(), 0)
  await page.goForward()
  t.is(page.url(), outcome)
  await page.reload()
  t.regex(await plain(browser), /Parcels is connected/)
  t.is(provider.calls.length, 1)
})

test('a form that another tab still shows is dead after use (A36)', async (t) => {
  const { link, provider } = await stage(t)
  const made = await link()
  const browser = await visitor(t)
  const tab = new ChromiumBrowser(null, await browser.page.context().newPage())
  await tab.open(made)
  await browser.open(made)
  await enter(browser, { shop: 'acme', api_key: 'key-1-9d5c2e77ab10' })
  await enter(tab, { shop: 'other', api_key: 'key-2-9d5c2e77ab10' })
  t.regex(await plain(tab), /This link was used already/)
  t.is(provider.calls.length, 1)
})

test('a person who clicks twice is connected once', async (t) => {
  const { link, provider, status } = await stage(t)
  const { page } = await visitor(t)
  await page.goto(await link())
  await page.fill('[name=shop]', 'acme')
  await page.fill('[name=api_key]', 'key-1-9d5c2e77ab10')
  await Promise.all([page.waitForURL(/./, { waitUntil: 'load' }), page.locator('button').dblclick()])
  await page.waitForFunction(() => !document.querySelector('form'))
  t.is(await status(), 'ACTIVE')
  t.is(provider.calls.length, 1)
})

for (const [locale, checked, again] of [
  ['en-GB', /being checked.*a few seconds/s, 'Open the link again'],
  ['de-CH', /werden geprüft.*ein paar Sekunden/s, 'Link noch einmal öffnen'],
])
  test(`a form that is sent while it is being checked leads back to the link (${locale})`, async (t) => {
    const { link, provider, status } = await stage(t)
    const made = await link()
    const browser = await visitor(t, { locale })
    const { page } = browser
    const tab = new ChromiumBrowser(null, await page.context().newPage())
    await tab.open(made)
    await browser.open(made)
    let sent
    const release = await new Promise((arrived) => {
      provider.answer = () => new Promise((release) => arrived(release))
      sent = enter(tab, { shop: 'acme', api_key: 'wr0ng' })
    })
    await enter(browser, { shop: 'acme', api_key: 'key-1-9d5c2e77ab10' })
    t.regex(await plain(browser), checked)
    t.is(provider.calls.length, 1)

    provider.answer = undefined
    release()
    await sent
    t.not(await status(), 'ACTIVE')
    await Promise.all([page.waitForEvent('domcontentloaded'), page.getByText(again, { exact: true }).click()])
    await enter(browser, { shop: 'acme', api_key: 'key-1-9d5c2e77ab10' })
    t.is(await status(), 'ACTIVE')
  })

test('another site cannot send a key of its own in the person’s name (A16)', async (t) => {
  const { link, provider, status } = await stage(t)
  const made = await link()
  const forged = (token) => `<form method="post" action="${made}">
    <input name="shop" value="evil"><input name="api_key" value="k1"><input name="form-token" value="${token}">
    <button type="submit">Win</button></form>`
  const evil = await serve((_, response) => response.setHeader('content-type', 'text/html').end(forged('x')))
  t.teardown(evil.close)
  const browser = await visitor(t)
  await browser.open(made)
  await browser.open(evil.origin)
  await browser.press('Win')
  t.regex(await plain(browser), /did not come from our page/)

  // A browser that says nothing of sites is asked for the token, which no other site can know.
  const person = new PlainBrowser()
  await person.open(made)
  person.html = forged('x')
  await person.press()
  t.is(person.status, 403)
  t.regex(await plain(person), /Open the link again/)
  t.is(provider.calls.length, 0)
  t.not(await status(), 'ACTIVE')
})

test('a key is stored only once the app has said who entered it (A15)', async (t) => {
  const app = await verifyingApp(t)
  const { actions, link, provider, status } = await stage(t, app.options)
  app.verify = async (nonce) => {
    app.before = await status()
    return actions.verifyConnectedAccountUser({ authRequestId: nonce, identifier: account.identifier })
  }
  const browser = await visitor(t)
  await browser.open(await link())
  t.regex(await plain(browser), /You continue to 127\.0\.0\.1/)
  await enter(browser, { shop: 'acme', api_key: 'key-1-9d5c2e77ab10' })
  t.is(app.before, 'PENDING_VERIFICATION')
  t.regex(await plain(browser), /Parcels is connected/)
  t.is(await status(), 'ACTIVE')
  t.is(provider.calls.length, 1)
})

test('a key of a person whom the app does not know as the link’s is thrown away (A15)', async (t) => {
  const app = await verifyingApp(t)
  const { actions, link, status } = await stage(t, app.options)
  app.verify = (nonce) => actions.verifyConnectedAccountUser({ authRequestId: nonce, identifier: 'victim' })
  const browser = await visitor(t)
  await browser.open(await link())
  await enter(browser, { shop: 'acme', api_key: 'key-1-9d5c2e77ab10' })
  t.is(app.refused.code, 'USER_MISMATCH')
  t.is(await status(), 'PENDING_AUTH')
  const again = { authRequestId: app.nonce, identifier: account.identifier }
  t.is((await failure(() => actions.verifyConnectedAccountUser(again))).code, 'FLOW_NOT_FOUND')
})

test('the form speaks German, and says in German what is wrong', async (t) => {
  const { link } = await stage(t, { appName: 'Beispiel' })
  const browser = await visitor(t, { locale: 'de-CH' })
  await browser.open(await link())
  t.regex(await plain(browser), /Beispiel bittet um Zugriff auf Ihr Parcels-Konto/)
  await enter(browser, { shop: 'ACME 1', api_key: 'key-1-9d5c2e77ab10' })
  t.regex(await plain(browser), /Eine Eingabe stimmt noch nicht.*Shop: So sieht das bei Parcels nicht aus/s)
  await enter(browser, { shop: 'acme', api_key: 'wr0ng' })
  t.regex(await plain(browser), /Parcels nimmt das nicht an/)
})

test('a person with nothing but a keyboard enters a key and mends it', async (t) => {
  const { link, status } = await stage(t)
  const { page } = await visitor(t)
  await page.goto(await link())
  const focused = () => page.evaluate(() => document.activeElement.name || document.activeElement.tagName)
  const next = async () => (await page.keyboard.press('Tab'), focused())
  const enterPressed = () => Promise.all([page.waitForEvent('domcontentloaded'), page.keyboard.press('Enter')])

  t.is(await next(), 'shop')
  await page.keyboard.type('ACME!')
  t.is(await next(), 'A')
  t.is(await next(), 'api_key')
  await page.keyboard.type('key-1-9d5c2e77ab10')
  await enterPressed()

  t.is(await focused(), 'shop')
  t.is(await page.inputValue('[name=shop]'), 'ACME!')
  t.is(await page.inputValue('[name=api_key]'), '')
  const described = await page.locator(':focus').getAttribute('aria-describedby')
  const spoken = await page.locator(`[id="${described.split(' ')[0]}"]`).innerText()
  t.regex(spoken, /Shop\W+ doesn't look like one from/)
  await page.keyboard.press('ControlOrMeta+a')
  await page.keyboard.type('acme')
  await next()
  await next()
  await page.keyboard.type('key-1-9d5c2e77ab10')
  await enterPressed()
  t.is(await status(), 'ACTIVE')
})

test('a form and its faults fit a telephone, in light and in dark', async (t) => {
  const long = 'x'.repeat(190)
  const connector = apiKey.replace(
    'example = "acme"',
    `example = "acme"\nlabel = "${long}"\nhelp = "${long.repeat(3)}"`,
  )
  const { link } = await stage(t, { connector, appName: long })
  const made = await link()
  for (const colorScheme of ['light', 'dark']) {
    const browser = await visitor(t, { colorScheme, viewport: { width: 360, height: 740 } })
    const { page } = browser
    const fits = () => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)
    await browser.open(made)
    t.true(await fits())
    await enter(browser, { shop: long.toUpperCase(), api_key: 'key-1-9d5c2e77ab10' })
    t.true(await fits())
    for (const input of await page.locator('input:visible, button').all())
      t.true((await input.boundingBox()).height >= 44)
  }
})

test('no entry becomes script or markup where it is kept (A33)', async (t) => {
  const { link } = await stage(t)
  const browser = await visitor(t)
  const { page } = browser
  const trouble = []
  page.on('dialog', (dialog) => (trouble.push(dialog.message()), dialog.dismiss()))
  page.on('pageerror', (error) => trouble.push(String(error)))
  await browser.open(await link())
  const skeleton = () => page.evaluate(() => [...document.querySelectorAll('*')].map(({ tagName }) => tagName).join())
  await enter(browser, { shop: 'A', api_key: 'key-1-9d5c2e77ab10' })
  const harmless = await skeleton()
  for (const payload of payloads.slice(0, 30)) {
    await enter(browser, { shop: `1${payload}`, api_key: payload })
    t.is(await skeleton(), harmless, payload)
  }
  t.deepEqual(trouble, [])
})

/** The app's side: a page that has the person verified by `verify`, and sends them on. */
async function verifyingApp(t) {
  const app = {}
  const server = await serve(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url, server.origin)
    // Chromium asks for an icon too.
    if (pathname !== '/verify') return response.writeHead(404).end()
    app.nonce = searchParams.get('auth_request_id')
    try {
      const { postUserVerifyRedirectUrl } = await app.verify(app.nonce)
      response.writeHead(303, { location: postUserVerifyRedirectUrl }).end()
    } catch (error) {
      app.refused = error
      response.end('refused')
    }
  })
  t.teardown(server.close)
  const url = `${server.origin}/verify`
  return Object.assign(app, { options: { userVerification: 'app', userVerifyUrls: [url] } })
}

const submit = (page) => Promise.all([page.waitForEvent('domcontentloaded'), page.locator('button').click()])

const person = (t, kind) => (kind === 'Chromium' ? visitor(t) : new PlainBrowser())

/** A person with a browser of their own, with no cookies yet. */
async function visitor(t, options) {
  const context = await chromium.browser.newContext({ locale: 'en-GB', ...options })
  t.teardown(() => context.close())
  return new ChromiumBrowser(context, await context.newPage())
}

/** What a page says, without the marks that keep a name apart from the sentence around it. */
const plain = async (browser) => (await browser.text()).replace(/[\u2068\u2069]/g, '').replace(/ ([.,])/g, '$1')

const html = (browser) => browser.page?.content() ?? browser.html
