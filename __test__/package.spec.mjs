/**
 * The package as its users get it: packed, and installed in an empty folder without a network.
 *
 * `npm test` tries it on this Node; `npm run test:package` on newer ones too, which `ONBEHALF_TEST_NODES` names.
 */
import { execFile } from 'node:child_process'
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'

import test from 'ava'

import { packAll } from '../scripts/pack.mjs'
import { npm, root } from '../scripts/run.mjs'

const nodes = process.env.ONBEHALF_TEST_NODES?.split(delimiter) ?? [process.execPath]
const folder = mkdtempSync(join(tmpdir(), 'onbehalf-package-'))
const consumer = join(folder, 'consumer')
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

let tarballs
test.before(async (t) => {
  t.timeout(300_000, 'a debug build is large to pack, and the machine may be busy')
  tarballs = await packAll(join(folder, 'tarballs'))
  await install(consumer, tarballs)
  cpSync(join(root, '__test__', 'consumer'), consumer, { recursive: true })
  for (const runner of ['ava', 'jest'])
    symlinkSync(join(root, 'node_modules', runner), join(consumer, 'node_modules', runner), 'junction')
})
test.after.always(() => rmSync(folder, { recursive: true, force: true }))

for (const node of nodes) {
  const version = node === process.execPath ? process.version : dirname(dirname(node)).split(/[\\/]/).at(-1)
  const works = (title, args, env) =>
    // One after the other: each starts processes and threads of its own.
    test.serial(`${title} (${version})`, async (t) => {
      t.timeout(120_000)
      const { code, output } = await run(node, args, { cwd: consumer, env })
      t.is(code, 0, output)
    })

  works('it can be imported', ['import.mjs'])
  works('it can be required', ['require.cjs'])
  works('it can be imported where intrinsics are frozen', ['import.mjs'], { NODE_OPTIONS: '--frozen-intrinsics' })
  works('it can be required where intrinsics are frozen', ['require.cjs'], { NODE_OPTIONS: '--frozen-intrinsics' })
  works('threads can use it, and may be stopped while they do', ['workers.mjs'])
  works('a consumer’s own tests run in ava', ['node_modules/ava/entrypoints/cli.mjs', '--timeout=60s', 'ava.test.mjs'])
  works('a consumer’s own tests run in Jest', ['node_modules/jest/bin/jest.js', '--rootDir=.', 'jest.test.cjs'])
}

test('the package has no addon in it, and asks for exactly its own version of each platform’s', async (t) => {
  const { main, files, optionalDependencies, scripts } = await installed(consumer)
  t.is(main, 'index.js')
  t.is(scripts, undefined)
  t.true(files.includes('native.js'))
  const { code, output } = await run('tar', ['--force-local', '-tzf', tarballs.at(-1)])
  t.is(code, 0, output)
  t.true(output.includes('package/index.js\n') && !output.includes('.node\n'), output)
  t.deepEqual(
    Object.keys(optionalDependencies),
    supported().map((target) => `onbehalf-${target}`),
  )
  t.deepEqual([...new Set(Object.values(optionalDependencies))], [manifest.version])
})

test('an installation without optional dependencies says in a line what it lacks, and what helps', async (t) => {
  t.timeout(120_000)
  const message = await refusal(await withoutAddons())
  t.regex(message, /^onbehalf's addon for \S+ is missing\. .*`npm install --include=optional`/)
})

const elsewhere = [
  { platform: 'freebsd', arch: 'x64', target: 'freebsd-x64' },
  { platform: 'linux', arch: 'riscv64', execPath: 'glibc', target: 'linux-riscv64-gnu' },
  { platform: 'linux', arch: 's390x', execPath: 'musl', target: 'linux-s390x-musl' },
  { platform: 'linux', arch: 'ppc64', execPath: 'nowhere', target: 'linux-ppc64-gnu' },
  { platform: 'win32', arch: 'ia32', target: 'win32-ia32-msvc' },
]
for (const { target, ...faked } of elsewhere)
  test(`on ${target} it says in a line that it does not run there, and where it does`, async (t) => {
    const message = await refusal(consumer, faked)
    t.is(message, `onbehalf does not run on ${target}. It runs on ${supported().join(', ')}.`)
  })

test('on Alpine it takes the addon for musl', async (t) => {
  const message = await refusal(await withoutAddons(), { platform: 'linux', arch: process.arch, execPath: 'musl' })
  t.regex(message, new RegExp(`^onbehalf's addon for linux-${process.arch}-musl is missing\\.`))
})

test('an addon that does not load is named, with the reason', async (t) => {
  const broken = join(folder, 'broken')
  mkdirSync(join(broken, 'node_modules', 'onbehalf'), { recursive: true })
  const native = join('node_modules', 'onbehalf', 'native.js')
  copyFileSync(join(consumer, native), join(broken, native))
  for (const target of supported())
    writeFileSync(join(broken, dirname(native), `onbehalf.${target}.node`), 'no library')
  t.regex(await refusal(broken, {}, 'onbehalf/native.js'), /^onbehalf's addon for \S+ does not load: .+/)
})

/** An installation of the package alone. */
let omitting
const withoutAddons = () => (omitting ??= installAlone())
async function installAlone() {
  const path = join(folder, 'omitting')
  await install(path, [tarballs.at(-1)], '--omit=optional')
  return path
}

/** Installs tarballs in an empty folder, as nobody who is online would have to. */
async function install(path, packages, ...args) {
  mkdirSync(path)
  writeFileSync(join(path, 'package.json'), '{ "private": true }')
  await npm(['install', '--offline', '--ignore-scripts', '--no-audit', '--no-fund', ...args, ...packages], {
    cwd: path,
  })
}

const installed = async (path) => JSON.parse(readFileSync(join(path, 'node_modules/onbehalf/package.json'), 'utf8'))

/** What the loader says, in a Node that believes to be elsewhere; it must be one line. */
async function refusal(cwd, { execPath, ...faked } = {}, entry = 'onbehalf') {
  const executable = join(folder, `node-${execPath}`)
  // What begins an executable of each library, as far as it matters here.
  const loaders = { glibc: '/lib64/ld-linux-x86-64.so.2', musl: '/lib/ld-musl-x86_64.so.1' }
  if (loaders[execPath]) writeFileSync(executable, `\x7fELF${'\0'.repeat(500)}${loaders[execPath]}\0`)
  const values = execPath ? { ...faked, execPath: executable } : faked
  const source = `
    for (const [name, value] of Object.entries(${JSON.stringify(values)})) Object.defineProperty(process, name, { value })
    try { require('${entry}') } catch ({ message }) { console.log(message) }`
  const { output } = await run(process.execPath, ['--eval', source], { cwd })
  const [line, ...more] = output.trimEnd().split('\n')
  if (!line || more.length) throw new Error(`one line was expected: ${output}`)
  return line
}

/** The targets of package.json in the words of npm. */
const supported = () => {
  const systems = { 'apple-darwin': ['darwin'], 'pc-windows-msvc': ['win32', 'msvc'] }
  const words = { aarch64: 'arm64', x86_64: 'x64' }
  return manifest.napi.targets
    .map((triple) => {
      const [, arch, system] = /^(\w+?)-(.*)$/.exec(triple)
      const [platform, abi] = systems[system] ?? ['linux', system.split('-').at(-1)]
      return [platform, words[arch], abi].filter(Boolean).join('-')
    })
    .sort()
}

/** Runs a program to its end; its outputs come as one. */
function run(program, args, { cwd, env } = {}) {
  const options = { cwd, env: { ...process.env, NODE_OPTIONS: '', ...env }, timeout: 110_000 }
  return new Promise((resolve) => {
    execFile(program, args, options, (error, stdout, stderr) =>
      resolve({ code: error ? (error.code ?? error.signal) : 0, output: stdout + stderr }),
    )
  })
}
