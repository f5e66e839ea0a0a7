/** How long `require()` takes in a fresh process. */
import { numberOf } from '../child.mjs'

const required = (name) => async () => ({
  value: await numberOf(`
    const begin = performance.now()
    require('${name}')
    console.log(performance.now() - begin)`),
})

export default {
  name: 'require-time',
  unit: 'ms',
  rows: [{ name: 'require-time', what: '`require()`', against: 'sdk', aim: { ratio: { most: 1 / 20 } } }],
  contestants: async () => ({ ours: required('onbehalf'), sdk: required('@scalekit-sdk/node') }),
}
