/** Ten thousand accounts of one connection that are due at once: how many a second are refreshed in the background. */
import { perSecond } from '../measure.mjs'
import { asking, atOnce, fill, open, place } from '../people.mjs'

const people = 10_000
/** How long to wait between two looks at whether all are refreshed. */
const look = 250

/** Has the background refresh everyone in a store, and answers how many a second came to the token endpoint. */
async function refreshed(round) {
  const where = await place(`background-${round}`)
  const before = await open(where)
  await fill(before, people, new Date(Date.now() - 1000))
  await before.close()
  const onbehalf = await open(where, { backgroundRefresh: true })
  // Opened by its first call.
  await onbehalf.actions.listConnections()
  for (;;) {
    const { count, seconds } = await (await fetch(where.tokenUrl)).json()
    if (count >= people) return onbehalf.close().then(() => ({ value: count / seconds }))
    await new Promise((resolve) => setTimeout(resolve, look))
  }
}

export default {
  name: 'due-10000-refreshed',
  unit: '/s',
  rounds: 3,
  warmUp: 0,
  rows: [
    {
      name: 'due-10000-refreshed',
      what: 'refreshes in the background: how many a second',
      against: 'undici',
    },
  ],
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
