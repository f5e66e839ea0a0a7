/** A link for a person: two reads and a row that is written. */
import { perCall } from '../measure.mjs'
import { account, environment, floor, sdk } from '../world.mjs'

const calls = 20
const rounds = 31
const warmUp = 5
/** As many as an account may have under way. */
const linksOfOne = 20

export default {
  name: 'authorization-link',
  unit: 'µs',
  rounds,
  warmUp,
  rows: [
    { name: 'authorization-link', what: 'an authorization link', against: 'sdk', aim: { ratio: { most: 1 / 100 } } },
    { name: 'authorization-link-floor', what: 'the same', against: 'floor', aim: { ratio: { most: 2 } } },
  ],
  async contestants() {
    const { actions, copy } = await environment()
    const theirs = await sdk()
    const people = Array.from({ length: (calls * (rounds + warmUp)) / linksOfOne }, (_, index) => `linked_${index}`)
    const { connectionName } = account
    await Promise.all(people.map((identifier) => actions.getOrCreateConnectedAccount({ connectionName, identifier })))

    // Another file, so that its writes don't wait for ours.
    const { nothing, Floor } = await floor()
    const rows = new Floor(copy(), 'NORMAL')
    const empty = perCall(2000, () => nothing(account))

    let made = 0
    return {
      ours: perCall(calls, () => {
        const identifier = people[Math.floor(made++ / linksOfOne)]
        return actions.getAuthorizationLink({ connectionName, identifier })
      }),
      sdk: perCall(200, () => theirs.getAuthorizationLink(account)),
      async floor() {
        const { value } = await empty()
        return { value: value + rows.read(connectionName, account.identifier, 2000) + rows.write(calls) }
      },
    }
  },
}
