/** Whose answer it is (RFC 9207), and whose code: what keeps one provider's from being taken for another's (A24, A27). */
import test from 'ava'

import { PlainBrowser, consent, interrupted } from './support/browser.mjs'
import { account, openEnvironment } from './support/environment.mjs'
import { startProvider } from './support/provider.mjs'

/** A connector of one's own that knows its issuer, and a catalogue's one that does not. */
const connectors = {
  'a connector that names its issuer': ({ origin, endpoints }) => ({
    connection: { connector: 'strict' },
    connectors: {
      strict: `
        name     = "Strict"
        docs     = "https://example.com/docs"
        base_url = "${origin}"

        [auth.oauth2]
        issuer        = "${origin}"
        authorize_url = "${endpoints.authorizeUrl}"
        token_url     = "${endpoints.tokenUrl}"
        scopes        = ["openid", "email", "offline_access"]

        [probe]
        url = "/me"
        id  = "id"
      `,
    },
  }),
  'a connector that names no issuer': () => ({ scopes: ['openid', 'email', 'offline_access'] }),
}

/** What happens to `iss` on the way, and whether each connector lets it pass. */
const answers = [
  ['as it was sent', () => {}, true, true],
  ['missing', (query) => query.delete('iss'), false, true],
  // A parameter without a value counts as left out (RFC 6749, 3.1).
  ['empty', (query) => query.set('iss', ''), false, true],
  ['of another provider', (query) => query.set('iss', 'https://evil.test'), false, false],
  ['sent twice', (query, iss) => query.append('iss', iss), false, false],
  [
    'of another port',
    (query, iss) =>
      query.set(
        'iss',
        iss.replace(/\d+$/, (port) => port - 1),
      ),
    false,
    false,
  ],
  ['of a host that begins like its own', (query, iss) => query.set('iss', `${iss}.evil.test`), false, false],
  // Of the same provider still, which is all that can be asked where its issuer is not known.
  ['with a slash at its end', (query, iss) => query.set('iss', `${iss}/`), false, true],
  ['in capitals', (query, iss) => query.set('iss', iss.toUpperCase()), false, true],
  ['with a query', (query, iss) => query.set('iss', `${iss}?`), false, false],
]

for (const [index, [connector, optionsFor]] of Object.entries(connectors).entries())
  for (const [what, tamper, ...passes] of answers)
    test(`with ${connector}, an answer whose \`iss\` is ${what} is ${passes[index] ? 'taken' : 'refused'}`, async (t) => {
      const { link, provider, status } = await openEnvironment(t, startProvider, optionsFor)
      const browser = meddled((query) => tamper(query, provider.origin))
      await consent(browser, await link(), { as: 'Agree' })

      t.is(await status(), passes[index] ? 'ACTIVE' : 'PENDING_AUTH')
      t.is(provider.tokenRequests.length, passes[index] ? 1 : 0)
      t.regex(await browser.text(), passes[index] ? /is connected/ : /could not be connected.*AUTHORIZATION_FAILED/)
    })

test('a refusal in another provider’s name is no refusal', async (t) => {
  const { link, status } = await openEnvironment(t, startProvider, connectors['a connector that names its issuer'])
  const browser = meddled((query) => query.set('iss', 'https://evil.test'))
  await consent(browser, await link(), { as: 'Refuse' })
  t.regex(await browser.text(), /could not be connected.*AUTHORIZATION_FAILED/)

  const honest = new PlainBrowser()
  await consent(honest, await link(), { as: 'Refuse' })
  t.regex(await honest.text(), /You said no/)
  t.is(await status(), 'PENDING_AUTH')
})

test('a code that was used connects nobody else, and costs its owner nothing that we hold', async (t) => {
  const { actions, link, provider, status } = await openEnvironment(t, startProvider, Object.values(connectors)[0])
  let used
  const browser = meddled((query) => (used = query.get('code')))
  await consent(browser, await link(), { as: 'Agree' })
  t.is(await status(), 'ACTIVE')

  t.is(await inject(used, { actions, link }), 'PENDING_AUTH')
  t.deepEqual(
    provider.tokenRequests.map(({ status }) => status),
    [200, 400],
  )
  t.is(await status(), 'ACTIVE')
})

test('a stolen code connects nobody else: it needs the verifier of its own flow (A27)', async (t) => {
  const { actions, link, provider, status } = await openEnvironment(t, startProvider, Object.values(connectors)[0])
  const victim = await interrupted(await link())

  t.is(await inject(victim.url.searchParams.get('code'), { actions, link }), 'PENDING_AUTH')
  t.deepEqual(
    provider.tokenRequests.map(({ status }) => status),
    [400],
  )
  t.is(await status(), 'PENDING_AUTH')
})

/** Brings somebody's `code` into a flow of the attacker's own; answers the status of the attacker's account. */
async function inject(code, { actions, link }) {
  const attacker = { ...account, identifier: 'attacker' }
  const { browser, url } = await interrupted(await link(attacker))
  url.searchParams.set('code', code)
  await browser.open(url)
  return (await actions.getConnectedAccountDetails(attacker)).connectedAccount.status
}

/** A browser on whose way to the callback somebody changes the query. */
function meddled(tamper) {
  const browser = new PlainBrowser()
  browser.onRedirect = (url) => {
    if (url.pathname.startsWith('/callback/')) tamper(url.searchParams)
    return url
  }
  return browser
}
