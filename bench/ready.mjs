/** What must be there before anything is measured: the peers, onbehalf as its users get it, and the floor. */
import { cpSync, mkdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

import { installPackages } from '../scripts/ready.mjs'
import { Failed, must, npm, root, say } from '../scripts/run.mjs'

const bench = join(root, 'bench')
/** Where npm would have put it: `import 'onbehalf'` finds it here, apart from the addon that the tests use. */
const installed = join(bench, 'node_modules', 'onbehalf')

/** Makes everything ready. Each tool decides itself what is stale, so a second time takes seconds. */
export async function ready({ build = true } = {}) {
  await installPackages()
  await installPeers()
  if (!build) return
  say('Compiling what is measured, as it is published (minutes, where the engine has changed)…')
  mkdirSync(installed, { recursive: true })
  const { files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const published = files.filter((file) => !file.includes('*'))
  for (const file of ['package.json', ...published]) cpSync(join(root, file), join(installed, file))
  await must(process.execPath, ['scripts/build.mjs', '--release', '--into', installed])
}

/** The addon of the floor: where cargo put it. */
export async function floor() {
  const manifest = join(bench, 'floor', 'Cargo.toml')
  const library = await compiled('onbehalf_bench_floor', ['--release', '--manifest-path', manifest])
  return library.filenames[0]
}

/** The engine's program that looks for what is due. */
export async function due() {
  // With a target, as the addon is built, so that they share what is compiled.
  const as = ['--profile', 'dist', '--target', 'host-tuple']
  const program = await compiled('due', [...as, '--package', 'onbehalf-engine', '--example', 'due'])
  return program.executable
}

/** Has cargo build what is called `name`, and answers what it says of that. */
async function compiled(name, args) {
  const target = process.env.CARGO_TARGET_DIR ?? join(root, 'target')
  const quietly = ['--locked', '--quiet', '--message-format', 'json', '--target-dir', target]
  const printed = await must('cargo', ['build', ...args, ...quietly])
  const built = printed
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line))
  const artifact = built.find(({ target }) => target?.name === name)
  if (!artifact) throw new Failed(`\`${name}\` did not compile.`)
  return artifact
}

/** The file that users load. */
export function addon() {
  const { platform, arch } = process
  const abi = { linux: '-gnu', win32: '-msvc' }[platform] ?? ''
  return join(installed, `onbehalf.${platform}-${arch}${abi}.node`)
}

async function installPeers() {
  const changed = (file) => statSync(join(bench, file), { throwIfNoEntry: false })?.mtimeMs ?? 0
  if (changed('node_modules/.package-lock.json') > changed('package-lock.json')) return
  say('Installing what it is measured against…')
  await npm(['ci', '--prefix', bench, '--no-audit', '--no-fund', '--ignore-scripts'])
}
