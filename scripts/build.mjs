// Builds the addon and writes index.d.ts from the doc comments of src/.
//
//   node scripts/build.mjs             a debug build: quick to make
//   node scripts/build.mjs --release   what users get
//   … --into FOLDER                    elsewhere than beside package.json
import { spawnSync } from 'node:child_process'
import { readFileSync, readdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { gzipSync } from 'node:zlib'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const { values: options } = parseArgs({ options: { release: { type: 'boolean' }, into: { type: 'string' } } })

const cli = join(root, 'node_modules/@napi-rs/cli/dist/cli.js')
const args = ['build', '--platform', '--no-js', '--package', 'onbehalf', '--cwd', root]
if (process.env.CARGO_TARGET_DIR) args.push('--target-dir', process.env.CARGO_TARGET_DIR)
if (options.into) args.push('--output-dir', options.into)
args.push(...(options.release ? ['--profile', 'dist'] : ['--features', 'trace']))
// What is released is what the lock file names.
if (options.release) args.push('--', '--locked')
const { status } = spawnSync(process.execPath, [cli, ...args], { cwd: root, stdio: 'inherit' })
if (status !== 0) process.exit(status ?? 1)

// A release takes minutes: whoever waited for it sees what came of it, and what its users will download.
if (options.release && process.stdout.isTTY) {
  const folder = options.into ?? root
  const made = readdirSync(folder).filter((file) => /^onbehalf\..*\.node$/.test(file))
  const [newest] = made.sort(
    (one, other) => statSync(join(folder, other)).mtimeMs - statSync(join(folder, one)).mtimeMs,
  )
  const addon = readFileSync(join(folder, newest))
  const megabytes = ({ length }) => `${(length / 1e6).toFixed(1)} MB`
  console.log(`${newest}: ${megabytes(addon)}, ${megabytes(gzipSync(addon))} to download`)
}
