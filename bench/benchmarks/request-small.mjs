/** A small JSON answer of the provider's API, one at a time, against the same request without us. */
import { request } from 'undici'

import { perCall } from '../measure.mjs'
import { account, environment, upstream } from '../world.mjs'

/** The contestants' call, for `path`; each reads its answer as JSON. */
export async function small() {
  const { actions } = await environment()
  const url = `${await upstream()}/small`
  const headers = { authorization: 'Bearer 0123456789abcdef0123456789abcdef' }
  return {
    ours: async () => (await actions.request({ ...account, path: '/small' })).data,
    undici: async () => (await request(url, { headers })).body.json(),
  }
}

export default {
  name: 'request-small',
  unit: 'µs',
  rows: [
    {
      name: 'request-small',
      what: 'a small JSON answer of a provider, one at a time',
      against: 'undici',
      aim: { ratio: { most: 1.15 } },
    },
  ],
  async contestants() {
    const { ours, undici } = await small()
    return { ours: perCall(100, ours), undici: perCall(100, undici) }
  },
}
