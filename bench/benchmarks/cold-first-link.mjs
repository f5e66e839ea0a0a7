/** From the start of a process to its first link, in a store that exists, beside a process that does nothing. */
import { untilDone } from '../child.mjs'
import { account, environment, key } from '../world.mjs'

const link = `
  const { Onbehalf } = require('onbehalf')
  const onbehalf = new Onbehalf({ store: process.env.STORE, key: '${key}', port: 0 })
  onbehalf.actions.getAuthorizationLink(${JSON.stringify(account)}).then(() => {
    done()
    process.exit()
  })`

export default {
  name: 'cold-first-link',
  unit: 'ms',
  rows: [
    {
      name: 'cold-first-link',
      what: "from a process's start to its first link",
      against: 'node',
      aim: { ours: { most: 60 } },
    },
  ],
  async contestants() {
    const { copy } = await environment()
    return { ours: () => untilDone(link, { STORE: copy() }), node: () => untilDone('done()') }
  },
}
