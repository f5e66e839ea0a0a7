/** Many processes, many accounts, many callers: each refresh token goes to the provider once (F34, F36). */
import test from 'ava'

import { onPostgres, person, setStage } from './support/stage.mjs'

/** How many accounts four processes share. `MANY_ACCOUNTS` says how many; a release is tried with a thousand. */
const many = Number(process.env.MANY_ACCOUNTS ?? 250)
/** Where: in a file, or on the tests' PostgreSQL, as the engine's tests have it from the same variable. */
const place = process.env.ONBEHALF_TEST_STORE === 'postgres' ? onPostgres : undefined
/** How many refreshes they need in all: six of each, and three where there are more. */
const enough = Math.min(6 * many, Math.max(1500, 3 * many))
/** How many calls a process has under way. */
const lanes = 16

/** Has `peer` ask for one token after the other, each lane all accounts from another one on, until it is `over`. */
const keepAsking = (peer, over) =>
  Promise.all(
    Array.from({ length: lanes }, async (_, lane) => {
      const outcomes = []
      for (let number = Math.floor((lane * many) / lanes); !over(); number = (number + 1) % many)
        outcomes.push(await peer.ask('getToken', person(number)))
      return outcomes
    }),
  )

test.serial(`four processes refresh ${many} accounts all the time, and reuse no refresh token`, async (t) => {
  t.timeout(600_000)
  const { provider, refreshes, start } = await setStage(t, { accounts: many, expiresIn: 1, place })
  const peers = Array.from({ length: 4 }, () => start())
  const over = () => refreshes() >= enough || provider.reuses > 0
  const asked = await Promise.all(peers.map((peer) => keepAsking(peer, over)))

  t.is(provider.reuses, 0)
  t.deepEqual(
    provider.tokenRequests.filter(({ status }) => status !== 200),
    [],
  )
  for (const outcomes of asked.map((lanes) => lanes.flat())) {
    t.true(outcomes.length >= many, 'each process asked for tokens many times')
    t.deepEqual(
      outcomes.filter(({ failure }) => failure),
      [],
    )
  }
  const [peer] = peers
  for (let number = 0; number < many; number++) {
    const { answer } = await peer.ask('getConnectedAccountDetails', person(number))
    t.is(answer.connectedAccount.status, 'ACTIVE')
  }
})

for (const processes of [1, 4])
  test(`a thousand callers in ${processes} processes at once make one token request`, async (t) => {
    const { provider, refreshes, start } = await setStage(t, { place })
    const peers = Array.from({ length: processes }, () => start())
    const looked = () => Promise.all(peers.map((peer) => peer.ask('getConnectedAccountDetails', person(0))))
    await looked()
    const held = provider.hold('before')
    const asked = Array.from({ length: 1000 }, (_, caller) => peers[caller % processes].ask('getToken', person(0)))
    await held.arrived
    // Every process has begun with all of its calls when it answers to later ones.
    for (let times = 0; times < 10; times++) await looked()
    held.release()
    const tokens = new Set((await Promise.all(asked)).map(({ answer }) => answer?.accessToken))
    t.is(tokens.size, 1)
    t.true(provider.issued.includes([...tokens][0]))
    t.is(refreshes(), 1)
  })
