/** That no secret is in what the package shows of itself, nor in the memory that JavaScript has (A61, A63, A64, A67). */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import { serialize } from 'node:v8'

import test from 'ava'
import * as exported from 'onbehalf'

import { failure } from './door.mjs'
import { PlainBrowser, consent } from './support/browser.mjs'
import { account, openEnvironment } from './support/environment.mjs'
import { Leaks } from './support/leaks.mjs'
import { startProvider } from './support/provider.mjs'
import { freePort } from './support/serve.mjs'

const scopes = ['openid', 'email', 'offline_access']
const agent = fileURLToPath(new URL('support/agent.mjs', import.meta.url))
const key = randomBytes(32).toString('base64')

/** All that can be seen of a value, by every way that prints or copies. */
function* views(value) {
  yield inspect(value, { depth: Infinity, showHidden: true, getters: true })
  yield JSON.stringify(value) ?? ''
  for (const copy of [structuredClone, serialize])
    try {
      yield inspect(copy(value), { depth: Infinity })
    } catch {
      // What cannot be copied shows nothing.
    }
}

test('nothing that the package hands out shows a secret', async (t) => {
  const { onbehalf, actions, link, provider } = await openEnvironment(t, startProvider, { scopes, key })
  await consent(new PlainBrowser(), await link(), { as: 'Agree' })
  const asked = await actions.getConnectedAccount(account)
  const { accessToken, refreshToken } = asked.connectedAccount.authorizationDetails.oauthToken

  const leaks = new Leaks([key, accessToken, refreshToken, provider.clientSecret])
  t.not(leaks.in(Buffer.from(inspect(asked, { depth: Infinity }))).length, 0, 'what was asked for is there')
  const shown = {
    ...exported,
    onbehalf,
    response: await actions.request({ ...account, path: '/me' }),
    account: await actions.getOrCreateConnectedAccount(account),
    connections: await actions.listConnections(),
    connection: await onbehalf.connections.get({ connectionName: 'app' }),
    connectors: await onbehalf.connectors.list(),
  }
  for (const [name, value] of Object.entries(shown))
    for (const view of views(value)) t.deepEqual(leaks.in(Buffer.from(view)), [], name)
})

test('no error shows a secret', async (t) => {
  const { actions, link, provider } = await openEnvironment(t, startProvider, { scopes, key })
  const { aroundToken } = provider
  const body = ({ accessToken, refreshToken }) =>
    JSON.stringify({ error: 'server_error', error_description: `${accessToken} ${refreshToken}` })

  await consent(new PlainBrowser(), await link(), { as: 'Agree' })
  const { authorizationDetails } = (await actions.getConnectedAccount(account)).connectedAccount
  const { accessToken, refreshToken } = authorizationDetails.oauthToken
  const leaks = new Leaks([key, accessToken, refreshToken, provider.clientSecret])

  provider.expireAccessTokens()
  const errors = []
  for (const status of [500, 503, 401, 200]) {
    provider.aroundToken = async (context) =>
      Object.assign(context, { status, body: body({ accessToken, refreshToken }) })
    errors.push(await failure(() => actions.request({ ...account, path: '/me' })))
  }
  provider.aroundToken = aroundToken
  errors.push(
    await failure(() => actions.request({ ...account, path: `//${accessToken}` })),
    await failure(() =>
      actions.request({ ...account, path: '/', headers: { authorization: `Bearer ${accessToken}` } }),
    ),
    await failure(() => actions.request({ ...account, path: '/', headers: { 'x-y': `${refreshToken}\n` } })),
    await failure(() => new exported.Onbehalf({ store: ':memory:', key: `${key}${key}`, keyFile: key })),
    await failure(() => new exported.Onbehalf({ store: ':memory:', key, [key]: key }).actions.listConnections()),
  )
  const named = errors.filter((error) => !(error instanceof exported.OnbehalfError))
  t.deepEqual(named, [])
  for (const error of errors)
    for (const view of [...views(error), error.stack, String(error)])
      t.deepEqual(
        leaks.in(Buffer.from(view)).filter(({ secret }) => secret !== key || error.code !== 'UNKNOWN_OPTION'),
        [],
        error.code,
      )
})

/** Every piece of a secret that is so long. */
const pieces = (secret, length) =>
  Array.from({ length: secret.length - length + 1 }, (_, start) => secret.slice(start, start + length))

/**
 * The memory that a core file shows. Before it stand the registers, which hold what a processor was copying at that
 * instant: no program can keep that out.
 */
function memoryOf(core) {
  const [table, size, count] = [Number(core.readBigUInt64LE(32)), core.readUInt16LE(54), core.readUInt16LE(56)]
  const segments = Array.from({ length: count }, (_, index) => core.subarray(table + index * size))
  const loaded = segments.filter((segment) => segment.readUInt32LE(0) === 1)
  return core.subarray(Math.min(...loaded.map((segment) => Number(segment.readBigUInt64LE(8)))))
}

// The heap is kept out of core files on Linux, and this system must write them where they can be found.
const writesCores =
  existsSync('/proc/sys/kernel/core_pattern') && !/^[|/]/.test(readFileSync('/proc/sys/kernel/core_pattern', 'utf8'))

for (const [what, { then, file, shell = [], where = true }] of Object.entries({
  'a heap snapshot that is taken during calls': { then: 'snapshot', file: 'memory.heapsnapshot' },
  'the core file of an abort during calls': {
    then: 'abort',
    file: 'core',
    shell: ['sh', '-c', 'ulimit -c unlimited; exec "$@"', 'sh'],
    where: writesCores,
  },
}))
  (where ? test : test.skip)(`${what} has no token`, async (t) => {
    const port = await freePort()
    const provider = await startProvider({ redirectUris: [`http://localhost:${port}/callback/app`] })
    t.teardown(provider.close)
    const folder = mkdtempSync(join(tmpdir(), 'onbehalf-'))
    t.teardown(() => rmSync(folder, { recursive: true }))

    const { clientId, clientSecret, endpoints } = provider
    const connections = { app: { connector: 'gmail', clientId, clientSecret, scopes, endpoints } }
    const asked = { options: { store: join(folder, 'store.db'), key, port, connections }, account, then }
    const [program, ...args] = [...shell, process.execPath, agent, JSON.stringify(asked)]
    const child = spawn(program, args, { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] })
    const [link] = await once(createInterface(child.stdout), 'line')
    await consent(new PlainBrowser(), link, { as: 'Agree' })
    await once(child, 'close')

    const leaks = new Leaks(provider.issued)
    t.true(provider.issued.length >= 3, 'a code and two tokens')
    const found = readdirSync(folder).find((name) => name.startsWith(file))
    t.truthy(found, `${file} was written`)
    const shown = readFileSync(join(folder, found))
    if (file !== 'core') return t.deepEqual(leaks.in(shown), [])
    const memory = memoryOf(shown)
    t.deepEqual(leaks.in(memory), [])
    // What a register held of one is sixteen bytes of it, or more.
    const registers = provider.issued.flatMap((secret) => pieces(secret, 16))
    t.deepEqual(
      registers.filter((piece) => memory.includes(piece)),
      [],
    )
  })
