/** An answer of a hundred mebibytes, read piece by piece. */
import { request } from 'undici'

import { mebibytesPerSecond } from '../measure.mjs'
import { account, environment, upstream } from '../world.mjs'

const path = `/bytes/${100 * 2 ** 20}`

/** How many bytes a stream brings. */
async function lengthOf(stream) {
  let length = 0
  for await (const piece of stream) length += piece.length
  return length
}

export default {
  name: 'request-100MiB-stream',
  unit: 'MiB/s',
  rounds: 11,
  warmUp: 2,
  rows: [
    {
      name: 'request-100MiB-stream',
      what: '100 MiB, streamed: how many bytes a second',
      against: 'undici',
      aim: { ratio: { least: 1 } },
    },
  ],
  async contestants() {
    const { actions } = await environment()
    const url = (await upstream()) + path
    return {
      ours: mebibytesPerSecond(async () =>
        lengthOf((await actions.request({ ...account, path, stream: true, timeoutMs: 60_000 })).stream()),
      ),
      undici: mebibytesPerSecond(async () => lengthOf((await request(url)).body)),
    }
  },
}
