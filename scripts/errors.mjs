/**
 * The README's table of errors, made of the engine's own list, so that the two cannot differ.
 *
 * `node scripts/errors.mjs` writes it; with `--check` it only says whether it is what it should be.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { Failed, main, root } from './run.mjs'

const begin = '<!-- prettier-ignore-start -->'
const end = '<!-- prettier-ignore-end -->'

await main(() => {
  const file = join(root, 'README.md')
  const readme = readFileSync(file, 'utf8')
  const [before, rest, ...more] = readme.split(begin)
  const after = rest?.split(end)[1]
  if (after === undefined || more.length) throw new Failed(`README.md needs one "${begin}" and its end.`)

  const written = `${before}${begin}\n${table(readFileSync(join(root, 'crates/engine/src/error.rs'), 'utf8'))}\n${end}${after}`
  if (written === readme) return
  if (process.argv.includes('--check'))
    throw new Failed("README.md's errors are not the engine's: `npm run format` mends it.")
  writeFileSync(file, written)
})

/** One row for each variant of the engine's error, in its order: the code, and what to do, which is the variant's doc. */
function table(source) {
  const variants = source.slice(source.indexOf('pub enum Error {'), source.indexOf('\n}\n'))
  const remedies = [...variants.matchAll(/((?:^ {4}\/\/\/ .*\n)+)(?:^ {4}#\[error[^]*?\)\]\n)^ {4}(\w+)/gm)]
  const codes = new Map([...source.matchAll(/Self::(\w+)(?: \{ \.\. \})? => "([A-Z_]+)"/g)].map(([, ...pair]) => pair))
  const retryable = new Set(source.match(/fn retryable[^]*?\n {4}\}/)[0].match(/(?<=Self::)\w+/g))
  if (remedies.length === 0 || remedies.length !== codes.size)
    throw new Failed(`error.rs has ${remedies.length} documented variants and ${codes.size} codes.`)

  const rows = remedies.map(([, doc, variant]) => {
    const remedy = doc
      .replaceAll(/^ {4}\/\/\/ /gm, '')
      .trim()
      .replaceAll('\n', ' ')
    return `| \`${codes.get(variant)}\` | ${remedy} | ${retryable.has(variant) ? 'yes' : ''} |`
  })
  return ['| code | what to do | `retryable` |', '| --- | --- | --- |', ...rows].join('\n')
}
