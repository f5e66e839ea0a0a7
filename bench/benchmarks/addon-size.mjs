/** The one file that npm installs for a platform. */
import { statSync } from 'node:fs'

import { addon } from '../ready.mjs'

export default {
  name: 'addon-size',
  unit: 'MB',
  rounds: 1,
  warmUp: 0,
  rows: [{ name: 'addon-size', what: "the addon's size", aim: { ours: { most: 10 } } }],
  contestants: async () => ({ ours: async () => ({ value: statSync(addon()).size / 1e6 }) }),
}
