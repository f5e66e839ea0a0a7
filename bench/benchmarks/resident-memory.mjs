/** By how much a process grows that requires the package and makes one call. */
import { numberOf } from '../child.mjs'
import { account, environment, key, stub } from '../world.mjs'

const grown = (work, env) => async () => ({
  value:
    (await numberOf(
      `const before = process.memoryUsage.rss()
      const account = ${JSON.stringify(account)}
      const grown = () => {
        console.log(process.memoryUsage.rss() - before)
        process.exit()
      }
      ${work}`,
      await env(),
    )) /
    2 ** 20,
})

export default {
  name: 'resident-memory',
  unit: 'MiB',
  rounds: 15,
  warmUp: 2,
  rows: [{ name: 'resident-memory', what: 'memory that a first call takes', against: 'sdk' }],
  async contestants() {
    const { copy } = await environment()
    const ours = `const { Onbehalf } = require('onbehalf')
      const { actions } = new Onbehalf({ store: process.env.STORE, key: '${key}' })
      actions.getOrCreateConnectedAccount(account).then(grown)`
    const theirs = `const { Scalekit } = require('@scalekit-sdk/node')
      new Scalekit(process.env.STUB, 'client', 'secret').actions.getOrCreateConnectedAccount(account).then(grown)`
    return {
      ours: grown(ours, async () => ({ STORE: copy() })),
      sdk: grown(theirs, async () => ({ STUB: await stub() })),
    }
  },
}
