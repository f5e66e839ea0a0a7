/**
 * A machine whose clock jumps, before, after and in the midst of refreshes: nobody storms the provider, and no token is
 * handed out that has ended (F20, F21).
 */
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import test from 'ava'

import { findFaketime } from '../scripts/faketime.mjs'
import { person, setStage } from './support/stage.mjs'

const library = findFaketime()
const onMovedClock = library ? test : test.skip

const jumps = { 'an hour back': '-1h', 'ten years back': '-10y', 'a year ahead': '+1y' }
const accounts = 20
const everyone = Array.from({ length: accounts }, (_, number) => person(number))

/** A clock that can be moved, for processes that have `env`. What measures how much time passes is left alone. */
function movableClock(t) {
  const folder = mkdtempSync(join(tmpdir(), 'onbehalf-clock-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'clock')
  const move = (jump) => {
    // Whole, or as it was.
    writeFileSync(`${file}.new`, jump)
    renameSync(`${file}.new`, file)
  }
  move('+0')
  const faked = { FAKETIME_TIMESTAMP_FILE: file, FAKETIME_NO_CACHE: '1', FAKETIME_DONT_FAKE_MONOTONIC: '1' }
  return { env: { LD_PRELOAD: library, ...faked }, move }
}

async function onClock(t, options) {
  const stage = await setStage(t, { accounts, ...options })
  const { env, move } = movableClock(t)
  const start = () => stage.start({ env })
  /** What an account's token is, or the code of what is in its way. */
  const token = async (peer, account) => {
    const { answer, failure } = await peer.ask('getToken', account)
    return answer?.accessToken ?? failure.code
  }
  /** Each account's, asked for `times` at once. */
  const tokens = async (peer, times = 1) => {
    const asked = Array.from({ length: times }, () => everyone.map((account) => token(peer, account)))
    return Promise.all(asked.flat())
  }
  return { ...stage, start, move, token, tokens }
}

for (const [name, jump] of Object.entries(jumps)) {
  onMovedClock(`a clock that jumps ${name} between two calls costs one refresh an account at most`, async (t) => {
    const { provider, refreshes, start, move, tokens } = await onClock(t)
    const peer = start()
    await tokens(peer)
    t.is(refreshes(), accounts)
    for (const at of [jump, '+0']) {
      const before = refreshes()
      move(at)
      for (const token of await tokens(peer, 5)) t.true(provider.issued.includes(token), token)
      await tokens(peer, 5)
      t.true(refreshes() - before <= accounts, `${refreshes() - before} refreshes at ${at}`)
      if (at === '+1y') t.is(refreshes() - before, accounts, 'each had ended by that clock')
    }
    t.is(provider.reuses, 0)
  })

  onMovedClock(`a clock that jumps ${name} in the midst of refreshes costs one more an account at most`, async (t) => {
    const { provider, refreshes, start, move, tokens } = await onClock(t)
    const peer = start()
    const held = provider.hold('after')
    const asked = tokens(peer, 5)
    await held.arrived
    move(jump)
    held.release()
    // Callers that come when the first token is there already may have it refreshed once more.
    for (const token of await asked) t.true(provider.issued.includes(token), token)
    await tokens(peer, 5)
    t.true(refreshes() <= 2 * accounts, `${refreshes()} refreshes`)
    t.is(provider.reuses, 0)
  })

  onMovedClock(`a process that starts with its clock ${name} refreshes each account once`, async (t) => {
    const { provider, refreshes, start, move, tokens } = await onClock(t)
    await tokens(start())
    const before = refreshes()
    move(jump)
    const peer = start()
    for (const token of await tokens(peer, 5)) t.true(provider.issued.includes(token), token)
    await tokens(peer, 5)
    t.true(refreshes() - before <= accounts, `${refreshes() - before} refreshes`)
    t.is(provider.reuses, 0)
  })
}

onMovedClock('a token ends when its time is over, though the clock has jumped back', async (t) => {
  const { start, move, token } = await onClock(t, { accounts: 1, expiresIn: 1 })
  const peer = start()
  const first = await token(peer, person(0))
  move('-1h')
  await pause(1100)
  t.not(await token(peer, person(0)), first)
})

onMovedClock('a token that came while the clock was a year ahead ends in its time', async (t) => {
  const { start, move, token } = await onClock(t, { accounts: 1, expiresIn: 1 })
  move('+1y')
  const peer = start()
  const first = await token(peer, person(0))
  move('+0')
  await pause(1100)
  t.not(await token(peer, person(0)), first)
})
