/** The hosted pages in Chromium: what no text from outside can do to them, and what every person can do with them. */
import test from 'ava'

import { requireChromium } from '../scripts/chromium.mjs'
import { open } from './door.mjs'
import { ChromiumBrowser, PlainBrowser, consent } from './support/browser.mjs'
import { account, openEnvironment } from './support/environment.mjs'
import { payloads } from './support/payloads.mjs'
import { startProvider } from './support/provider.mjs'
import { freePort, serve } from './support/serve.mjs'

let chromium
test.before(async () => void (chromium = await ChromiumBrowser.start(await requireChromium())))
test.after.always(() => chromium?.close())

test('no text from outside becomes script, markup or a request (A32, A33)', async (t) => {
  t.true(payloads.length >= 80)
  const provider = await hostileProvider(t)
  const harmless = await attack(t, { provider, port: await freePort(), browser: await visitor(t), payload: 'harmless' })

  const left = [...payloads]
  const worker = async () => {
    const [browser, port] = [await visitor(t), await freePort()]
    const heard = eavesdrop(browser.page)
    for (let payload = left.pop(); payload; payload = left.pop())
      t.deepEqual(await attack(t, { provider, port, browser, payload }), harmless, payload)
    t.deepEqual(heard.trouble, [])
    return heard.responses
  }
  const responses = await Promise.all(Array.from({ length: 3 }, worker))
  t.is(
    responses.reduce((sum, count) => sum + count),
    2 * payloads.length,
  )
})

test('no text in an address changes a byte of the page that answers it (A32)', async (t) => {
  const { url: origin } = await open(t).listen()
  const pagesOf = async (text) => {
    const query = new URLSearchParams({ state: text, error: text, error_description: text, error_uri: text })
    const path = encodeURIComponent(text)
    const paths = [
      `callback/app?${query}`,
      `connect/${path}`,
      `connect/outcome/${path}`,
      path,
      `${path}/${path}?${path}`,
    ]
    return Promise.all(paths.map(async (path) => (await fetch(origin + path)).text()))
  }
  const harmless = await pagesOf('harmless')
  for (const [index, words] of [
    'This doesn’t belong',
    'know this link',
    'belong',
    'nothing here',
    'nothing here',
  ].entries())
    t.true(harmless[index].replace(/&#39;/g, '’').includes(words), harmless[index])
  for (const payload of payloads) t.deepEqual(await pagesOf(payload), harmless, payload)
})

test('no page can be framed (A34)', async (t) => {
  const { link } = await stage(t)
  const made = await link()
  const frames = await serve((_, response) => {
    response.setHeader('content-type', 'text/html').end(`<iframe src="${made}"></iframe>`)
  })
  t.teardown(frames.close)
  const { page } = await visitor(t)
  await page.goto(frames.origin)
  t.is(page.frames().length, 2)
  t.is(await page.frames()[1].locator('button').count(), 0)
  t.true(page.frames()[1].url().startsWith('chrome-error:'), page.frames()[1].url())
})

test('neither the address at the end nor any Referer tells a code, a state or a link (A35)', async (t) => {
  const { link, origin, provider, status } = await stage(t)
  const browser = await visitor(t)
  const sent = []
  browser.page.on('request', (request) => sent.push(request))
  await consent(browser, await link(), { as: 'Agree' })
  t.is(await status(), 'ACTIVE')

  const { search, hash, pathname } = new URL(browser.url)
  t.deepEqual({ search, hash }, { search: '', hash: '' })
  t.regex(pathname, /^\/connect\/outcome\/flow_\w+$/)
  t.is(await browser.page.evaluate(() => document.referrer), '')
  const headers = await Promise.all(sent.map(async (request) => [request.url(), await request.allHeaders()]))
  t.true(headers.some(([url]) => url.startsWith(`${provider.origin}/auth?`)))
  for (const [url, { referer }] of headers)
    t.false(referer?.startsWith(origin) ?? false, `${url} was told that it came from ${referer}`)
})

test('going back and pressing again starts nothing (A07, A36)', async (t) => {
  const { link, provider } = await stage(t)
  const made = await link()
  const browser = await visitor(t)
  const tab = new ChromiumBrowser(null, await browser.page.context().newPage())
  await tab.open(made)
  await consent(browser, made, { as: 'Agree' })

  await tab.press()
  t.regex(await tab.text(), /used already/)
  await browser.page.goBack()
  await browser.page.goBack()
  t.is(browser.url, made)
  t.regex(await browser.text(), /used already/)
  t.is(await browser.page.locator('button').count(), 0)
  t.is(provider.tokenRequests.length, 1)
})

test('a page speaks the language that the browser asks for', async (t) => {
  const { link } = await stage(t, { appName: 'Beispiel' })
  const made = await link()
  for (const [locale, language, heading] of [
    ['de-AT', 'de', 'Beispiel bittet um Zugriff auf Ihr Gmail-Konto'],
    ['en-GB', 'en', 'Beispiel asks for access to your Gmail account'],
    ['ja-JP', 'en', 'Beispiel asks for access to your Gmail account'],
  ]) {
    const { page } = await visitor(t, { locale })
    await page.goto(made)
    t.is(await page.getAttribute('html', 'lang'), language)
    t.is(plain(await page.innerText('h1')), heading)
  }
})

test('a person without script is connected', async (t) => {
  const { link, status } = await stage(t)
  const browser = await visitor(t, { javaScriptEnabled: false })
  await consent(browser, await link(), { as: 'Agree' })
  t.is(plain(await browser.page.innerText('h1')), 'Gmail is connected')
  t.is(await status(), 'ACTIVE')
})

test('a person with nothing but a keyboard is connected', async (t) => {
  const { link, status } = await stage(t)
  const { page } = await visitor(t)
  await page.goto(await link())
  await page.keyboard.press('Tab')
  const focused = page.locator(':focus')
  t.is(await focused.evaluate(({ tagName }) => tagName), 'BUTTON')
  t.not(await focused.evaluate((button) => getComputedStyle(button).outlineStyle), 'none')
  for (const heading of ['The provider', 'Gmail is connected']) {
    await Promise.all([page.waitForEvent('domcontentloaded'), page.keyboard.press('Enter')])
    t.is(plain(await page.innerText('h1')), heading)
    if (heading === 'The provider') await page.keyboard.press('Tab')
  }
  t.is(await status(), 'ACTIVE')
})

test('a person who hears the pages is told their parts by name', async (t) => {
  const { link } = await stage(t)
  const browser = await visitor(t)
  await browser.open(await link())
  const { page } = browser
  const parts = async (role) => (await page.getByRole(role).allInnerTexts()).map(plain)
  t.is((await parts('heading')).length, 3)
  t.is((await parts('main')).length, 1)
  t.deepEqual(await parts('button'), ['Continue to Gmail'])
  t.is(await page.getByRole('list').count(), 2)

  await browser.press()
  await browser.press('Refuse')
  t.is(await page.getByRole('status').count(), 1)
  t.regex((await parts('heading'))[0], /You said no/)
})

test('every page fits a telephone, in light and in dark, however long its texts are', async (t) => {
  const long = 'x'.repeat(190)
  const { link, origin } = await stage(t, { appName: long, scopes: [long, 'openid'] })
  const made = await link({ identifier: `${long}@x` })
  const colours = new Set()
  for (const colorScheme of ['light', 'dark']) {
    const browser = await visitor(t, { colorScheme, viewport: { width: 360, height: 740 } })
    const fits = async () => {
      const { page } = browser
      t.true(
        await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth),
        `${browser.url} is too wide`,
      )
      colours.add(await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor))
    }
    for (const path of [made, `${origin}/nowhere`, `${origin}/callback/app?state=x`]) {
      await browser.open(path)
      await fits()
    }
    await browser.open(made)
    const button = await browser.page.locator('button').boundingBox()
    t.true(button.height >= 44, `the button is ${button.height} px high`)
  }
  t.is(colours.size, 2)
})

const stage = (t, options) =>
  openEnvironment(t, startProvider, { scopes: ['openid', 'email', 'offline_access'], ...options })

/** A person with a browser of their own, with no cookies yet. */
async function visitor(t, options) {
  const context = await chromium.browser.newContext({ locale: 'en-GB', ...options })
  t.teardown(() => context.close())
  return new ChromiumBrowser(context, await context.newPage())
}

/** Text without the marks that keep a name apart from the sentence around it. */
const plain = (text) => text.replace(/[\u2068\u2069]/g, '').trim()

/** A provider that answers each person with an error, made of nothing but the payload that was the scope. */
async function hostileProvider(t) {
  const provider = await serve((request, response) => {
    const { searchParams } = new URL(request.url, provider.origin)
    const payload = new URLSearchParams(searchParams.get('scope').split(' ').at(-1)).get('payload')
    const state = searchParams.get('state')
    const said = { state, error: payload, error_description: payload, error_uri: payload, [payload]: payload }
    response.writeHead(303, { location: `${searchParams.get('redirect_uri')}?${new URLSearchParams(said)}` }).end()
  })
  t.teardown(provider.close)
  return provider
}

/**
 * Puts `payload` wherever a page could show it: the names of app, connector, person and scopes, and the provider's
 * answer. Says what the link's page and the outcome's are made of.
 */
async function attack(t, { provider: { origin: provider }, port, browser, payload }) {
  const connector = `
    name     = ${JSON.stringify(payload)}
    docs     = "https://example.com/docs"
    base_url = "${provider}"

    [auth.oauth2]
    authorize_url = "${provider}/authorize"
    token_url     = "${provider}/token"
  `
  // What a scope may be made of, and all of it, for the provider to send back.
  const scopes = [payload.replace(/[^!#-[\]-~]/g, "'"), new URLSearchParams({ payload }).toString()]
  const line = payload.replace(/\s/g, ' ')
  const onbehalf = open(t, {
    port,
    appName: payload,
    connectors: { hostile: connector },
    connections: { app: { connector: 'hostile', clientId: line, clientSecret: payload, scopes } },
  })
  const { link } = await onbehalf.actions.getAuthorizationLink({ ...account, identifier: `x@${line}` })

  const made = []
  const look = async (url) => {
    t.is(await browser.open(url), 200)
    made.push(await browser.page.evaluate(skeleton))
  }
  await look(link)
  // Chromium takes a new process for each change of the site; this one goes to the provider and back in its place.
  const errand = new PlainBrowser()
  await errand.open(link)
  await errand.press()
  await look(errand.url)
  await onbehalf.close()
  return made
}

/** The elements of a page with their attributes, without texts. A mark's hue follows from a name. */
function skeleton() {
  const attribute = ({ name, value }) => `${name}=${value.replace(/hue-\d/, 'hue')}`
  return [...document.querySelectorAll('*')].map(({ tagName, attributes }) =>
    [tagName, ...[...attributes].map(attribute)].join(' '),
  )
}

/** Notes what no page of ours may ever do, and looks at the headers of each answer. */
function eavesdrop(page) {
  const heard = { trouble: [], responses: 0 }
  const note = (text) => heard.trouble.push(text)
  page.on('dialog', (dialog) => (note(`a dialog: ${dialog.message()}`), dialog.dismiss()))
  page.on('pageerror', (error) => note(`a script: ${error}`))
  page.on('console', (message) => {
    // Chromium says so of every page whose status is an error.
    if (!message.text().startsWith('Failed to load resource: the server responded with')) note(message.text())
  })
  page.on('request', (request) => {
    const { origin, hostname } = new URL(request.url())
    if (hostname !== 'localhost') note(`a request to ${origin}`)
    if (request.resourceType() !== 'document') note(`a request for a ${request.resourceType()}`)
  })
  page.on('response', (response) => {
    heard.responses++
    const headers = response.headers()
    const policy = headers['content-security-policy'] ?? ''
    for (const part of ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"])
      if (!policy.includes(part)) note(`${response.url()} has no ${part}`)
    if (/script-src|unsafe/.test(policy)) note(`${response.url()} allows ${policy}`)
    for (const [name, value] of strict) if (headers[name] !== value) note(`${response.url()} has no ${name}: ${value}`)
  })
  return heard
}

const strict = Object.entries({
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
})
