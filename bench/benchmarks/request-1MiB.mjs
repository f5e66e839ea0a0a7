/** An answer of one mebibyte, as bytes. */
import { request } from 'undici'

import { perCall } from '../measure.mjs'
import { account, environment, upstream } from '../world.mjs'

const path = `/bytes/${2 ** 20}`

export default {
  name: 'request-1MiB',
  unit: 'µs',
  rows: [{ name: 'request-1MiB', what: 'an answer of 1 MiB', against: 'undici', aim: { ratio: { most: 1.15 } } }],
  async contestants() {
    const { actions } = await environment()
    const url = (await upstream()) + path
    return {
      ours: perCall(10, async () => (await actions.request({ ...account, path })).bytes()),
      undici: perCall(10, async () => (await request(url)).body.bytes()),
    }
  },
}
