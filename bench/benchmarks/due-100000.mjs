/** A hundred thousand accounts of one connection that are all due at once: what it costs to find some of them. */
import { fill, finding, open, place } from '../people.mjs'

/** A store in which so many are due. */
async function due(people) {
  const where = await place(`due-${people}`)
  await fill(await open(where), people, new Date(Date.now() - 1000))
  return where
}

export default {
  name: 'due-100000',
  unit: 'µs',
  rounds: 11,
  warmUp: 2,
  rows: [
    {
      name: 'due-100000',
      what: 'to find a hundred that are due, of 100,000',
      ours: 'hundredThousand',
      against: 'thousandDue',
      aim: { ours: { most: 1000 } },
    },
  ],
  contestants: async () => ({
    hundredThousand: await finding(await due(100_000), 200),
    thousandDue: await finding(await due(1000), 200),
  }),
}
