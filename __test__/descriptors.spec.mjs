/** A process that may open no more files or sockets: its refreshes fail cleanly, and go on when it may again (F46). */
import { execFileSync } from 'node:child_process'

import test from 'ava'

import { onPath } from '../scripts/run.mjs'
import { person, setStage } from './support/stage.mjs'

const onLinux = process.platform === 'linux' && onPath('prlimit') ? test : test.skip

/** Lets `peer` open no file or socket whose number were `most` or more; those that it has stay open. */
const allow = ({ pid }, most) => execFileSync('prlimit', ['--pid', pid, `--nofile=${most}:`])

/** What a call for the token of an account comes to: `TOKEN`, or a code. */
const asked = async (peer, account) => {
  const { answer, failure } = await peer.ask('getToken', account)
  return failure?.code ?? (answer.accessToken && 'TOKEN')
}

onLinux('a process without a descriptor to spare spends no token, and refreshes all once it has some', async (t) => {
  const accounts = 20
  const { provider, refreshes, start } = await setStage(t, { accounts })
  const peer = start()
  const all = () => Promise.all(Array.from({ length: accounts }, (_, number) => asked(peer, person(number))))
  await peer.ask('listConnectedAccounts', {})
  allow(peer, 3)
  t.deepEqual(await all(), Array(accounts).fill('PROVIDER_UNREACHABLE'))
  t.is(refreshes(), 0)

  allow(peer, 1024)
  t.deepEqual(await all(), Array(accounts).fill('TOKEN'))
  t.is(refreshes(), accounts)
  t.is(provider.reuses, 0)
})

onLinux('a store for which there are too few descriptors is opened once there are enough', async (t) => {
  const { provider, refreshes, start } = await setStage(t)
  const peer = start()
  // Its answer says that Node has all that it needs itself.
  await peer.ask('told')
  const failures = []
  for (let most = 3; ; most++) {
    allow(peer, most)
    const { failure } = await peer.ask('getToken', person(0))
    if (!failure) break
    failures.push(failure)
  }
  t.true(failures.length > 10)
  for (const { code, message } of failures) {
    t.is(code, 'STORE_FAILED')
    t.regex(message, /no more files or threads; close some, or raise its limit .* was stored before is kept/)
  }
  t.is(refreshes(), 1)
  t.is(provider.reuses, 0)
})
