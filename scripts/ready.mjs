/**
 * Makes a fresh clone ready to run: the packages, then the addon; with `--packages` only those. Quick when there is
 * nothing to do. It is there before any package is, so it uses none.
 */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

import { Failed, isProgram, main, npm, onPath, root, run, say } from './run.mjs'

/** Installs the packages and builds the addon, as far as that is not done. */
export async function ready() {
  await installPackages()
  await buildAddon()
}

/** Installs exactly what the lock file names, unless that was done since it last changed. */
export async function installPackages() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  const supported = (major === 20 && minor >= 17) || (major === 22 && minor >= 13) || major >= 24
  if (!supported) throw new Failed(`Node ${process.version} is not supported. Take 20.17, 22.13, 24 or newer ones.`)

  const changed = (file) => statSync(join(root, file), { throwIfNoEntry: false })?.mtimeMs ?? 0
  // npm writes this one last, when all is in place.
  if (changed('node_modules/.package-lock.json') > changed('package-lock.json')) return

  say('Installing packages…')
  await npm(['ci', '--no-audit', '--no-fund', '--ignore-scripts'])
}

/** Builds the addon for development. Cargo decides what is stale. */
async function buildAddon() {
  if (!onPath('cargo')) throw new Failed('Rust is missing. Install it from https://rustup.rs, then run this again.')

  const first = !readdirSync(root).some((file) => file.endsWith('.node'))
  if (first) say('Compiling the engine (a few minutes the first time)…')
  // The first build shows cargo's progress to whoever waits for it.
  const output = first && process.stderr.isTTY ? 'shown' : 'quiet'
  const { ok } = await run(process.execPath, ['scripts/build.mjs'], { output })
  if (!ok) throw new Failed('The addon did not compile.')
}

if (isProgram(import.meta)) await main(process.argv.includes('--packages') ? installPackages : ready)
