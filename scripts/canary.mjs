/**
 * The search for leaked secrets: the tests of the addon run once more, with everything logged that any crate logs and
 * every file kept; then whatever that produced is scanned for every secret that passed a provider, in every form that
 * software gives to text. One hit is a failure.
 *
 * `npm run canary` does it. When there is a hit, what was produced stays, to be looked at.
 */
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'

import { Leaks } from '../__test__/support/leaks.mjs'
import { ready } from './ready.mjs'
import { Failed, main, root, run } from './run.mjs'

/** Not in the repository: within it, programs would find this package instead of the one that a test installed. */
const folder = mkdtempSync(join(tmpdir(), 'onbehalf-canary-'))

/** What may hold secrets, because it is not ours, or is made to be searched by a test of its own. */
const exempt = [/^secrets$/, /^tmp\/(?:playwright|\.?org\.chromium)/, /\/core[^/]*$/, /\.heapsnapshot$/]

/** The sandbox is in the same process, where nobody watches what passes; its secrets are marked. */
const sandboxSecret = /sandbox-(?:access|refresh|code|key)-[\w-]{20,}/

await main(async () => {
  await ready()
  for (const name of ['pages', 'tmp', 'trace']) mkdirSync(join(folder, name), { recursive: true })

  const env = {
    NODE_OPTIONS: `--import ${pathToFileURL(join(root, 'scripts', 'canary-preload.mjs'))}`,
    ONBEHALF_CANARY: folder,
    ONBEHALF_TRACE: join(folder, 'trace'),
    TMPDIR: join(folder, 'tmp'),
  }
  const { ok, text } = await run(process.execPath, ['scripts/test.mjs', 'ava', 'jest'], { env, output: 'quiet' })
  if (!ok) throw new Failed('The tests fail while they are watched.')
  writeFileSync(join(folder, 'output'), text)

  const secrets = readFileSync(join(folder, 'secrets'), 'utf8').trim().split('\n').map(JSON.parse)
  const leaks = new Leaks(secrets)
  const produced = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
  const scanned = produced.filter((path) => !exempt.some((pattern) => pattern.test(relative(folder, path))))

  let bytes = 0
  const hits = scanned.flatMap((path) => {
    const content = readFileSync(path)
    bytes += content.length
    const hits = leaks.in(content).map(({ form, at }) => `${path}: a secret (${form}) at byte ${at}`)
    const marked = content.toString('latin1').match(sandboxSecret)
    return marked ? [...hits, `${path}: a secret of the sandbox, ${marked[0].length} characters long`] : hits
  })
  prove(secrets, scanned, leaks)

  const megabytes = (bytes / 1e6).toFixed(1)
  console.log(`canary: ${secrets.length} secrets, ${scanned.length} files, ${megabytes} MB, ${hits.length} hits`)
  if (hits.length) throw new Failed([...new Set(hits)].join('\n'))
  rmSync(folder, { recursive: true })
})

/** That there was something to find and something to search: a silent run proves nothing. */
function prove(secrets, scanned, leaks) {
  const some = (part) => scanned.some((path) => relative(folder, path).startsWith(part))
  for (const part of ['output', 'pages/', 'tmp/', 'trace/'])
    if (!some(part)) throw new Failed(`The canary run produced no ${part}, so it shows nothing.`)
  const logged = scanned.filter((path) => path.endsWith('.log')).map((path) => readFileSync(path, 'utf8'))
  for (const crate of ['onbehalf_engine', 'hyper_util', 'reqwest'])
    if (!logged.some((text) => text.includes(` ${crate}::`))) throw new Failed(`Nothing of ${crate} was logged.`)
  if (secrets.length < 100) throw new Failed(`Only ${secrets.length} secrets passed by: the watch is broken.`)
  if (!leaks.in(readFileSync(join(folder, 'secrets'))).length) throw new Failed('The scan finds nothing where all is.')
}
