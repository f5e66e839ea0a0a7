/** What an operator asks of an instance. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import test from 'ava'

import { failure, open } from './door.mjs'
import { openSandbox } from '../testing.js'

const { version } = createRequire(import.meta.url)('../package.json')
const account = { connectionName: 'sandbox', identifier: 'user_123' }

test('an instance that works says so', async (t) => {
  const health = await open(t).health()
  t.like(health, { ok: true, version, problems: [], overdueConnections: 0, pendingRevocations: 0 })
  t.true(health.storeMs >= 0)
  t.false('clockAheadMs' in health)
})

test('an environment that cannot be opened is an answer, not a failure', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'onbehalf-operating-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const store = join(folder, 'store.db')
  await writeFile(store, 'this is no database, and longer than the header of one '.repeat(3))
  const { ok, problems, ...rest } = await open(t, { store }).health()
  t.deepEqual([ok, problems.map(({ code }) => code), rest], [false, ['STORE_CORRUPT'], { version }])
  t.regex(problems[0].message, /restore a backup/)
})

test('a closed instance says that it is closed', async (t) => {
  const onbehalf = open(t)
  await onbehalf.close()
  const { ok, problems } = await onbehalf.health()
  t.deepEqual([ok, problems[0].code], [false, 'CLOSED'])
  t.is((await failure(() => onbehalf.metrics())).code, 'CLOSED')
})

test('metrics are text that Prometheus reads, and name nobody', async (t) => {
  const sandbox = await openSandbox()
  t.teardown(() => sandbox.close())
  await sandbox.connect(account)
  await sandbox.actions.request({ ...account, path: '/me' })
  const { accessToken } = await sandbox.actions.getToken(account)
  const { metrics } = sandbox.onbehalf
  const text = await metrics()
  const lines = text.split('\n')
  for (const line of [
    `onbehalf_build_info{version="${version}"} 1`,
    'onbehalf_links_total{connector="sandbox"} 1',
    'onbehalf_flows_total{outcome="connected"} 1',
    'onbehalf_requests_total{connector="sandbox",outcome="2xx"} 1',
    'onbehalf_request_duration_seconds_count{connector="sandbox"} 1',
  ])
    t.true(lines.includes(line), `${line} is not in\n${text}`)
  for (const line of lines.filter((line) => line && !line.startsWith('#')))
    t.regex(line, /^onbehalf_[a-z_]+(\{([a-z]+="[\w.+-]*",?)+\})? [\d.e+-]+$/)
  for (const word of [account.identifier, accessToken, 'localhost', '/me']) t.false(text.includes(word), word)
})
