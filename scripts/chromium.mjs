/**
 * A Chromium to drive: where it is, how to start it where nobody watches, and how to get one.
 *
 * `node scripts/chromium.mjs` prints where one is, and installs one first when there is none.
 */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'

import { Failed, aptInstall, isProgram, main, must, onPath, packaged, say } from './run.mjs'

/** Starts without a screen, within a container, and without a word to anyone but the pages that it is sent to. */
export const launchArguments = [
  '--headless',
  '--no-sandbox', // a container's root has none to use
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** The program of a Chromium or Chrome of this machine, or `undefined`. `CHROME_PATH` goes before all others. */
export async function findChromium() {
  const chosen = process.env.CHROME_PATH
  if (chosen) {
    if (!existsSync(chosen)) throw new Failed(`CHROME_PATH names ${chosen}, which is not there.`)
    return chosen
  }
  return usualPlaces().find(existsSync) ?? (await downloaded())
}

function usualPlaces() {
  switch (process.platform) {
    case 'darwin':
      return ['/Applications', join(homedir(), 'Applications')].flatMap((folder) => [
        `${folder}/Chromium.app/Contents/MacOS/Chromium`,
        `${folder}/Google Chrome.app/Contents/MacOS/Google Chrome`,
      ])
    case 'win32':
      return [process.env.PROGRAMFILES, process.env['PROGRAMFILES(X86)'], process.env.LOCALAPPDATA]
        .filter(Boolean)
        .flatMap((folder) => [
          join(folder, 'Chromium', 'Application', 'chrome.exe'),
          join(folder, 'Google', 'Chrome', 'Application', 'chrome.exe'),
        ])
    default:
      return ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'].map(onPath).filter(Boolean)
  }
}

/** The one that Playwright keeps for all projects of this machine. */
async function downloaded() {
  const { chromium } = await import('playwright-core')
  const path = chromium.executablePath()
  return existsSync(path) ? path : undefined
}

/** The program of a Chromium, which is installed when the machine has none: tests that need one are never left out. */
export async function requireChromium() {
  const found = await findChromium()
  if (found) return found

  const root = process.getuid?.() === 0
  if (root && (await isDebian())) {
    say('Installing Chromium with apt-get…')
    await aptInstall('chromium')
  } else {
    say('Downloading a Chromium with Playwright…')
    await must(...packaged('playwright-core/cli.js', 'install', 'chromium', ...(root ? ['--with-deps'] : [])))
  }

  const installed = await findChromium()
  if (!installed) throw new Failed('There is no Chromium still. Install one, or name one in CHROME_PATH.')
  return installed
}

/** Debian has Chromium as a package. Ubuntu's package of that name is a stub for another installer. */
const isDebian = async () => /^ID=debian$/m.test(await readFile('/etc/os-release', 'utf8').catch(() => ''))

if (isProgram(import.meta)) await main(async () => console.log(await requireChromium()))
