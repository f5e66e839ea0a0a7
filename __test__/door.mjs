/** What the door's tests share. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'

import { Onbehalf } from 'onbehalf'

/** An instance that leaves nothing behind, closed when the test ends. */
export function open(t, options = {}) {
  const onbehalf = new Onbehalf({ store: ':memory:', port: 0, ...options })
  t.teardown(() => onbehalf.close())
  return onbehalf
}

/** What a call fails with, whether it throws or rejects; fails the test when it does neither. */
export async function failure(call) {
  try {
    await call()
  } catch (error) {
    return error
  }
  throw new Error('the call did not fail')
}

/** Runs a module's text in a Node of its own; resolves with how it ended and what it printed. */
export function run(source, { env = {}, timeout = 30_000 } = {}) {
  const cwd = fileURLToPath(new URL('..', import.meta.url))
  return new Promise((resolve) => {
    const options = { cwd, timeout, env: { ...process.env, ...env } }
    execFile(process.execPath, ['--input-type=module', '--eval', source], options, (error, stdout, stderr) =>
      resolve({ code: error ? (error.code ?? error.signal) : 0, stdout, stderr }),
    )
  })
}
