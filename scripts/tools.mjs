/** Cargo's programs that a script needs: the machine's, or one of our own that is compiled once, at one version. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'

import { must, onPath, root, say } from './run.mjs'

const versions = { 'cargo-about': '0.9.0', 'cargo-deny': '0.20.2', 'cargo-fuzz': '0.13.2' }

/** The path of a program. Who runs for the first time waits until it is compiled. */
export async function requireTool(name) {
  const found = onPath(name)
  if (found) return found

  const folder = join(root, 'target', 'tools')
  const program = join(folder, 'bin', process.platform === 'win32' ? `${name}.exe` : name)
  if (!existsSync(program)) {
    say(`Compiling ${name} (up to a few minutes, once)…`)
    const install = ['install', '--locked', '--quiet', '--root', folder, `${name}@${versions[name]}`]
    // Elsewhere than the engine's, whose cache its crates would crowd.
    await must('cargo', install, { env: { CARGO_TARGET_DIR: join(folder, 'build') } })
  }
  return program
}
