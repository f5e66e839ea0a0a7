/** An instance of onbehalf in a Node process of its own, which does what it is told, line by line. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const source = (options) => `
  import { createInterface } from 'node:readline'
  import { Onbehalf } from 'onbehalf'
  const onbehalf = new Onbehalf(${JSON.stringify(options)})
  const say = (answer) => console.log(JSON.stringify(answer))
  const told = []
  const ends = { exit: () => process.exit(), throw: () => setImmediate(() => { throw new Error('nobody catches it') }) }
  onbehalf.on('statusChanged', (event) => told.push(event))
  for await (const line of createInterface(process.stdin)) {
    const { number, action, asked, timeout } = JSON.parse(line)
    if (action in ends) {
      say({ number, answer: 'ending' })
      ends[action]()
      continue
    }
    const signal = timeout && AbortSignal.timeout(timeout)
    const room = action in onbehalf.actions ? onbehalf.actions : onbehalf
    const called = action === 'told' ? Promise.resolve(told) : room[action](asked && { ...asked, signal })
    called.then(
      (answer) => say({ number, answer }),
      ({ name, code, message }) => say({ number, failure: { name, code, message } }),
    )
  }
`

/**
 * Starts one; it is killed when the test ends. `env` are variables of its own, and `quiet` is one whose complaints are
 * expected.
 */
export function startPeer(t, options, { env, quiet = false } = {}) {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', source(options)], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', quiet ? 'ignore' : 'inherit'],
  })
  const over = once(child, 'close')
  const waiting = new Map()
  createInterface(child.stdout).on('line', (line) => {
    const { number, ...outcome } = JSON.parse(line)
    waiting.get(number)(outcome)
  })
  // What is said to one that has ended is lost.
  child.stdin.on('error', () => {})
  const kill = async (signal = 'SIGKILL') => {
    child.kill(signal)
    await over
  }
  t.teardown(() => kill())
  return {
    pid: child.pid,
    /** Resolves when it has ended, with its exit code and the signal that ended it. */
    over,
    /** Has it call `action` of its instance: `{ answer }` or `{ failure }`. With `timeout`, its signal fires then. */
    ask(action, asked, { timeout } = {}) {
      const number = waiting.size
      child.stdin.write(`${JSON.stringify({ number, action, asked, timeout })}\n`)
      return new Promise((resolve) => waiting.set(number, resolve))
    },
    /** Has it end by itself: by `exit`, or by an exception that nobody catches (`throw`). It does when this resolves. */
    end(how) {
      return this.ask(how)
    },
    /** Ends it from outside. */
    kill,
  }
}
