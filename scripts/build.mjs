// Builds the addon and writes index.d.ts from the doc comments of src/.
//
//   node scripts/build.mjs             a debug build: quick to make
//   node scripts/build.mjs --release   what users get
//   … --into FOLDER                    elsewhere than beside package.json
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const { values: options } = parseArgs({ options: { release: { type: 'boolean' }, into: { type: 'string' } } })

const cli = join(root, 'node_modules/@napi-rs/cli/dist/cli.js')
const args = ['build', '--platform', '--no-js', '--package', 'onbehalf', '--cwd', root]
if (process.env.CARGO_TARGET_DIR) args.push('--target-dir', process.env.CARGO_TARGET_DIR)
if (options.into) args.push('--output-dir', options.into)
if (options.release) args.push('--profile', 'dist')
const { status } = spawnSync(process.execPath, [cli, ...args], { cwd: root, stdio: 'inherit' })
if (status !== 0) process.exit(status ?? 1)
