/** What the default client takes from the environment's variables, and when. */
import test from 'ava'

import { run } from './door.mjs'

/** Prints the code and message of what a call of the default client fails with. */
const ask = `
  const { actions } = await import('onbehalf')
  await actions.listConnections().then(
    () => console.log('answered'),
    ({ code, message }) => console.log(code, message),
  )
`

test('a variable that cannot be understood is named, when the client is first used', async (t) => {
  const cases = [
    [{ ONBEHALF_PORT: 'CANARY' }, /^INVALID_ARGUMENT `ONBEHALF_PORT` must be a whole number/],
    [
      { ONBEHALF_USER_VERIFICATION: 'CANARY' },
      /^INVALID_ARGUMENT `ONBEHALF_USER_VERIFICATION` must be "app" or "none"/,
    ],
    [
      { ONBEHALF_BACKGROUND_REFRESH: 'CANARY' },
      /^INVALID_ARGUMENT `ONBEHALF_BACKGROUND_REFRESH` must be `true` or `false`/,
    ],
    [{ ONBEHALF_PUBLIC_URL: 'CANARY' }, /^INVALID_ARGUMENT `ONBEHALF_PUBLIC_URL` must be an absolute URL/],
    [{ ONBEHALF_KEY: 'CANARY', ONBEHALF_KEY_FILE: 'a' }, /^INVALID_ARGUMENT `ONBEHALF_KEY_FILE` must not stand beside/],
    [{ ONBEHALF_STORE: 'mysql://CANARY' }, /^NOT_SUPPORTED a store other than a file/],
    [{ ONBEHALF_STORE: 'postgres://CANARY' }, /^INVALID_ARGUMENT .*`key` is required with PostgreSQL/],
    [{ ONBEHALF_URL: 'https://CANARY' }, /^NOT_SUPPORTED an environment elsewhere \(ONBEHALF_URL is set/],
    [{ SCALEKIT_ENVIRONMENT_URL: 'https://CANARY' }, /^NOT_SUPPORTED .*SCALEKIT_ENVIRONMENT_URL/],
  ]
  for (const [env, message] of cases) {
    const { code, stdout, stderr } = await run(ask, { env: { ONBEHALF_STORE: ':memory:', ...env } })
    t.is(code, 0, stderr)
    t.regex(stdout, message)
    t.notRegex(stdout + stderr, /CANARY/)
  }
})

test('importing reads no variable: what is set until the first call counts', async (t) => {
  const { stdout, stderr } = await run(`
    import { actions } from 'onbehalf'
    process.env.ONBEHALF_STORE = ':memory:'
    process.env.ONBEHALF_PORT = 'x'
    await actions.listConnections().catch(({ details }) => console.log(details.argument))
  `)
  t.is(stdout, 'ONBEHALF_PORT\n', stderr)
})

test('an option goes before its variable, and an empty variable is none', async (t) => {
  const { stdout, stderr } = await run(
    `
    import { Onbehalf } from 'onbehalf'
    const onbehalf = new Onbehalf({ store: ':memory:', port: 0, publicUrl: undefined })
    console.log((await onbehalf.listen()).url.replace(/\\d+/, 'PORT'))
    await onbehalf.close()
  `,
    { env: { ONBEHALF_STORE: '', ONBEHALF_PORT: '1', ONBEHALF_PUBLIC_URL: ' ', ONBEHALF_URL: 'https://elsewhere' } },
  )
  t.is(stdout, 'http://localhost:PORT/\n', stderr)
})

test('a worker has the variables that it was given', async (t) => {
  const { stdout, stderr } = await run(`
    import { Worker } from 'node:worker_threads'
    new Worker(${JSON.stringify(`(async () => {${ask}})()`)}, { eval: true, env: { ONBEHALF_PORT: 'x' } })
  `)
  t.regex(stdout, /^INVALID_ARGUMENT `ONBEHALF_PORT`/, stderr)
})

test('variables name connections, and give credentials to those of the options', async (t) => {
  const { stdout, stderr } = await run(
    `
    import { actions, Onbehalf } from 'onbehalf'
    const { link } = await actions.getAuthorizationLink({ connectionName: 'gmail', identifier: 'user_123' })
    console.log(new URL(link).hostname)
    const connections = { 'my-gmail': { connector: 'gmail' }, hubspot: { clientId: 'option' } }
    const onbehalf = new Onbehalf({ store: ':memory:', connections })
    for (const connectionName of Object.keys(connections)) {
      await onbehalf.actions.getOrCreateConnectedAccount({ connectionName, identifier: 'user_123' })
      const { clientId, hasClientSecret } = await onbehalf.connections.get({ connectionName })
      console.log(clientId, hasClientSecret)
    }
  `,
    {
      env: {
        ONBEHALF_STORE: ':memory:',
        ONBEHALF_PORT: '0',
        ONBEHALF_GMAIL_CLIENT_ID: 'gmail',
        ONBEHALF_GMAIL_CLIENT_SECRET: 'CANARY',
        ONBEHALF_MY_GMAIL_CLIENT_ID: 'variable',
        ONBEHALF_HUBSPOT_CLIENT_ID: 'variable',
        ONBEHALF_HUBSPOT_CLIENT_SECRET: 'CANARY',
      },
    },
  )
  t.is(stdout, 'localhost\nvariable false\noption true\n', stderr)
})
