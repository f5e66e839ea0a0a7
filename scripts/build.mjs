// Builds the addon and writes index.d.ts from the doc comments of src/.
//
//   node scripts/build.mjs             a debug build: quick to make
//   node scripts/build.mjs --release   what users get
//   node scripts/build.mjs --check     builds, and fails when the index.d.ts that is committed is another
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const types = join(root, 'index.d.ts')
const { values: options } = parseArgs({ options: { release: { type: 'boolean' }, check: { type: 'boolean' } } })

const read = (path) => {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (error.code === 'ENOENT') return ''
    throw error
  }
}

const committed = read(types)
const cli = join(root, 'node_modules/@napi-rs/cli/dist/cli.js')
const args = ['build', '--platform', '--no-js', '--package', 'onbehalf', '--cwd', root]
if (process.env.CARGO_TARGET_DIR) args.push('--target-dir', process.env.CARGO_TARGET_DIR)
if (options.release) args.push('--profile', 'dist')
const { status } = spawnSync(process.execPath, [cli, ...args], { cwd: root, stdio: 'inherit' })
if (status !== 0) process.exit(status ?? 1)

if (options.check && read(types) !== committed) {
  writeFileSync(types, committed)
  console.error('index.d.ts is not what src/ says. Run `npm run build` and commit it.')
  process.exit(1)
}
