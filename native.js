// Loads the addon of this platform: the one that was built here, else the one that npm installed beside this package.

const { platform, arch } = process

// On Linux the file tells which C library it was built for. npm installs the one that fits.
const targets = {
  darwin: [`darwin-${arch}`],
  linux: [`linux-${arch}-gnu`, `linux-${arch}-musl`],
  win32: [`win32-${arch}-msvc`],
}[platform]

const load = () => {
  let cause
  for (const target of targets ?? []) {
    for (const path of [`./onbehalf.${target}.node`, `onbehalf-${target}`]) {
      try {
        return require(path)
      } catch (failure) {
        // That most of them are missing is no news; that one does not load is.
        if (failure.code !== 'MODULE_NOT_FOUND') cause ??= failure
      }
    }
  }
  throw new Error(
    `onbehalf has no addon for ${platform}-${arch} here. Build it where the package lies: \`npm run build\` (needs Rust).`,
    cause && { cause },
  )
}

module.exports = load()
