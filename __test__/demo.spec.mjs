import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

import test from 'ava'

import { requireChromium } from '../scripts/chromium.mjs'
import { ada } from './support/google.mjs'

test.serial('the demo leads from a link to the mail, with Chromium', async (t) => {
  const { code, printed } = await demo({ CHROME_PATH: await requireChromium() })
  t.is(code, 0, printed)
  t.true(printed.includes('Ada Lovelace is played by Chromium.'), printed)
  for (const { subject } of ada.mail) t.true(printed.includes(subject), printed)
})

test.serial('the demo says what went wrong in one line, and ends', async (t) => {
  const { code, printed } = await demo({ CHROME_PATH: '/no/such/program' })
  t.is(code, 1, printed)
  t.true(printed.includes('CHROME_PATH names /no/such/program, which is not there.'), printed)
})

async function demo(env) {
  const program = fileURLToPath(new URL('../demo/demo.mjs', import.meta.url))
  const child = spawn(process.execPath, [program, '--auto'], { env: { ...process.env, ...env }, stdio: 'pipe' })
  let printed = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (printed += chunk))
  const [code] = await once(child, 'close')
  return { code, printed }
}
