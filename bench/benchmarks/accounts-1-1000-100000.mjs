/** The first row again, in stores of one account, a thousand and a hundred thousand: does it stay as quick? */
import { join } from 'node:path'

import { perCall } from '../measure.mjs'
import { folder, key, keep } from '../world.mjs'

const connection = { connector: 'gmail', clientId: 'an-app', clientSecret: 'a secret' }
const connectionName = 'app'
const aim = { ratio: { most: 1.2 } }

/** An environment with so many accounts. Made through the API: calls that are made together share commits. */
async function filled(accounts) {
  const { Onbehalf } = await import('onbehalf')
  const store = join(folder(), 'store.db')
  const onbehalf = keep(new Onbehalf({ store, key, port: 0, connections: { [connectionName]: connection } }))
  let next = 0
  const fill = async () => {
    while (next < accounts)
      await onbehalf.actions.createConnectedAccount({ connectionName, identifier: `user_${next++}` })
  }
  await Promise.all(Array.from({ length: 64 }, fill))
  return () => {
    const identifier = `user_${Math.floor(Math.random() * accounts)}`
    return onbehalf.actions.getOrCreateConnectedAccount({ connectionName, identifier })
  }
}

export default {
  name: 'accounts-1-1000-100000',
  unit: 'µs',
  rows: [
    { name: 'accounts-1000', what: 'the first row, with 1,000 accounts', ours: 'thousand', against: 'one', aim },
    {
      name: 'accounts-100000',
      what: 'the first row, with 100,000 accounts',
      ours: 'hundredThousand',
      against: 'one',
      aim,
    },
  ],
  async contestants() {
    return {
      one: perCall(2000, await filled(1)),
      thousand: perCall(2000, await filled(1000)),
      hundredThousand: perCall(2000, await filled(100_000)),
    }
  },
}
