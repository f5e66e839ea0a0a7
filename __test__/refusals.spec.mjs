/**
 * Bad input: each kind has a code of its own and a message that says what to do, and nothing was written.
 *
 * What a message may hold of paths is what the app gave itself; of secrets, nothing.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, open as openFile, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import test from 'ava'
import { Onbehalf, OnbehalfError } from 'onbehalf'

import { failure } from './door.mjs'
import { PlainBrowser, consent } from './support/browser.mjs'
import { account, openEnvironment } from './support/environment.mjs'
import { startKeyed } from './support/keyed.mjs'
import { startProvider } from './support/provider.mjs'
import { freePort } from './support/serve.mjs'

const key = Buffer.from('4d1f0a63b29c75e8c03bd6f2974e185ca97f2260de31b84b6ec59a07f1823d5c', 'hex').toString('base64')
const otherKey = Buffer.from(key, 'base64').reverse().toString('base64')
const connections = { app: { connector: 'gmail', clientId: 'an id', clientSecret: 'CANARY-secret' } }

/** Names that are refused, and how the message goes on. */
const names = [
  [{}, 'INVALID_ARGUMENT', /`connectionName` and `identifier` are required/],
  [{ connectionName: 'gmail' }, 'INVALID_ARGUMENT', /`identifier` is required/],
  [{ identifier: 'x' }, 'INVALID_ARGUMENT', /`connectionName` is required/],
  [{ connectionName: '', identifier: 'x' }, 'INVALID_ARGUMENT', /`connectionName` is required/],
  [{ connectionName: 'gmail', identifier: '' }, 'INVALID_ARGUMENT', /`identifier` is required/],
  [{ connectionName: 'gmail', identifier: ' \t' }, 'INVALID_ARGUMENT', /`identifier` is required/],
  [{ connectionName: 'g'.repeat(65), identifier: 'x' }, 'INVALID_ARGUMENT', /at most 64 letters/],
  [{ connectionName: 'gm\u0000ail', identifier: 'x' }, 'INVALID_ARGUMENT', /at most 64 letters/],
  [{ connectionName: '../gmail', identifier: 'x' }, 'INVALID_ARGUMENT', /at most 64 letters/],
  [{ connectionName: 'gmаil', identifier: 'x' }, 'INVALID_ARGUMENT', /at most 64 letters/], // a Cyrillic а
  [{ connectionName: 'gmail', identifier: 'x'.repeat(201) }, 'INVALID_ARGUMENT', /at most 200 characters/],
  [{ connectionName: 'gmail', identifier: 'a\nb' }, 'INVALID_ARGUMENT', /must not contain control characters/],
  [{ connectionName: 'gmail', identifier: 'a\u0000' }, 'INVALID_ARGUMENT', /must not contain control characters/],
  [{ connectionName: 'gmail', identifier: 'a\u0085b' }, 'INVALID_ARGUMENT', /must not contain control characters/],
  [{ connectionName: 5, identifier: 'x' }, 'INVALID_ARGUMENT', /`connectionName` must be a string/],
  [{ connectionName: 'gmail', identifier: ['x'] }, 'INVALID_ARGUMENT', /`identifier` must be a string/],
  [{ connectionName: 'gmail', identifier: 'x', scope: 'a' }, 'UNKNOWN_OPTION', /did you mean `scopes`/],
  [{ connectionName: 'gmial', identifier: 'x' }, 'CONNECTION_NOT_FOUND', /did you mean `gmail`/],
  [{ connectionName: 'nothing-like-it', identifier: 'x' }, 'CONNECTION_NOT_FOUND', /`connections\.create`/],
  [{ connectionName: 'hubspot', identifier: 'x' }, 'CONNECTION_NOT_CONFIGURED', /ONBEHALF_HUBSPOT_CLIENT_ID/],
  [{ ...account, scopes: 'a' }, 'INVALID_ARGUMENT', /`scopes` must be an array/],
  [{ ...account, state: 'x'.repeat(513) }, 'INVALID_ARGUMENT', /`state` must be at most 512 characters/],
  [{ ...account, state: 'a\r\nb' }, 'INVALID_ARGUMENT', /none of them a control character/],
  [{ ...account, userVerifyUrl: 'https://evil.test' }, 'VERIFY_URL_NOT_ALLOWED', /`userVerifyUrls`/],
  [{ ...account, organizationId: 'x'.repeat(129) }, 'INVALID_ARGUMENT', /`organizationId` must be 1 to 128/],
]

test('a link is refused by name to whatever is not a person on a connection, and leaves nothing behind', async (t) => {
  const folder = await temporary(t)
  const { actions, audit } = instance(t, { store: join(folder, 'store.db'), connections })
  await actions.getOrCreateConnectedAccount({ ...account, identifier: 'before' })
  const before = await actions.listConnectedAccounts()
  // Records get their places in the chain a little later, or now.
  await audit.verify()
  const bytes = await contents(folder)
  for (const [options, code, message] of names)
    await refused(t, () => actions.getAuthorizationLink(options), { code, message })
  t.deepEqual(await contents(folder), bytes)
  t.deepEqual(await actions.listConnectedAccounts(), before)
})

// `a b` would be shown as one permission, and asked for as two.
test('a scope of a link that is no scope is refused (RFC 6749, 3.3)', async (t) => {
  const { actions } = instance(t, { store: ':memory:', connections })
  for (const scope of ['a b', '', 'a"b', 'a\\b', 'a\u0000b', 'é']) {
    const call = () => actions.getAuthorizationLink({ ...account, scopes: [scope] })
    await refused(t, call, {
      code: 'INVALID_ARGUMENT',
      message: /`scopes` must be at most 100, each of up to 512 visible ASCII/,
    })
  }
})

/** Credentials that are refused before anybody is asked about them, and how the message goes on. */
const staticAuth = (details) => ({ staticAuth: { details } })
const oauthToken = (more) => ({ oauthToken: { accessToken: 'CANARY', ...more } })
const credentials = [
  ['keys', {}, 'INVALID_ARGUMENT', /must have either `oauthToken` or `staticAuth`/],
  ['keys', { ...staticAuth({}), ...oauthToken() }, 'INVALID_ARGUMENT', /must have either/],
  ['keys', { static_auth: {} }, 'UNKNOWN_OPTION', /did you mean `staticAuth`/],
  ['keys', oauthToken(), 'INVALID_ARGUMENT', /`oauthToken` is not what connection `keys` takes: bring `api_key`/],
  ['keys', staticAuth({}), 'INVALID_ARGUMENT', /`api_key` is required/],
  ['keys', staticAuth({ api_key: '' }), 'INVALID_ARGUMENT', /`api_key` is required/],
  ['keys', staticAuth({ api_key: ' \t ' }), 'INVALID_ARGUMENT', /`api_key` is required/],
  ['keys', staticAuth({ api_key: 5 }), 'INVALID_ARGUMENT', /api_key` must be a string/],
  ['keys', staticAuth({ api_key: 'CANARY'.repeat(2000) }), 'INVALID_ARGUMENT', /`api_key` must be at most 8192 bytes/],
  ['keys', staticAuth({ api_key: 'CANARY\nb' }), 'INVALID_ARGUMENT', /must be one line without control characters/],
  ['keys', staticAuth({ api_key: 'CANARY\u0000' }), 'INVALID_ARGUMENT', /must be one line without control characters/],
  ['keys', staticAuth({ api_key: 'CANARY\u200b' }), 'INVALID_ARGUMENT', /must be without zero-width/],
  ['keys', staticAuth({ api_key: 'CANARY\ud800' }), 'INVALID_ARGUMENT', /must be well-formed Unicode/],
  ['keys', staticAuth({ api_key: 'CАNARY' }), 'INVALID_ARGUMENT', /must be visible ASCII/], // a Cyrillic А
  ['keys', staticAuth({ api_key: 'CANARY', region: 'mars' }), 'INVALID_ARGUMENT', /must be one of `eu`, `us`/],
  ['keys', staticAuth({ api_kye: 'CANARY' }), 'UNKNOWN_OPTION', /did you mean `api_key`/],
  [
    'tokens',
    staticAuth({ api_key: 'CANARY' }),
    'INVALID_ARGUMENT',
    /`staticAuth` is not what connection `tokens` takes/,
  ],
  ['tokens', { oauthToken: {} }, 'INVALID_ARGUMENT', /accessToken` is required/],
  ['tokens', oauthToken({ accessToken: '' }), 'INVALID_ARGUMENT', /`accessToken` must be 1 to 65536 visible ASCII/],
  ['tokens', oauthToken({ accessToken: 'CANARY b' }), 'INVALID_ARGUMENT', /`accessToken` must be/],
  ['tokens', oauthToken({ accessToken: 'CANARY\r\nx: y' }), 'INVALID_ARGUMENT', /`accessToken` must be/],
  ['tokens', oauthToken({ accessToken: 'CANARY\ud800' }), 'INVALID_ARGUMENT', /must be well-formed Unicode/],
  ['tokens', oauthToken({ refreshToken: 'ключ' }), 'INVALID_ARGUMENT', /`refreshToken` must be/],
  ['tokens', oauthToken({ scopes: ['a b'] }), 'INVALID_ARGUMENT', /`scopes` must be/],
  ['tokens', oauthToken({ expiresAt: 1 }), 'INVALID_ARGUMENT', /expiresAt` must be a Date/],
  ['tokens', oauthToken({ expiresAt: '2030-01-01' }), 'INVALID_ARGUMENT', /expiresAt` must be a Date/],
  ['tokens', oauthToken({ expiresAt: new Date(NaN) }), 'INVALID_ARGUMENT', /expiresAt` must be a valid Date/],
  ['tokens', oauthToken({ expiresAt: new Date(0) }), 'INVALID_ARGUMENT', /`expiresAt` is over, and there is no/],
]

test('a credential that cannot be meant is refused by name, and nobody is asked about it', async (t) => {
  const provider = await startKeyed(t)
  const { actions } = instance(t, { store: ':memory:', ...provider.options })
  for (const [connectionName, authorizationDetails, code, message] of credentials)
    for (const method of ['createConnectedAccount', 'getOrCreateConnectedAccount']) {
      const call = () => actions[method]({ connectionName, identifier: 'x', authorizationDetails })
      await refused(t, call, { code, message })
    }
  t.deepEqual(provider.requests, [])
  t.deepEqual((await actions.listConnectedAccounts()).connectedAccounts, [])
  // Script is a key like any other: the provider says that it is none of its own.
  const script = { connectionName: 'keys', identifier: 'x', authorizationDetails: staticAuth({ api_key: '<script>' }) }
  await refused(t, () => actions.createConnectedAccount(script), {
    code: 'CREDENTIAL_REFUSED',
    message: /does not accept/,
  })
})

/** Paths that lead, or could lead, away from the connector's API (A41, A42, A43). */
const paths = [
  ['', 'https://evil.test/', 'HTTPS://evil.test', '//evil.test', '///evil.test', '\\\\evil.test', '/\\evil.test'],
  ['\\/evil.test', '/\t/evil.test', '\thttps://evil.test', 'ht\ntps://evil.test', ' //evil.test', '/ /evil.test'],
  ['@evil.test', ':80@evil.test', '.evil.test', '?x', '#x', 'users/me', 'javascript:alert(1)', '//user@evil.test/'],
  ['/..', '/../x', '/a/../../x', '/./x', '/%2e%2e/x', '/%2E%2e/x', '/.%2e/x', '/a/%2e', '/..;/x', '/..%2fx', '/..%5cx'],
  ['/%252e%252e/x', '/a\u0000b', '/a%00b', '/a%0d%0ax: y', '/a\r\nx: y', '/a b', '/a#b', '/100%', '/%zz'],
].flat()

test('a hostile path is refused, and nothing is sent', async (t) => {
  const { actions, provider } = await connected(t)
  for (const path of paths) {
    const error = await failure(() => actions.request({ ...account, path }))
    t.is(error.code, 'TARGET_NOT_ALLOWED', JSON.stringify(path))
    t.regex(error.message, /^the request was not sent: .*`path`/)
    t.false(error.message.includes('evil'))
  }
  t.deepEqual(provider.apiRequests, [])
  t.is(provider.tokenRequests.length, 1)
})

test('a hostile path does not even refresh a token', async (t) => {
  const { actions, provider } = await connected(t, { expiresIn: 1 })
  t.is((await failure(() => actions.request({ ...account, path: '//evil.test' }))).code, 'TARGET_NOT_ALLOWED')
  t.is(provider.tokenRequests.length, 1)
})

/** Settings that open nothing, with the code and how the message goes on. */
const settings = [
  ['a port that is no port', { port: 65_536 }, 'INVALID_ARGUMENT', /`port` must be a whole number from 0 to 65535/],
  ['plain http in public', { publicUrl: 'http://example.com' }, 'INVALID_ARGUMENT', /`publicUrl` must be an https URL/],
  ['no decision on users', { publicUrl: 'https://example.com' }, 'USER_VERIFICATION_UNDECIDED', /`userVerification`/],
  ['no verify URL', { userVerification: 'app' }, 'INVALID_ARGUMENT', /`userVerifyUrls` is required/],
  ['a verify URL of plain http', { userVerifyUrls: ['http://example.com'] }, 'INVALID_ARGUMENT', /must be https URLs/],
  ['another kind of store', { store: 'mysql://me:CANARY@db/x' }, 'NOT_SUPPORTED', /a store other than a file/],
  [
    'a database without a key',
    { store: 'postgres://me:CANARY@db/x', key: undefined },
    'INVALID_ARGUMENT',
    /`key` is required with/,
  ],
  ['half an address', { store: 'postgres://me:CANARY@db', key }, 'INVALID_ARGUMENT', /`store` must name the database/],
  ['TLS or not', { store: 'postgres://me:CANARY@db/x?sslmode=prefer', key }, 'INVALID_ARGUMENT', /an `sslmode` of/],
  ['a journal of a file', { journal: 'x' }, 'INVALID_ARGUMENT', /`journal` is for a PostgreSQL `store`/],
  ['a proxy that is no URL', { proxy: 'CANARY' }, 'INVALID_ARGUMENT', /`proxy` must be an absolute URL/],
]

for (const [what, options, code, message] of settings)
  test(`${what} is refused before a store is made`, async (t) => {
    const folder = await temporary(t)
    await refused(t, () => ask(t, { store: join(folder, 'below', 'store.db'), ...options }), { code, message })
    t.deepEqual(await contents(folder), {})
  })

/** Keys that are none. */
const keys = [
  ['a key that is no base64', { key: '!'.repeat(43) }, /`key` .*not base64; make one with `openssl rand -base64 32`/],
  ['a key that is too short', { key: 'c2hvcnQ=' }, /`key` .*not 32 bytes in base64/],
  ['an empty key', { key: ' ' }, /`key` .*is empty/],
  ['a key of one byte', { key: Buffer.alloc(32, 7).toString('base64') }, /not random/],
  ['a key that was counted', { key: Buffer.from([...Array(32).keys()]).toString('base64') }, /not random/],
  ['a key that was typed', { key: Buffer.from('correct horse battery staple, ok').toString('base64') }, /not random/], // prettier-ignore
]

for (const [what, options, message] of keys)
  test(`${what} is refused, for a store that is there as for a new one`, async (t) => {
    const folder = await temporary(t)
    const store = join(folder, 'store.db')
    await used(store)
    const before = await contents(folder)
    for (const path of [store, join(await temporary(t), 'store.db')])
      await refused(t, () => ask(t, { store: path, ...options }), { code: 'KEY_INVALID', message })
    t.deepEqual(await contents(folder), before)
  })

const connector = `
name     = "Mine"
docs     = "https://example.com/docs"
base_url = "https://api.example.com"

[auth.oauth2]
authorize_url = "https://example.com/authorize"
token_url     = "https://example.com/token"
`.trimStart()

/** What is wrong with a connector file, and where the message says that it is. */
const files = [
  ['is no TOML', (text) => `${text}scopes = [`, /mine\.toml:8/],
  ['has a key that does not exist', (text) => `${text}scope = ["a"]\n`, /mine\.toml:8.*`scopes`/],
  ['says a thing twice', (text) => `${text}token_url = "https://example.com/x"\n`, /mine\.toml:8/],
  ['has a value of the wrong type', (text) => `${text}scopes = "a"\n`, /mine\.toml:8/],
  [
    'uses plain http',
    (text) => text.replace('https://example.com/token', 'http://example.com/token'),
    /mine\.toml:7.*https/,
  ],
  ['lacks a URL', (text) => text.replace(/token_url.*\n/, ''), /mine\.toml:5.*`token_url` is missing/],
  ['has no auth method', (text) => text.replace(/\[auth[^]*/, ''), /mine\.toml.*`auth`/],
  [
    'has a host from outside',
    (text) => text.replace('https://example.com/token', 'https://{host}/token'),
    /mine\.toml:7/,
  ],
]

for (const [what, spoil, message] of files)
  test(`a connector file that ${what} is refused with its line`, async (t) => {
    const folder = await temporary(t)
    const store = join(folder, 'store.db')
    await used(store)
    const before = await contents(folder)
    const connectors = { mine: spoil(connector) }
    await refused(t, () => ask(t, { store, connectors }), { code: 'CONNECTOR_INVALID', message })
    t.deepEqual(await contents(folder), before)
  })

for (const [what, options] of [
  ['key', keys[0][1]],
  ['connector file', { connectors: { mine: files[0][1](connector) } }],
])
  test(`a ${what} that is refused leaves no store behind`, async (t) => {
    const folder = await temporary(t)
    await failure(() => ask(t, { store: join(folder, 'below', 'store.db'), ...options }))
    t.deepEqual(await contents(folder), {})
  })

if (process.platform !== 'win32') {
  for (const mode of [0o640, 0o604, 0o660, 0o620])
    test(`a key file of mode ${mode.toString(8)} is refused`, async (t) => {
      const folder = await temporary(t)
      const keyFile = join(folder, 'the.key')
      await writeFile(keyFile, key)
      await chmod(keyFile, mode)
      await refused(t, () => ask(t, { store: join(folder, 'store.db'), keyFile }), {
        code: 'KEY_INVALID',
        message: new RegExp(`others may read or write it \\(mode ${mode.toString(8)}\\); run \`chmod 600\` on it`),
      })
      t.is(await readFile(keyFile, 'utf8'), key)
    })

  test('a key file that is a link, and a store that is one, are refused', async (t) => {
    const folder = await temporary(t)
    await writeFile(join(folder, 'target'), key, { mode: 0o600 })
    await symlink(join(folder, 'target'), join(folder, 'link'))
    const [linked, store] = [join(folder, 'link'), join(folder, 'store.db')]
    await refused(t, () => ask(t, { store, keyFile: linked }), { code: 'KEY_INVALID', message: /symbolic link/ })
    const message = /`store` must be the path of a file, not of a link/
    await refused(t, () => ask(t, { store: linked }), { code: 'INVALID_ARGUMENT', message })
    t.is(await readFile(join(folder, 'target'), 'utf8'), key)
  })
}

test('a key file that is not there is refused: a new store asks for a key, one with people in it for its own', async (t) => {
  const folder = await temporary(t)
  const [store, keyFile] = [join(folder, 'store.db'), join(folder, 'none')]
  const made = { code: 'KEY_INVALID', message: /no such file; make one with `openssl rand -base64 32`/ }
  await refused(t, () => ask(t, { store: join(folder, 'new.db'), keyFile }), made)

  await used(store)
  const before = await contents(folder)
  const gone = { code: 'KEY_MISSING', message: /looked in `keyFile` \(.*put the key file back/ }
  await refused(t, () => ask(t, { store, keyFile }), gone)
  t.deepEqual(await contents(folder), before)
})

test('a store whose own key is gone is not opened, and no key is made in its place', async (t) => {
  const folder = await temporary(t)
  const store = join(folder, 'store.db')
  const config = join(folder, 'config')
  const made = await child(t, { store }, { XDG_CONFIG_HOME: config, APPDATA: config })
  t.is(made.said, 'opened', made.printed())
  await made.end()
  const keys = join(config, 'onbehalf', 'keys')
  const [name] = (await readdir(keys)).filter((name) => name.endsWith('.key'))
  await rm(join(keys, name))

  const before = await contents(folder)
  const refusal = await child(t, { store }, { XDG_CONFIG_HOME: config, APPDATA: config })
  t.regex(refusal.said, /^KEY_MISSING .*put the key file back/)
  t.true(refusal.said.includes(name))
  await refusal.end()
  t.deepEqual(await contents(folder), before)
})

test('a store is not opened with another key, and opens with its own after', async (t) => {
  const folder = await temporary(t)
  const store = join(folder, 'store.db')
  await used(store)
  const before = await contents(folder)
  const wrong = [
    [{ key: otherKey }, /^the key from `key` is not the one this store was sealed with/],
    [{ keyFile: await keyFile(t, otherKey) }, /^the key from `keyFile` \(/],
  ]
  for (const [options, message] of wrong)
    await refused(t, () => ask(t, { store, ...options }), { code: 'KEY_MISMATCH', message })
  t.deepEqual(await contents(folder), before)

  await t.notThrowsAsync(() => ask(t, { store, key: `${key}\n` }))
})

test('a port that is taken is named, and nothing is lost', async (t) => {
  const port = await freePort()
  const taken = createServer().listen(port, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => taken.close())
  const onbehalf = instance(t, { store: ':memory:', port, connections })
  const message = /set `port` \(ONBEHALF_PORT\) to another/
  await refused(t, () => onbehalf.listen(), { code: 'PORT_IN_USE', message, details: { port: `${port}` } })
  await refused(t, () => onbehalf.actions.getAuthorizationLink(account), { code: 'PORT_IN_USE', message })

  taken.close()
  await once(taken, 'close')
  t.regex((await onbehalf.actions.getAuthorizationLink(account)).link, new RegExp(`:${port}/connect/`))
})

/** What may lie where the store should be. Each gets the path and a store that was used. */
const databases = {
  'a file that is no database': ['STORE_CORRUPT', (path) => writeFile(path, 'CANARY: my only copy')],
  'a database of another program': ['STORE_CORRUPT', (path) => patch(path, 68, [0, 0, 0, 0])],
  'a database without its end': ['STORE_CORRUPT', (path) => truncate(path, 60)],
  'a database whose pages were overwritten': ['STORE_CORRUPT', (path) => patch(path, 100, Buffer.alloc(4000, 0xaa))],
  'a database of a newer version': ['STORE_TOO_NEW', (path) => patch(path, 60, [0, 0, 3, 231])],
}

for (const [what, [code, spoil]] of Object.entries(databases))
  test(`${what} is refused and left as it is`, async (t) => {
    const folder = await temporary(t)
    const store = join(folder, 'store.db')
    await used(store)
    await spoil(store)
    const before = await contents(folder)
    await refused(t, () => ask(t, { store, key }), {
      code,
      message: code === 'STORE_TOO_NEW' ? /schema 999.*update onbehalf/ : /restore a backup, or move it away/,
    })
    t.deepEqual(await contents(folder), before)
  })

// Root may write whatever its mode says.
const asUser = process.platform !== 'win32' && process.getuid() !== 0 ? test : test.skip
asUser('a store that cannot be written is refused and left as it is', async (t) => {
  const folder = await temporary(t)
  const store = join(folder, 'store.db')
  await used(store)
  await chmod(store, 0o400)
  const before = await contents(folder)
  await refused(t, () => ask(t, { store, key }), { code: 'STORE_READ_ONLY', message: /mend its permissions/ })
  t.deepEqual(await contents(folder), before)
})

if (process.platform === 'linux')
  test('a place where no file can be made is refused, even to root', async (t) => {
    const details = { path: '/sys/onbehalf.db.lock' }
    const message = /cannot be written; nothing was changed; mend its permissions/
    await refused(t, () => ask(t, { store: '/sys/onbehalf.db', key }), { code: 'STORE_READ_ONLY', message, details })
  })

test('a folder in the place of the store is refused', async (t) => {
  const folder = await temporary(t)
  await mkdir(join(folder, 'store.db'))
  const message = /`store` must be the path of a file/
  await refused(t, () => ask(t, { store: join(folder, 'store.db'), key }), { code: 'INVALID_ARGUMENT', message })
})

/** That `call` is refused so, by an error of ours that tells neither a secret nor where this person lives. */
async function refused(t, call, { code, message, details }) {
  const error = await failure(call)
  t.true(error instanceof OnbehalfError, error.stack)
  t.is(error.code, code, error.stack)
  t.regex(error.message, message)
  if (details) t.like(error.details, details)
  const told = error.message + JSON.stringify(error.details)
  t.false(told.includes('CANARY'), told)
  t.false(told.includes(homedir()), told)
  for (const secret of [key, otherKey]) t.false(told.includes(secret.slice(0, 12)), told)
}

function instance(t, options) {
  const onbehalf = new Onbehalf({ port: 0, key: options.keyFile || options.key ? undefined : key, ...options })
  t.teardown(() => onbehalf.close())
  return onbehalf
}

/** Opens an environment, and closes it again. */
async function ask(t, options) {
  const onbehalf = instance(t, options)
  await onbehalf.actions.listConnections()
  await onbehalf.close()
}

/** An environment with an account that is authorized at a strict provider. */
async function connected(t, provider) {
  const environment = await openEnvironment(t, (options) => startProvider({ ...options, ...provider }), {
    scopes: ['openid', 'email', 'offline_access'],
  })
  await consent(new PlainBrowser(), await environment.link(), { as: 'Agree' })
  t.is(await environment.status(), 'ACTIVE')
  // What asked whose account it is.
  environment.provider.apiRequests.length = 0
  return environment
}

/** A store with something in it, closed. */
async function used(store) {
  const onbehalf = new Onbehalf({ store, port: 0, key, connections })
  await onbehalf.actions.getOrCreateConnectedAccount(account)
  await onbehalf.close()
}

async function temporary(t) {
  const folder = await mkdtemp(join(tmpdir(), 'onbehalf-refusals-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

async function keyFile(t, text) {
  const path = join(await temporary(t), 'the.key')
  await writeFile(path, text, { mode: 0o600 })
  return path
}

/**
 * Every file of a folder, with a hash of its bytes. The lock is left out: it says who last had the store. So is SQLite's index of
 * its log, which is memory that processes share.
 */
async function contents(folder) {
  const found = {}
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath ?? entry.path, entry.name)
    if (!entry.isFile() || /\.(lock|db-shm)$/.test(path)) continue
    // An empty journal goes to whoever opens the store next, under a new name.
    found[path.slice(folder.length + 1).replace(/\.journal-.*/, '.journal')] = createHash('sha256')
      .update(await readFile(path))
      .digest('base64')
  }
  return found
}

/** Writes `bytes` into a file at `position`. */
async function patch(path, position, bytes) {
  const file = await openFile(path, 'r+')
  await file.write(Uint8Array.from(bytes), 0, bytes.length, position)
  await file.close()
}

async function truncate(path, length) {
  const file = await openFile(path, 'r+')
  await file.truncate(length)
  await file.close()
}

/**
 * Another process that opens an environment, says so or what it was refused with, and keeps it until its input ends.
 */
async function child(t, options, env) {
  const source = `
    import { Onbehalf } from 'onbehalf'
    const onbehalf = new Onbehalf({ port: 0, ...${JSON.stringify(options)} })
    await onbehalf.actions.listConnections().then(
      () => console.log('opened'),
      ({ code, message }) => console.log(code, message),
    )
    for await (const _ of process.stdin);
    await onbehalf.close()
  `
  const process_ = spawn(process.execPath, ['--input-type=module', '--eval', source], {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    env: { ...process.env, ...env },
  })
  let printed = ''
  for (const stream of [process_.stdout, process_.stderr]) stream.on('data', (chunk) => (printed += chunk))
  const over = once(process_, 'close')
  const end = async () => {
    process_.stdin.end()
    await over
  }
  t.teardown(end)
  while (!printed.includes('\n') && process_.exitCode === null)
    await Promise.race([once(process_.stdout, 'data'), over])
  return { pid: process_.pid, said: printed.trim(), printed: () => printed, end }
}
