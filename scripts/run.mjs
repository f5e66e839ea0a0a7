/** Other programs, run from the top of the repository unless it is said where, and what a script says meanwhile. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, realpathSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The top of the repository. */
export const root = fileURLToPath(new URL('..', import.meta.url))

/** Ends a script with a sentence instead of a stack. */
export class Failed extends Error {}

/**
 * Runs a program to its end.
 *
 * `output` is what becomes of what it prints: `quiet` shows it only when the program fails, `shown` hands it the
 * screen, `both` shows it and keeps it.
 */
export async function run(program, args, { output = 'quiet', cwd = root, env, shell = false } = {}) {
  const child = spawn(program, args, {
    cwd,
    env: { ...process.env, ...env },
    shell,
    stdio: output === 'shown' ? 'inherit' : ['inherit', 'pipe', 'pipe'],
  })
  const printed = []
  for (const name of output === 'shown' ? [] : ['stdout', 'stderr'])
    child[name].on('data', (chunk) => {
      printed.push(chunk)
      if (output === 'both') process[name].write(chunk)
    })
  const [code] = await once(child, 'close')
  const text = Buffer.concat(printed).toString()
  if (code !== 0 && output === 'quiet') process.stderr.write(text)
  return { ok: code === 0, text }
}

/** Runs a program that must succeed, and answers what it printed. */
export async function must(program, args, options) {
  const { ok, text } = await run(program, args, options)
  if (!ok) throw new Failed(`This failed: ${[program, ...args].join(' ')}`)
  return text
}

/** Arguments that make Node run a command of an installed package, given by its file, without a shell between. */
export const packaged = (file, ...args) => [process.execPath, [join(root, 'node_modules', file), ...args]]

/** Runs npm, which tells the scripts that it runs where it is itself. By name, Windows finds it only through a shell. */
export function npm(args, options) {
  const path = process.env.npm_execpath
  if (path) return must(process.execPath, [path, ...args], options)
  return must('npm', args, { ...options, shell: process.platform === 'win32' })
}

/** Installs a package of Debian's or Ubuntu's, which only root may. */
export async function aptInstall(name) {
  const env = { DEBIAN_FRONTEND: 'noninteractive' }
  await must('apt-get', ['update'], { env })
  await must('apt-get', ['install', '--yes', '--no-install-recommends', name], { env })
}

/** A program in one of the folders of `PATH`, or `undefined`. */
export function onPath(name) {
  const file = process.platform === 'win32' ? `${name}.exe` : name
  const folders = (process.env.PATH ?? '').split(delimiter).filter(Boolean)
  return folders.map((folder) => join(folder, file)).find(existsSync)
}

/** Says what happens now, apart from what a program prints. */
export const say = (line) =>
  console.error(process.stderr.isTTY && !process.env.NO_COLOR ? `\x1b[2m${line}\x1b[0m` : line)

/** Whether this module is the program that was started, rather than one that another imports. */
export const isProgram = ({ filename }) => process.argv[1] !== undefined && realpathSync(process.argv[1]) === filename

/** Does a script's work. What it foresaw to go wrong is said in a sentence, with exit code 1. */
export async function main(work) {
  try {
    await work()
  } catch (error) {
    if (!(error instanceof Failed)) throw error
    console.error(error.message)
    process.exitCode = 1
    // Said once more at the very end: a package that cleans up before the exit may end the process as if all were well.
    process.on('exit', () => (process.exitCode = 1))
  }
}
