/**
 * Two browsers with one face: Chromium, and one that is nothing but HTTP. A person opens pages, fills in and presses.
 *
 * `open(url)`, `press(label)`, `fill(name, value)`, `url`, `text()`, `close()`.
 */
import { chromium } from 'playwright-core'

import { findChromium, launchArguments } from '../../scripts/chromium.mjs'
import { PlainBrowser } from './plain-browser.mjs'

export { PlainBrowser }

/** A browser of its own, with no cookies yet: Chromium where there is one. */
export async function openBrowser() {
  const executablePath = await findChromium()
  return executablePath ? ChromiumBrowser.start(executablePath) : new PlainBrowser()
}

/** Headless Chromium with one page. `page` is Playwright's, for what a test wants beyond the common face. */
export class ChromiumBrowser {
  name = 'Chromium'

  static async start(executablePath) {
    const browser = await chromium.launch({ executablePath, args: launchArguments, handleSIGINT: false })
    return new ChromiumBrowser(browser, await browser.newPage())
  }

  constructor(browser, page) {
    this.browser = browser
    this.page = page
  }

  get url() {
    return this.page.url()
  }

  /** Goes to a page, and answers its status. */
  async open(url) {
    const response = await this.page.goto(url)
    return response.status()
  }

  async fill(name, value) {
    await this.page.fill(`[name="${name}"]`, value)
  }

  /** Presses the first button that holds `label`, or the first of all, and waits for the page that follows. */
  async press(label = '') {
    const button = this.page.locator('[type=submit]', { hasText: label }).first()
    await Promise.all([this.page.waitForEvent('domcontentloaded'), button.click()])
  }

  /** What the page says. */
  text() {
    return this.page.innerText('body')
  }

  async close() {
    await this.browser.close()
  }
}

/**
 * What a person does with an authorization link: agrees on our page, then at the provider chooses the account that
 * `as` names. The browser stands on the outcome's page then.
 */
export async function consent(browser, link, { as = '' } = {}) {
  await browser.open(link)
  await browser.press()
  await browser.press(as)
}

/** Consents, but stops before the callback is opened, as one who steals or forges it would. */
export async function interrupted(link) {
  const browser = new PlainBrowser()
  let callback
  browser.onRedirect = (url) => {
    if (!url.pathname.startsWith('/callback/')) return url
    callback = url
    throw new Error('interrupted')
  }
  await consent(browser, link, { as: 'Agree' }).catch((error) => {
    if (!callback) throw error
  })
  browser.onRedirect = (url) => url
  return { browser, url: callback }
}
