/**
 * The library of `faketime`, which lets a program believe that it is another time: where it is, and how to get it.
 *
 * `node scripts/faketime.mjs` prints where it is, and installs it first where there is none and that can be done.
 */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

import { aptInstall, isProgram, main, onPath, say } from './run.mjs'

/** What Linux preloads into a program, or `undefined`. */
export function findFaketime() {
  if (process.platform !== 'linux') return undefined
  const folders = ['/usr/lib', '/usr/lib64', ...readdirSync('/usr/lib').map((name) => join('/usr/lib', name))]
  return folders.map((folder) => join(folder, 'faketime/libfaketimeMT.so.1')).find(existsSync)
}

/** The same, installed when this program may: tests that need it say that they are left out where it may not. */
export async function offerFaketime() {
  const found = findFaketime()
  if (found || process.platform !== 'linux') return found
  if (process.getuid() === 0 && onPath('apt-get')) {
    say('Installing faketime with apt-get…')
    await aptInstall('faketime')
  } else say('The tests that move the clock are left out: they need the package faketime.')
  return findFaketime()
}

if (isProgram(import.meta)) await main(async () => console.log(await offerFaketime()))
