/**
 * Packs what npm gets: one package for each platform, with its addon, and the package itself, with none.
 *
 *   node scripts/pack.mjs FOLDER                  the addon that was built here
 *   node scripts/pack.mjs FOLDER --addons OTHER   every supported platform's, from OTHER; a missing one is an error
 *
 * With `--addons` each addon is packed with our licence and the notices of what is compiled into it.
 * `npm pack` by itself packs a checkout with the addon that lies in it: what an installation from git needs.
 */
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'

import { Failed, isProgram, main, must, npm, packaged, root } from './run.mjs'
import { requireTool } from './tools.mjs'

const staging = join(root, 'target', `pack-${process.pid}`)

/** Writes all tarballs into `folder`, and answers their paths: the platforms', then the package's. */
export const packAll = (folder, addons) =>
  staged(async (platforms) => {
    const built = platforms.filter((platform) => addAddon(platform, addons ?? root))
    if (addons) await addNotices(built)
    const missing = platforms.filter((platform) => !built.includes(platform)).map(({ manifest }) => manifest.name)
    if (addons && missing.length) throw new Failed(`${addons} lacks the addons of ${missing.join(', ')}.`)
    if (!built.length) throw new Failed('There is no addon yet: `npm run build` makes one.')

    const all = [...built.map(({ path }) => path), await stagePackage(platforms)]
    return await Promise.all(all.map((path) => packFolder(path, folder)))
  })

/** Writes the package's tarball alone. */
export const packPackage = (folder) => staged(async (platforms) => packFolder(await stagePackage(platforms), folder))

/** Does some work on every platform's package, which has no addon yet. */
async function staged(work) {
  const folder = join(staging, 'platforms')
  mkdirSync(folder, { recursive: true })
  try {
    // The CLI knows how npm calls systems, processors and C libraries.
    await must(...packaged('@napi-rs/cli/dist/cli.js', 'create-npm-dirs', '--cwd', root, '--npm-dir', folder))
    const paths = readdirSync(folder).map((name) => join(folder, name))
    return await work(paths.map((path) => ({ path, manifest: readManifest(path) })))
  } finally {
    rmSync(staging, { recursive: true, force: true })
  }
}

/** Puts a platform's addon into its package, and answers whether there is one. */
function addAddon({ path, manifest }, from) {
  const addon = join(from, manifest.main)
  if (!existsSync(addon)) return false
  cpSync(addon, join(path, manifest.main))
  return true
}

/** Puts the licences into the platforms' packages: an addon is made of other people's work too. */
async function addNotices(platforms) {
  const notices = join(staging, 'THIRD-PARTY-NOTICES.txt')
  await must(await requireTool('cargo-about'), ['generate', '--locked', '--output-file', notices, 'about.hbs'])
  for (const { path, manifest } of platforms) {
    for (const file of [join(root, 'LICENSE'), notices]) cpSync(file, join(path, basename(file)))
    const files = [...manifest.files, basename(notices)]
    writeFileSync(join(path, 'package.json'), `${JSON.stringify({ ...manifest, files }, null, 2)}\n`)
  }
}

/** The package as it is published: what npm would pack here, without an addon, and asking for one of the platforms'. */
async function stagePackage(platforms) {
  const path = join(staging, 'package')
  const { files } = await npmPack(root, '--dry-run')
  for (const { path: file } of files) if (!file.endsWith('.node')) cpSync(join(root, file), join(path, file))

  const { scripts, devDependencies, overrides, ava, jest, ...manifest } = readManifest(root)
  // Exactly: a loader and an addon of two versions don't know each other.
  const optionalDependencies = Object.fromEntries(platforms.map(({ manifest: { name, version } }) => [name, version]))
  writeFileSync(join(path, 'package.json'), `${JSON.stringify({ ...manifest, optionalDependencies }, null, 2)}\n`)
  return path
}

async function packFolder(path, folder) {
  mkdirSync(folder, { recursive: true })
  const { filename } = await npmPack(path, '--pack-destination', resolve(folder))
  return join(folder, filename)
}

/** What `npm pack` says of a folder that it packed. What it would say beside that is no JSON. */
async function npmPack(cwd, ...args) {
  const [packed] = JSON.parse(await npm(['pack', '--json', '--ignore-scripts', '--loglevel=error', ...args], { cwd }))
  return packed
}

const readManifest = (folder) => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))

if (isProgram(import.meta))
  await main(async () => {
    const options = { addons: { type: 'string' } }
    const { values, positionals } = parseArgs({ allowPositionals: true, options })
    if (positionals.length !== 1) throw new Failed('Name the folder that the tarballs go to.')
    console.log((await packAll(positionals[0], values.addons)).join('\n'))
  })
