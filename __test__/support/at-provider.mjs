/**
 * Preloaded (`--import`) into a program that knows only its own app: its `gmail` is then the provider that
 * `ONBEHALF_TEST_CONNECTION` describes, and its store is gone with it.
 */
import { createRequire } from 'node:module'

const onbehalf = createRequire(import.meta.url)('onbehalf')
const gmail = { connector: 'gmail', ...JSON.parse(process.env.ONBEHALF_TEST_CONNECTION) }

onbehalf.Onbehalf = class extends onbehalf.Onbehalf {
  constructor(options) {
    super({ ...options, store: ':memory:', connections: { gmail } })
  }
}
