/**
 * Tries the package as its users get it under newer Nodes than the one that `npm test` runs on. They come from npm's
 * `node-<platform>-<arch>` packages and are kept in target/: too large to be everybody's dependencies.
 */
import { existsSync, mkdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'

import { ready } from './ready.mjs'
import { Failed, main, npm, packaged, root, run, say } from './run.mjs'

const versions = ['22.23.3', '24.21.0', '26.10.0']

await main(async () => {
  await ready()
  const nodes = await download()
  const ava = packaged('ava/entrypoints/cli.mjs', '__test__/package.spec.mjs', '--timeout', '2m')
  const { ok } = await run(...ava, { output: 'shown', env: { ONBEHALF_TEST_NODES: nodes.join(delimiter) } })
  if (!ok) throw new Failed('The package does not work everywhere.')
})

async function download() {
  const folder = join(root, 'target', 'nodes')
  const windows = process.platform === 'win32'
  const from = `node-${windows ? 'win' : process.platform}-${process.arch}`
  const path = (version) => join(folder, 'node_modules', `v${version}`, 'bin', windows ? 'node.exe' : 'node')

  if (!versions.every((version) => existsSync(path(version)))) {
    say(`Downloading Node ${versions.join(', ')}…`)
    mkdirSync(folder, { recursive: true })
    const named = versions.map((version) => `v${version}@npm:${from}@${version}`)
    await npm(['install', '--prefix', folder, '--no-audit', '--no-fund', '--no-save', '--ignore-scripts', ...named])
  }
  return versions.map(path)
}
