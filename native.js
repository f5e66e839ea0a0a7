/** Loads the addon for this platform: the one that was built here, else the one that npm installed beside this package. */
const { closeSync, openSync, readSync } = require('node:fs')

const { arch, execPath, platform } = process

// As `napi.targets` in package.json, in the CLI's words.
const supported = [
  'darwin-arm64',
  'darwin-x64',
  'linux-arm64-gnu',
  'linux-arm64-musl',
  'linux-x64-gnu',
  'linux-x64-musl',
  'win32-arm64-msvc',
  'win32-x64-msvc',
]

const target = [platform, arch, { linux: libc, win32: () => 'msvc' }[platform]?.()].filter(Boolean).join('-')

/** Near its beginning, Node's own file names the dynamic loader that started it, which is that of one C library. */
function libc() {
  const head = Buffer.alloc(4096)
  try {
    const file = openSync(execPath, 'r')
    readSync(file, head)
    closeSync(file)
  } catch {
    // Where Node may be run but not read, the usual library is as good a guess as any.
  }
  return head.includes('/ld-musl-') ? 'musl' : 'gnu'
}

// No variable names another path: who sets the environment must not choose what code runs.
function load() {
  if (!supported.includes(target))
    throw new Error(`onbehalf does not run on ${target}. It runs on ${supported.join(', ')}.`)

  const installed = `onbehalf-${target}`
  for (const path of [`./onbehalf.${target}.node`, installed]) {
    try {
      return require(path)
    } catch (cause) {
      if (cause.code !== 'MODULE_NOT_FOUND')
        throw new Error(`onbehalf's addon for ${target} does not load: ${cause.message.split('\n')[0]}`, { cause })
    }
  }
  throw new Error(
    `onbehalf's addon for ${target} is missing. npm installs it as \`${installed}\`, unless optional dependencies are ` +
      'left out: run `npm install --include=optional`. In a clone, `npm run build` makes it.',
  )
}

module.exports = load()
