/** The call that an agent makes most: is this person connected? */
import { perCall } from '../measure.mjs'
import { account, environment, floor, sdk } from '../world.mjs'

export default {
  name: 'existing-account',
  unit: 'µs',
  rows: [
    {
      name: 'existing-account',
      what: 'an existing account, by connection and identifier',
      against: 'sdk',
      aim: { ratio: { most: 1 / 100 } },
    },
    { name: 'existing-account-floor', what: 'the same', against: 'floor', aim: { ratio: { most: 2 } } },
  ],
  async contestants() {
    const { actions, store } = await environment()
    const theirs = await sdk()
    const { nothing, Floor } = await floor()
    const rows = new Floor(store, 'FULL')
    const empty = perCall(2000, () => nothing(account))
    return {
      ours: perCall(2000, () => actions.getOrCreateConnectedAccount(account)),
      sdk: perCall(200, () => theirs.getOrCreateConnectedAccount(account)),
      async floor() {
        const { value } = await empty()
        return { value: value + rows.read(account.connectionName, account.identifier, 2000) }
      },
    }
  },
}
