/**
 * Every test: the engine's, those of them that concern a store once more on PostgreSQL, many processes on it, the types',
 * the addon's from ava and from Jest. `npm test -- ava jest` runs only those.
 *
 * Each runner prints as it does; the last lines say once more what each of them ran. A runner that ran nothing failed.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'

import { requireChromium } from './chromium.mjs'
import { offerFaketime } from './faketime.mjs'
import { offerPostgres } from './postgres.mjs'
import { ready } from './ready.mjs'
import { Failed, main, packaged, root, run, say } from './run.mjs'

/** How to count in what a program prints, by the numbers that are named or else by the line. */
const counts = {
  cargo: {
    passed: /^test result:.* (\d+) passed/gm,
    failed: /^test result:.* (\d+) failed/gm,
    skipped: /^test result:.* (\d+) ignored/gm,
  },
  ava: {
    passed: /^ {2}[✔√] /gm,
    failed: /^ {2}[✘×] /gm,
    skipped: /^ {2}- \[(?:skip|todo)\]/gm,
  },
  jest: {
    passed: /^Tests:.*?(\d+) passed/gm,
    failed: /^Tests:.*?(\d+) failed/gm,
    skipped: /^Tests:.*?(\d+) (?:skipped|todo)/gm,
  },
  vitest: {
    passed: /^ +Tests +.*?(\d+) passed/gm,
    failed: /^ +Tests +.*?(\d+) failed/gm,
    skipped: /^ +Tests +.*?(\d+) (?:skipped|todo)/gm,
  },
}

/** Where the tests of a store are to run, and what they then need. */
const onPostgres = { needs: 'ONBEHALF_TEST_POSTGRES', env: { ONBEHALF_TEST_STORE: 'postgres' } }

/** Each runner: its command, and how to count in what it prints. */
const runners = {
  cargo: { command: ['cargo', ['test', '--workspace', '--no-fail-fast']], ...counts.cargo },
  postgres: {
    command: ['cargo', ['test', '--package', 'onbehalf-engine', '--test', 'it', '--test', 'kills', '--no-fail-fast']],
    ...onPostgres,
    ...counts.cargo,
  },
  // Real processes, with fewer accounts: each is refreshed as often as ava's.
  'postgres-processes': {
    command: packaged('ava/entrypoints/cli.mjs', '__test__/many-processes.spec.mjs'),
    ...onPostgres,
    env: { ...onPostgres.env, MANY_ACCOUNTS: '100' },
    ...counts.ava,
  },
  types: { command: packaged('typescript/bin/tsc', '--project', '__test__/types') },
  ava: { command: packaged('ava/entrypoints/cli.mjs'), ...counts.ava },
  jest: {
    // Node's modules in Jest's sandbox still need this flag.
    command: [process.execPath, ['--experimental-vm-modules', ...packaged('jest/bin/jest.js')[1]]],
    ...counts.jest,
  },
  // Only the example that shows it.
  vitest: { command: packaged('vitest/vitest.mjs', 'run'), ...counts.vitest },
}

const typeTests = readdirSync(join(root, '__test__/types')).filter((file) => /\.[cm]?ts$/.test(file)).length

await main(async () => {
  const chosen = process.argv.slice(2)
  const unknown = chosen.filter((name) => !(name in runners))
  if (unknown.length) throw new Failed(`There is no runner ${unknown}. There are ${Object.keys(runners).join(', ')}.`)

  await ready()
  process.env.CHROME_PATH = await requireChromium()
  await offerFaketime()

  const wanted = chosen.length ? chosen : Object.keys(runners)
  const stopPostgres = wanted.some((name) => name === 'cargo' || runners[name].needs) ? await offerPostgres() : () => {}

  const results = []
  for (const name of wanted.filter((name) => !runners[name].needs || process.env[runners[name].needs])) {
    say(`\n${name}`)
    results.push({ name, ...(await test(runners[name])) })
  }
  await stopPostgres()

  console.log()
  for (const { name, passed, failed, skipped } of results)
    console.log(`${name}: ${passed} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ''}`)
  const broken = results.filter(({ ok, passed, failed }) => !ok || failed || !passed)
  if (broken.length) throw new Failed(`\nNot all is well: ${broken.map(({ name }) => name).join(', ')}.`)
})

async function test({ command, env, passed, failed, skipped }) {
  // What is read here is plain, whatever the caller wishes for their own eyes.
  const { ok, text } = await run(...command, { output: 'both', env: { ...env, FORCE_COLOR: undefined, NO_COLOR: '1' } })
  // The compiler doesn't count: each file of types is a test.
  if (!passed) return { ok, passed: ok ? typeTests : 0, failed: ok ? 0 : typeTests }

  const count = (pattern) => [...text.matchAll(pattern)].reduce((sum, [, number = 1]) => sum + Number(number), 0)
  return { ok, passed: count(passed), failed: count(failed), skipped: count(skipped) }
}
