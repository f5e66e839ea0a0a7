/** The same small answer, 64 calls at once: how many a second. */
import { perSecond } from '../measure.mjs'
import { small } from './request-small.mjs'

export default {
  name: 'request-small-64',
  unit: '/s',
  rows: [
    {
      name: 'request-small-64',
      what: 'the same, 64 at once: how many a second',
      against: 'undici',
      aim: { ratio: { least: 1 } },
    },
  ],
  async contestants() {
    const { ours, undici } = await small()
    return { ours: perSecond(1000, 64, ours), undici: perSecond(1000, 64, undici) }
  },
}
