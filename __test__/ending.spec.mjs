/** That no end of a process or a worker crashes, loses what was stored, or keeps the store (A118, A119). */
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import test from 'ava'

import { run } from './door.mjs'

/** A store's path in a folder of its own. */
function store(t) {
  const folder = mkdtempSync(join(tmpdir(), 'onbehalf-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  return join(folder, 'store.db')
}

const setUp = `
  const key = '${createHash('sha256').update('a key of these tests').digest('base64')}'
  const connections = { gmail: { clientId: 'id', clientSecret: 'secret' } }
  const options = (store) => ({ store, key, port: 0, connections })
  const account = (identifier) => ({ connectionName: 'gmail', identifier })
`

/** Prints the identifiers of a store, sorted. */
const identifiers = (path) => `${setUp}
  import { Onbehalf } from 'onbehalf'
  const onbehalf = new Onbehalf(options(${JSON.stringify(path)}))
  const { connectedAccounts } = await onbehalf.actions.listConnectedAccounts({ pageSize: 100 })
  console.log(connectedAccounts.map(({ identifier }) => identifier).sort().join())
`

const ends = {
  'the end of the script': '',
  'process.exit': 'process.exit(0)',
  'process.exit in the middle of calls':
    'for (let i = 0; i < 200; i++) onbehalf.actions.waitForConnectedAccount(account("one")).catch(() => {}); process.exit(0)',
  'an uncaught exception': 'process.on("uncaughtException", () => process.exit(0)); setTimeout(() => { throw 1 })',
  'a kill': 'process.kill(process.pid, "SIGKILL")',
}

for (const [name, end] of Object.entries(ends))
  test(`what was stored survives ${name}, and the store is free again`, async (t) => {
    const path = store(t)
    const first = await run(`${setUp}
      import { Onbehalf } from 'onbehalf'
      const onbehalf = new Onbehalf(options(${JSON.stringify(path)}))
      await onbehalf.actions.getOrCreateConnectedAccount(account('one'))
      await onbehalf.actions.getAuthorizationLink(account('two'))
      console.log('stored')
      ${end}
    `)
    t.deepEqual(first, { code: name === 'a kill' ? 'SIGKILL' : 0, stdout: 'stored\n', stderr: '' })
    const second = await run(identifiers(path))
    t.deepEqual(second, { code: 0, stdout: 'one,two\n', stderr: '' })
  })

/** Runs `script` in workers, `rounds` times, `together` at once; `end` ends each, once it said that it is ready. */
const inWorkers = ({ script, rounds, together = 1, end }) => `
  import { once } from 'node:events'
  import { Worker } from 'node:worker_threads'
  const script = ${JSON.stringify(`${setUp}
    import { Onbehalf } from 'onbehalf'
    import { parentPort, workerData as round } from 'node:worker_threads'
    ${script}
  `)}
  const live = async (round) => {
    const worker = new Worker(script, { eval: true, workerData: round })
    const exited = once(worker, 'exit')
    await Promise.race([once(worker, 'message'), exited.then(() => Promise.reject(new Error('ended early')))])
    ${end}
    await exited
  }
  for (let round = 0; round < ${rounds}; round++)
    await Promise.all(Array.from({ length: ${together} }, (_, index) => live(round * ${together} + index)))
  console.log('all ended')
`

test('workers that are terminated in the middle of calls do not crash the process (A118)', async (t) => {
  const script = `
    const onbehalf = new Onbehalf(options(':memory:'))
    await onbehalf.actions.getAuthorizationLink(account('one'))
    for (let i = 0; i < 100; i++) {
      onbehalf.actions.waitForConnectedAccount({ ...account('one'), signal: new AbortController().signal }).catch(() => {})
      onbehalf.actions.getOrCreateConnectedAccount(account('user_' + i)).catch(() => {})
    }
    parentPort.postMessage('ready')
    setInterval(() => onbehalf.actions.listConnectedAccounts().catch(() => {}), 1)
  `
  const answer = await run(inWorkers({ script, rounds: 5, together: 6, end: 'await worker.terminate()' }), {
    timeout: 50_000,
  })
  t.deepEqual(answer, { code: 0, stdout: 'all ended\n', stderr: '' })
})

test('fifty workers, one after the other, have one store, and lose nothing', async (t) => {
  const path = store(t)
  const script = `
    const onbehalf = new Onbehalf(options(${JSON.stringify(path)}))
    await onbehalf.actions.getOrCreateConnectedAccount(account(String(round + 100)))
    parentPort.postMessage('ready')
    if (round % 2) setInterval(() => {}, 1000)
  `
  const answer = await run(inWorkers({ script, rounds: 50, end: 'if (round % 2) await worker.terminate()' }), {
    timeout: 50_000,
  })
  t.deepEqual(answer, { code: 0, stdout: 'all ended\n', stderr: '' })
  const all = Array.from({ length: 50 }, (_, round) => round + 100)
  t.deepEqual(await run(identifiers(path)), { code: 0, stdout: `${all}\n`, stderr: '' })
})

test('a module that is loaded fifty times warns of nothing and shares the addon', async (t) => {
  const answer = await run(`${setUp}
    import { createRequire } from 'node:module'
    const require = createRequire(process.cwd() + '/')
    const before = process.listenerCount('exit')
    for (let round = 0; round < 50; round++) {
      for (const path of Object.keys(require.cache)) delete require.cache[path]
      const { Onbehalf } = require('onbehalf')
      const onbehalf = new Onbehalf(options(':memory:'))
      await onbehalf.actions.getOrCreateConnectedAccount(account('one'))
      if (round % 2) await onbehalf.close()
    }
    console.log(process.listenerCount('exit') - before)
  `)
  t.deepEqual(answer, { code: 0, stdout: '1\n', stderr: '' })
})
