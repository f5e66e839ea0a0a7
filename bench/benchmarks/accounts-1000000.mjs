/**
 * A million accounts at rest, beside a thousand: what each takes on disk over its own text, the process's memory, how
 * long all but the slowest hundredth of lookups take at most, and what it costs to see that nothing is due.
 */
import { numberOf } from '../child.mjs'
import { percentile } from '../measure.mjs'
import { anybody, connectionName, finding, open, plaintextOf, settingsOf, sizeOf, standing } from '../people.mjs'

const million = 1_000_000
const thousand = 1000

/** The memory of a process that has looked some of the people up. */
const memory = (place, people) => async () => ({
  value:
    (await numberOf(
      `const { Onbehalf } = require('onbehalf')
      const { actions } = new Onbehalf(JSON.parse(process.env.SETTINGS))
      const anybody = () => 'user_' + Math.floor(Math.random() * ${people})
      const look = async () => {
        for (let call = 0; call < 5000; call++)
          await actions.getConnectedAccountDetails({ connectionName: '${connectionName}', identifier: anybody() })
        console.log(process.memoryUsage.rss())
        process.exit()
      }
      look()`,
      { SETTINGS: JSON.stringify(settingsOf(place)) },
    )) /
    2 ** 20,
})

/** The slowest of lookups but for a hundredth. */
function lookup({ actions }, people) {
  return percentile(0.99, 2000, () => actions.getConnectedAccountDetails(anybody(people)))
}

export default {
  name: 'accounts-1000000',
  unit: 'µs',
  rounds: 11,
  warmUp: 2,
  rows: [
    {
      name: 'accounts-1000000-disk',
      what: 'a million accounts: what each takes on disk, over its own text',
      ours: 'disk',
      unit: 'bytes',
      aim: { ours: { most: 600 } },
    },
    {
      name: 'accounts-1000000-lookup',
      what: 'the slowest lookups but 1 %, with a million accounts',
      ours: 'million',
      against: 'thousand',
      aim: { ratio: { most: 1.3 } },
    },
    {
      name: 'accounts-1000000-due',
      what: 'to find what is due, with a million accounts',
      ours: 'millionDue',
      against: 'thousandDue',
      aim: { ours: { most: 1000 } },
    },
    {
      name: 'accounts-1000000-memory',
      what: 'memory of a process, with a million accounts',
      ours: 'millionMemory',
      against: 'thousandMemory',
      unit: 'MiB',
    },
  ],
  async contestants() {
    const [many, few] = [await standing(million), await standing(thousand)]
    const disk = (sizeOf(many.store) - plaintextOf(million)) / million
    return {
      disk: async () => ({ value: disk }),
      million: lookup(await open(many), million),
      thousand: lookup(await open(few), thousand),
      millionDue: await finding(many, 1000),
      thousandDue: await finding(few, 1000),
      millionMemory: memory(many, million),
      thousandMemory: memory(few, thousand),
    }
  },
}
