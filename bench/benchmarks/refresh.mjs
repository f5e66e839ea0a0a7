/**
 * New tokens for people whose own have ended: how many a second, and at what cost of processor, with a lease, a journal
 * and a commit around each request; against the requests alone. The provider has eight of either under way.
 */
import { perSecond } from '../measure.mjs'
import { asking, fill, open, place, refreshing } from '../people.mjs'

const calls = 500
const callers = 64
const rounds = 15
const warmUp = 3

export default {
  name: 'refresh',
  unit: '/s',
  rounds,
  warmUp,
  rows: [{ name: 'refresh', what: 'refreshes: how many a second', against: 'undici', aim: { ratio: { least: 0.8 } } }],
  async contestants() {
    const ours = await place('ours')
    const onbehalf = await open(ours)
    await fill(onbehalf, calls * (rounds + warmUp), new Date(Date.now() - 1000))
    const { tokenUrl } = await place('undici')
    return {
      ours: perSecond(calls, callers, refreshing(onbehalf)),
      undici: perSecond(calls, callers, asking(tokenUrl)),
    }
  },
}
