/**
 * Fuzzes what reads bytes that others write (`fuzz/`): every target for a few seconds, or those that are named.
 * `npm run fuzz -- token_response --seconds 600` goes on for as long as it is told.
 *
 * What a run finds on its way is kept in `target/fuzz`, so that the next one goes on from there; what breaks a promise
 * is left in `fuzz/artifacts`, and belongs into `fuzz/corpus` once it is mended.
 */
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

import { Failed, main, must, root, run, say } from './run.mjs'
import { requireTool } from './tools.mjs'

const folder = join(root, 'fuzz')
// libFuzzer's coverage is an unstable flag of the compiler; this lets a stable one take it.
const env = { RUSTC_BOOTSTRAP: '1' }

await main(async () => {
  const targets = readdirSync(join(folder, 'corpus'))
  const { values: options, positionals: chosen } = parseArgs({
    options: { seconds: { type: 'string', default: '10' } },
    allowPositionals: true,
  })
  const unknown = chosen.filter((name) => !targets.includes(name))
  if (unknown.length) throw new Failed(`There is no target ${unknown}. There are ${targets.join(', ')}.`)
  if (!/^[1-9]\d*$/.test(options.seconds)) throw new Failed('`--seconds` must be a whole number of them.')

  const cargoFuzz = await requireTool('cargo-fuzz')
  say('Compiling the fuzzers (a few minutes the first time)…')
  // Without a sanitizer: the engine has no `unsafe`, and what is looked for are panics and broken promises.
  await must(cargoFuzz, ['build', '--sanitizer', 'none'], { env })

  const broken = []
  for (const target of chosen.length ? chosen : targets) {
    const { ok, text } = await fuzz(cargoFuzz, target, options.seconds)
    const [, runs] = text.match(/number_of_executed_units: (\d+)/) ?? []
    // A fuzzer that tried nothing has shown nothing.
    const good = ok && runs > 0
    console.log(`${good ? '✓' : '✗'} ${target}: ${Number(runs ?? 0).toLocaleString('en')} inputs`)
    if (!good) broken.push(target)
  }
  if (broken.length) throw new Failed(`\nA promise is broken: ${broken.join(', ')}. See fuzz/artifacts.`)
})

/** Tries one target, beginning with its corpus. */
function fuzz(cargoFuzz, target, seconds) {
  const found = join(root, 'target', 'fuzz', target)
  mkdirSync(found, { recursive: true })
  const dictionary = join(folder, 'dictionaries', target)
  const corpora = [found, join(folder, 'corpus', target)]
  const limits = [`-max_total_time=${seconds}`, '-timeout=10', '-rss_limit_mb=1024', '-print_final_stats=1']
  if (existsSync(dictionary)) limits.push(`-dict=${dictionary}`)
  return run(cargoFuzz, ['run', '--sanitizer', 'none', target, ...corpora, '--', ...limits], { env })
}
