/** Threads that use the package, and threads that are stopped while they do (A118): the process outlives them all. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'

import { Onbehalf } from 'onbehalf'

const app = { connector: 'gmail', clientId: 'an id', clientSecret: 'a secret' }
const account = { connectionName: 'app', identifier: 'user_123' }
const { actions, close } = new Onbehalf({ store: ':memory:', port: 0, connections: { app } })

const start = (workerData) => new Worker(fileURLToPath(import.meta.url), { workerData })
const status = async (identifier = account.identifier) =>
  (await actions.getOrCreateConnectedAccount({ ...account, identifier })).connectedAccount.status

if (isMainThread) await oversee()
else await (workerData === 'once' ? useOnce() : useForEver())

async function oversee() {
  const patient = start('once')
  assert.deepEqual(await Promise.all([once(patient, 'message'), once(patient, 'exit')]), [['PENDING_AUTH'], [0]])

  const endless = Array.from({ length: 8 }, () => start('for ever'))
  await Promise.all(endless.map((worker) => once(worker, 'message')))
  assert.deepEqual(await Promise.all(endless.map((worker) => worker.terminate())), Array(8).fill(1))

  assert.equal(await status(), 'PENDING_AUTH')
  await close()
}

async function useOnce() {
  parentPort.postMessage(await status())
  await close()
}

/** There is always a call under way: some that only read, some that write, and one that waits. */
async function useForEver() {
  await status()
  actions.waitForConnectedAccount(account)
  parentPort.postMessage('begun')
  for (let made = 0; ;)
    await Promise.all(Array.from({ length: 50 }, (_, at) => status(at % 2 ? `${made++}` : undefined)))
}
