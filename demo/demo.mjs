/**
 * The main job, from a link to someone's mail, against a Google that is emulated on this machine.
 *
 * In a terminal it prints the link and waits for you to click. With `--auto`, or where nobody watches, it plays the
 * person itself: in headless Chromium where there is one, else over plain HTTP.
 */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { Onbehalf } from 'onbehalf'

import { consent, openBrowser } from '../__test__/support/browser.mjs'
import { ada, startGoogle } from '../__test__/support/google.mjs'
import { freePort } from '../__test__/support/serve.mjs'
import { Failed } from '../scripts/run.mjs'
import { blank, done, mail, note, show, title } from './screen.mjs'

const alone = process.argv.includes('--auto') || !process.stdin.isTTY || !process.stdout.isTTY
const account = { connectionName: 'gmail', identifier: 'user_123' }
const stop = new AbortController()
process.once('SIGINT', () => stop.abort())

/** What is undone at the end, the last first. */
// Whatever the shell says of another environment is not the demo's business.
for (const name of Object.keys(process.env)) if (/^(ONBEHALF|SCALEKIT)_/.test(name)) delete process.env[name]

const cleanUp = []

/** What the emulated Google sees of the authorization, in the order in which it happens. */
const steps = {
  'GET /o/oauth2/v2/auth': 'The link was opened, and led to Google.',
  'POST /o/oauth2/v2/auth/callback': 'An account was chosen at Google, which sent a code.',
  'POST /oauth2/token': 'The code is exchanged for tokens.',
  'GET /gmail/v1/users/me/profile': 'Google is asked whose mailbox it is.',
}

async function demonstrate() {
  title('onbehalf', `an agent reads ${ada.name}'s mail, with her consent`)

  const port = await freePort(7415)
  const redirectUris = [`http://localhost:${port}/callback/gmail`]
  const google = await startGoogle({ redirectUris, onRequest: narrate })
  cleanUp.push(google.close)
  show('Google', `emulated at ${google.origin}`)

  const folder = await mkdtemp(join(tmpdir(), 'onbehalf-demo-'))
  cleanUp.push(() => rm(folder, { recursive: true, force: true }))
  const { clientId, clientSecret, endpoints } = google
  const onbehalf = new Onbehalf({
    port,
    store: join(folder, 'store.db'),
    key: randomBytes(32).toString('base64'),
    connections: { gmail: { clientId, clientSecret, endpoints } },
  })
  cleanUp.push(() => onbehalf.close())
  const { actions } = onbehalf

  const { link } = await actions.getAuthorizationLink(account)
  const { connectedAccount } = await actions.getOrCreateConnectedAccount(account)
  show('Link', link)
  show('Status', connectedAccount.status)
  blank()

  const active = await authorized(actions, link)
  done(`The tokens are sealed in the store. The status is ${active.status}.`)
  blank()

  await readMail(actions)
  blank()
  note('The agent saw the mail, and no token.')
}

/** The person consents, and the account becomes active. */
async function authorized(actions, link) {
  const active = (timeoutMs) => actions.waitForConnectedAccount({ ...account, timeoutMs, signal: stop.signal })
  if (!alone) {
    note(`Open the link, as ${ada.name} would. Ctrl-C ends the demo.`)
    return (await active(10 * 60_000)).connectedAccount
  }

  const browser = await openBrowser()
  cleanUp.push(() => browser.close())
  note(`${ada.name} is played by ${browser.name}.`)
  const [{ connectedAccount }] = await Promise.all([active(30_000), consent(browser, link, { as: ada.email })])
  return connectedAccount
}

/** Says each step once. */
function narrate(method, path) {
  const request = `${method} ${path}`
  if (request in steps) done(steps[request])
  delete steps[request]
}

/** An agent's work: it asks for mail, and names whose. No credential is its business. */
async function readMail(actions) {
  const inbox = '/gmail/v1/users/me/messages'
  const { status, data } = await actions.request({ ...account, path: inbox })
  show(`GET ${inbox}`, status)
  for (const { id } of data.messages) {
    const message = await actions.request({ ...account, path: `${inbox}/${id}` })
    const header = (wanted) => message.data.payload.headers.find(({ name }) => name === wanted).value
    mail(header('Subject'), header('From').replace(/ <.*/, ''))
  }
}

/** What was foreseen is said in a sentence; a defect shows where it is. */
function sentence(error) {
  if (error instanceof Failed) return error.message
  return error.code ? `${error.code}: ${error.message}` : error.stack
}

try {
  await demonstrate()
} catch (error) {
  blank()
  note(stop.signal.aborted ? 'Stopped.' : sentence(error))
  process.exitCode = stop.signal.aborted ? 130 : 1
} finally {
  for (const undo of cleanUp.reverse()) await undo()
}
