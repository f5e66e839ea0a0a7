/**
 * Writes figures into the README: `npm run bench -- --json FILE`, then `node bench/readme.mjs FILE`.
 *
 * Ratios only: they depend less on the machine than times.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { Failed, main, must, packaged, root } from '../scripts/run.mjs'
import { number, proportion } from './table.mjs'

const [begin, end] = ['<!-- figures: bench/readme.mjs writes them -->', '<!-- end of figures -->']

/** Whom a contestant stands for. */
const peers = {
  sdk: '`@scalekit-sdk/node`',
  undici: '`undici`, without us',
  floor: 'an empty call, and SQLite alone',
  node: 'a process that does nothing',
  one: 'one account',
  thousand: 'a thousand accounts',
  thousandDue: 'a thousand accounts',
  thousandMemory: 'a thousand accounts',
}

await main(async () => {
  const [figures] = process.argv.slice(2)
  if (!figures) throw new Failed('Say which figures: `npm run bench -- --json FILE` writes them.')
  const file = join(root, 'README.md')
  const [before, rest] = readFileSync(file, 'utf8').split(begin)
  const after = rest?.split(end)[1]
  if (after === undefined) throw new Failed(`README.md needs "${begin}" and "${end}".`)
  const table = rowsOf(JSON.parse(readFileSync(figures, 'utf8')))
  writeFileSync(file, `${before}${begin}\n\n${table}\n\n${end}${after}`)
  await must(...packaged('prettier/bin/prettier.cjs', '--write', '--log-level', 'warn', 'README.md'))
})

function rowsOf(figures) {
  const rows = figures.map(({ what, against, ratio, ours, unit, aim, reached }) => {
    const own = ratio === undefined || aim?.startsWith('ours')
    const figure = own ? `${number(ours)} ${unit}` : proportion(ratio)
    const bound = aim?.replace('ratio ', '').replace(/^ours (.*)$/, `$1 ${unit}`)
    const cells = [what, peers[against] ?? '', figure, bound ?? '', aim ? (reached ? 'yes' : 'no') : '']
    return `| ${cells.join(' | ')} |`
  })
  return ['| what | compared with | ours : theirs | aim | reached |', '| --- | --- | --- | --- | --- |', ...rows].join(
    '\n',
  )
}
