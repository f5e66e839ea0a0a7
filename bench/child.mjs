/** Benchmarks of whole processes. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const execute = promisify(execFile)

/** Runs `source`, a CommonJS text, in a Node of its own that stands in this folder, and reads the number it prints. */
export async function numberOf(source, env) {
  const options = { cwd: import.meta.dirname, env: { ...process.env, ...env } }
  return numberPrinted(process.execPath, ['--eval', source], options)
}

/** Runs a program, and reads the number it prints. */
export async function numberPrinted(program, args, options) {
  const { stdout } = await execute(program, args, options)
  return Number(stdout)
}

/** The milliseconds from before the process is started to when `source` calls `done()`. */
export async function untilDone(source, env) {
  const begin = process.hrtime.bigint()
  // One clock for all processes of a machine.
  const preamble = `const done = () => process.stdout.write(String(process.hrtime.bigint() - ${begin}n));`
  return { value: (await numberOf(preamble + source, env)) / 1e6 }
}
