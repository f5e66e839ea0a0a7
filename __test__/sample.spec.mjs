/** The README's sample, run to the letter, with nothing configured but what the README says. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import test from 'ava'

import { PlainBrowser } from './support/browser.mjs'
import { freePort } from './support/serve.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))

test('the sample prints a link that leads to Google with all that Google asks for', async (t) => {
  const { child, port, printed } = await sample(t, {
    ONBEHALF_GMAIL_CLIENT_ID: 'an-app.apps.googleusercontent.com',
    ONBEHALF_GMAIL_CLIENT_SECRET: 'a secret',
  })
  while (!/http\S+/.test(printed()) && child.exitCode === null)
    await Promise.race([once(child.stdout, 'data'), once(child, 'close')])
  const link = /http\S+/.exec(printed())?.[0]
  t.true(link?.startsWith(`http://localhost:${port}/connect/`), printed())

  const { origin, pathname, searchParams } = await destination(t, link)
  t.is(origin + pathname, 'https://accounts.google.com/o/oauth2/v2/auth')
  const { state, code_challenge: challenge, ...query } = Object.fromEntries(searchParams)
  t.regex(state, /^[\w-]{43,}$/)
  t.regex(challenge, /^[\w-]{43}$/)
  t.like(query, {
    client_id: 'an-app.apps.googleusercontent.com',
    redirect_uri: `http://localhost:${port}/callback/gmail`,
    response_type: 'code',
    code_challenge_method: 'S256',
    access_type: 'offline',
  })
  t.true(query.scope.includes('https://www.googleapis.com/auth/gmail.'))
})

test('without an app at Google, the sample says what to register and where to put it', async (t) => {
  const { child, port, printed } = await sample(t, {})
  const [code] = await once(child, 'close')
  t.not(code, 0)
  for (const needed of [
    'CONNECTION_NOT_CONFIGURED',
    `http://localhost:${port}/callback/gmail`,
    'ONBEHALF_GMAIL_CLIENT_ID',
    'ONBEHALF_GMAIL_CLIENT_SECRET',
    'https://developers.google.com/',
  ])
    t.true(printed().includes(needed), printed())
})

/** Starts the sample as a program of its own. The compiled sample is JavaScript too. */
async function sample(t, env) {
  const folder = await mkdtemp(join(tmpdir(), 'onbehalf-sample-'))
  const port = await freePort()
  const source = await readFile(join(root, '__test__/types/sample.mts'), 'utf8')
  const inherited = Object.entries(process.env).filter(([name]) => !/^(ONBEHALF|SCALEKIT)_/.test(name))
  const child = spawn(process.execPath, ['--input-type=module', '--eval', source], {
    // There the package finds itself by its own name.
    cwd: root,
    env: {
      ...Object.fromEntries(inherited),
      ONBEHALF_STORE: join(folder, 'store.db'),
      ONBEHALF_PORT: String(port),
      ...env,
    },
  })
  t.teardown(async () => {
    if (child.exitCode === null && child.kill()) await once(child, 'close')
    await rm(folder, { recursive: true, force: true })
  })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (text += chunk))
  return { child, port, printed: () => text }
}

/** Where the button of a link's page leads; it is not followed out of this machine. */
async function destination(t, link) {
  const browser = new PlainBrowser()
  let leads
  browser.onRedirect = (url) => {
    leads = url
    throw new Error('far enough')
  }
  await browser.open(link)
  await t.throwsAsync(browser.press(), { message: 'far enough' })
  return leads
}
