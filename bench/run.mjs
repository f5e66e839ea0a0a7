/**
 * How fast onbehalf is: against Scalekit's SDK, against undici, against floors. All in one run, as medians and ratios.
 *
 *   npm run bench                          everything
 *   npm run bench -- --only request-small  one benchmark; may be repeated
 *   npm run bench -- --json figures.json   the same, for programs
 *   npm run bench -- --list                their names
 *   npm run bench -- --no-build            with the addon that was built last
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'

import { Failed, main } from '../scripts/run.mjs'
import { compare, measure } from './measure.mjs'
import { ready } from './ready.mjs'
import { heading, isReached, line, shown } from './table.mjs'
import { close } from './world.mjs'

/** Each is a file of `benchmarks`; in the order in which they are read best. */
const known = [
  'existing-account',
  'accounts-1-1000-100000',
  'authorization-link',
  'request-small',
  'request-small-64',
  'request-1MiB',
  'request-100MiB-stream',
  'refresh',
  'refresh-background',
  'due-100000',
  'accounts-1000000',
  'require-time',
  'resident-memory',
  'cold-first-link',
  'addon-size',
]

await main(async () => {
  const { values: options } = parseArgs({
    options: {
      only: { type: 'string', multiple: true },
      json: { type: 'string' },
      list: { type: 'boolean' },
      'no-build': { type: 'boolean' },
    },
  })
  if (options.list) return console.log(known.join('\n'))
  const chosen = options.only ?? known
  const unknown = chosen.filter((name) => !known.includes(name))
  if (unknown.length) throw new Failed(`There is no benchmark ${unknown.join(', ')}. \`--list\` names them.`)

  await ready({ build: !options['no-build'] })
  console.log(heading)
  const figures = []
  for (const name of chosen) figures.push(...(await figuresOf(name).finally(close)))
  if (options.json) writeFileSync(options.json, `${JSON.stringify(figures, undefined, 2)}\n`)
  const missed = figures.filter(({ reached }) => reached === false).map(({ name }) => name)
  if (missed.length) console.log(`\nNot reached: ${missed.join(', ')}.`)
  // What was measured may leave connections open.
  process.exit()
})

/** Measures one benchmark, prints its rows, and answers them. */
async function figuresOf(name) {
  const { default: benchmark } = await import(`./benchmarks/${name}.mjs`)
  const contestants = await benchmark.contestants()
  const samples = await measure(contestants, benchmark)
  return benchmark.rows.map(({ name, what, ours = 'ours', against, aim, unit = benchmark.unit }) => {
    const compared = compare(samples[ours], samples[against])
    console.log(line({ name, unit, against, aim, ...compared }))
    return {
      name,
      ours: compared.ours.median,
      theirs: compared.theirs?.median,
      ratio: compared.ratio,
      unit,
      aim: aim && shown(aim),
      what,
      against,
      cpuRatio: compared.cpu,
      reached: aim && isReached(aim, compared),
    }
  })
}
