/**
 * Every end of a process or a worker in the middle of a refresh: no token that has arrived is lost, and where none could
 * arrive the reason says so (F01–F05, F35).
 */
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'

import test from 'ava'

import { person, setStage } from './support/stage.mjs'

/** How a process ends. Those which JavaScript brings about wait a moment for what is under way. */
const ends = {
  'process.exit': { end: (peer) => peer.end('exit'), waits: true },
  'an uncaught exception': { end: (peer) => peer.end('throw'), waits: true },
  SIGTERM: { end: (peer) => peer.kill('SIGTERM') },
  SIGKILL: { end: (peer) => peer.kill() },
}

/** Within this, in milliseconds, the lease of a process that is gone is over, and who comes next has asked. */
const leaseIsOver = 180_000

/** A process that needs the token of an account, and whose request the provider holds. */
async function refreshing(t, where) {
  const stage = await setStage(t)
  const peer = stage.start({ quiet: true })
  const held = stage.provider.hold(where)
  peer.ask('getToken', person(0))
  await held.arrived
  return { ...stage, peer, held }
}

/**
 * Asks when it is told to, until the account's token is there or is known to be lost: what was sent may be on its way
 * for as long as the lease of the process that is gone.
 */
async function settled(actions, asksLeft = 10) {
  try {
    return await actions.getToken(person(0))
  } catch (error) {
    if (!error.retryable) return error
    if (asksLeft === 0) throw new Error('the account has come to no end', { cause: error })
    await pause(Math.max(0, (error.details.retryAt ?? 0) - Date.now()))
    return settled(actions, asksLeft - 1)
  }
}

for (const [name, { end, waits }] of Object.entries(ends)) {
  if (waits)
    for (const where of ['before', 'after'])
      test(`an answer that comes during ${name} is stored: held ${where} it was made`, async (t) => {
        const { provider, refreshes, open, peer, held } = await refreshing(t, where)
        await end(peer)
        held.release()
        await peer.over
        const { accessToken } = await open().actions.getToken(person(0))
        t.true(provider.issued.includes(accessToken))
        t.is(refreshes(), 1)
        t.is(provider.reuses, 0)
      })

  test(`${name} before the provider has seen the request costs nothing`, async (t) => {
    t.timeout(leaseIsOver)
    const { provider, refreshes, open, peer } = await refreshing(t, 'before')
    await end(peer)
    await peer.over
    t.truthy((await settled(open().actions)).accessToken)
    t.is(refreshes(), 1)
    t.is(provider.reuses, 0)
  })

  test(`${name} before the answer arrives loses the token, and says so`, async (t) => {
    t.timeout(leaseIsOver)
    const { open, peer } = await refreshing(t, 'after')
    await end(peer)
    await peer.over
    const { actions } = open()
    const error = await settled(actions)
    t.is(error.code, 'REAUTHORIZATION_REQUIRED')
    t.is(error.details.reason, 'lost_rotation')
    const { connectedAccount } = await actions.getConnectedAccountDetails(person(0))
    t.is(connectedAccount.status, 'EXPIRED')
  })
}

test('a process that ends does not wait for a provider that never answers', async (t) => {
  const { peer } = await refreshing(t, 'before')
  const began = performance.now()
  await peer.end('exit')
  t.deepEqual(await peer.over, [0, null])
  t.true(performance.now() - began < 10_000)
})

/** Calls over and over, in a worker. */
const script = `
  import { workerData } from 'node:worker_threads'
  import { Onbehalf } from 'onbehalf'
  const { options, account } = workerData
  const { actions } = new Onbehalf(options)
  for (let call = 0; call < 20; call++) actions.getToken(account).catch(() => {})
  setInterval(() => actions.listConnectedAccounts().catch(() => {}), 1)
`

for (const where of ['before', 'after'])
  test(`a worker that is terminated in the midst of a refresh loses nothing: held ${where} its answer was made`, async (t) => {
    const { provider, refreshes, options, open } = await setStage(t)
    const held = provider.hold(where)
    const worker = new Worker(script, { eval: true, workerData: { options, account: person(0) } })
    const ended = once(worker, 'exit')
    await held.arrived
    worker.terminate()
    held.release()
    await ended
    const { accessToken } = await open().actions.getToken(person(0))
    t.true(provider.issued.includes(accessToken))
    t.is(refreshes(), 1)
    t.is(provider.reuses, 0)
  })
