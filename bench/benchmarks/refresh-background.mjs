/** Ten thousand accounts of one connection that are due at once: how many a second are refreshed in the background. */
import { setTimeout } from 'node:timers/promises'

import { perSecond } from '../measure.mjs'
import { asking, atOnce, fill, open, place } from '../people.mjs'

const people = 10_000
/** For how many seconds they are counted, unless all are refreshed before. */
const longest = 10
/** How many seconds the first is waited for at most: it comes within the half minute in which all are looked for. */
const patience = 60
/** How many milliseconds lie between two looks at the count. */
const pause = 250

/** How many of a store's people are refreshed a second, from the first on: nobody is in the first ten seconds. */
async function refreshed(round) {
  const where = await place(`background-${round}`)
  const before = await open(where)
  await fill(before, people, new Date(Date.now() - 1000))
  await before.close()
  const onbehalf = await open(where, { backgroundRefresh: true })
  // Opened by its first call.
  await onbehalf.actions.listConnections()
  const givenUpAt = Date.now() + (patience + longest) * 1000
  for (;;) {
    if (Date.now() > givenUpAt) throw new Error('Nobody is refreshed in the background.')
    await setTimeout(pause)
    const { count, seconds } = await (await fetch(where.tokenUrl)).json()
    if (count < people && seconds < longest) continue
    await onbehalf.close()
    return { value: count / seconds }
  }
}

export default {
  name: 'refresh-background',
  unit: '/s',
  rounds: 3,
  warmUp: 0,
  rows: [{ name: 'refresh-background', what: 'the same, in the background', against: 'undici' }],
  async contestants() {
    let round = 0
    return {
      ours: () => refreshed(round++),
      async undici() {
        const { tokenUrl } = await place(`bare-${round++}`)
        return perSecond(people, atOnce, asking(tokenUrl))()
      },
    }
  },
}
