/**
 * An agent in a process of its own: prints its link, waits for the person, and calls the API over and over. In the
 * midst of it, it shows its memory: as a heap snapshot, or as the core file of an abort.
 *
 * It takes the options of its environment and what to do as JSON: `{ options, account, then }`.
 */
import { join } from 'node:path'
import { writeHeapSnapshot } from 'node:v8'

import { Onbehalf } from 'onbehalf'

const { options, account, then } = JSON.parse(process.argv[2])
const { actions } = new Onbehalf(options)
const call = () => actions.request({ ...account, path: '/me' })
const calls = () => Array.from({ length: 10 }, call)

console.log((await actions.getAuthorizationLink(account)).link)
await actions.waitForConnectedAccount(account)
for (let round = 0; round < 10; round++) await Promise.all(calls())

const underWay = calls()
if (then === 'abort') process.abort()
writeHeapSnapshot(join(process.cwd(), 'memory.heapsnapshot'))
await Promise.all(underWay)
process.exit()
