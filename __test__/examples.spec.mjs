/** Each example as a reader runs it: in a folder of its own, with the packages that it names. */
import { spawn } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

import test from 'ava'

import { PlainBrowser } from './support/plain-browser.mjs'
import { startProvider } from './support/provider.mjs'
import { freePort } from './support/serve.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const support = (file) => join(root, '__test__', 'support', file)

const examples = {
  express: { program: 'server.mjs', packages: ['express'] },
  fastify: { program: 'server.mjs', packages: ['fastify'] },
  hono: { program: 'server.mjs', packages: ['hono', '@hono/node-server'] },
  next: { program: support('next.mjs'), packages: [] },
}

const atEnd = []
test.after.always(async () => {
  for (const undo of atEnd.reverse()) await undo()
})

for (const name of Object.keys(examples)) {
  let running
  test.before(async () => (running = await start(name)))

  test(`${name}: a person connects Gmail, and the app says who they are`, async (t) => {
    const { page, provider } = running
    const browser = new PlainBrowser()
    await browser.open(page)
    t.regex(await browser.text(), /Gmail is PENDING_AUTH/)
    await browser.press('Connect Gmail')
    t.regex(browser.url, /\/onbehalf\/connect\//)
    await browser.press()
    t.is(provider.tokenRequests.length, 0)
    // Whom the URL names is nobody's business (A12).
    browser.onRedirect = (url) => (url.pathname === '/verify' && url.searchParams.set('identifier', 'victim'), url)
    await browser.press('Agree')

    t.regex(await browser.text(), /Gmail\W+is connected/)
    t.is(provider.tokenRequests.length, 1)
    await browser.open(page)
    t.regex(await browser.text(), /Gmail is ACTIVE/)
  })

  test(`${name}: who verifies what nobody began is refused`, async (t) => {
    const { origin } = running
    const answer = await fetch(`${origin}/verify?auth_request_id=${'x'.repeat(43)}`)
    t.is(answer.status, 403)
    t.is(await answer.text(), 'Nothing was connected: FLOW_NOT_FOUND.')
  })

  test(`${name}: a form is read, unless it is too long`, async (t) => {
    const { origin } = running
    const post = (form) =>
      fetch(`${origin}/onbehalf/callback/gmail`, {
        method: 'POST',
        body: new URLSearchParams(form),
        redirect: 'manual',
      })
    const answer = await post({ code: 'a code', state: 'a state' })
    t.is(answer.status, 303)
    t.is(answer.headers.get('location'), './gmail?code=a+code&state=a+state')

    t.is((await post({ code: 'x'.repeat(100_000) })).status, 413)
    t.is((await post({ code: 'a code' })).status, 303)
  })

  test(`${name}: below its path onbehalf answers what is unknown, elsewhere the app`, async (t) => {
    const { origin } = running
    const policyOf = async (path) => {
      const { status, headers } = await fetch(origin + path)
      t.is(status, 404)
      return headers.get('content-security-policy') ?? ''
    }
    t.regex(await policyOf('/onbehalf/nothing'), /form-action/)
    t.notRegex(await policyOf('/nothing'), /form-action/)
  })
}

/** Starts an example against the strict provider, and answers where it is once it serves. */
async function start(name) {
  const { program, packages } = examples[name]
  const port = await freePort()
  const origin = `http://localhost:${port}`
  const provider = await startProvider({ redirectUris: [`${origin}/onbehalf/callback/gmail`] })
  atEnd.push(provider.close)

  const { clientId, clientSecret, endpoints } = provider
  const connection = { clientId, clientSecret, endpoints, scopes: ['openid', 'email', 'offline_access'] }
  const child = spawn(process.execPath, ['--import', pathToFileURL(support('at-provider.mjs')).href, program], {
    cwd: copy(name, ['.', ...packages]),
    env: { ...process.env, PORT: port, ORIGIN: origin, ONBEHALF_TEST_CONNECTION: JSON.stringify(connection) },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  atEnd.push(() => child.kill())
  for await (const line of createInterface(child.stdout)) {
    const [, page] = /^Open (.*)/.exec(line) ?? []
    if (page) return { origin, page, provider }
  }
  throw new Error(`${name} did not begin to serve`)
}

/** The reader's own copy, with this onbehalf and `packages` installed. */
function copy(name, packages) {
  const folder = mkdtempSync(join(tmpdir(), `onbehalf-${name}-`))
  atEnd.push(() => rmSync(folder, { recursive: true, force: true }))
  cpSync(join(root, 'examples', name), folder, { recursive: true })
  for (const package_ of packages) {
    const source = package_ === '.' ? root : join(root, 'node_modules', package_)
    const target = join(folder, 'node_modules', package_ === '.' ? 'onbehalf' : package_)
    mkdirSync(dirname(target), { recursive: true })
    if (!existsSync(target)) symlinkSync(source, target, 'junction')
  }
  return folder
}
