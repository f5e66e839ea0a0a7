/** A provider of streams in a process of its own, and an environment that is connected to it. */
import { fork } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

import { account, openEnvironment } from './environment.mjs'
import { PlainBrowser } from './plain-browser.mjs'

/** Starts it. `stats()` says how many sockets it has, what broke off, and how many bytes it handed to the system. */
export async function startFlowing() {
  const child = fork(fileURLToPath(new URL('flowing-server.mjs', import.meta.url)), { execArgv: [] })
  const [{ origin, block }] = await once(child, 'message')
  child.setMaxListeners(0)
  let ids = 0
  const ask = (question) =>
    new Promise((resolve) => {
      const id = ++ids
      child.on('message', function answered(message) {
        if (message.id !== id) return
        child.off('message', answered)
        resolve(message)
      })
      child.send({ id, ...question })
    })
  return {
    origin,
    block: Buffer.from(block, 'base64'),
    clientId: 'an id',
    clientSecret: 'a secret',
    endpoints: { authorizeUrl: `${origin}/authorize`, tokenUrl: `${origin}/token`, baseUrl: origin },
    stats: () => ask(),
    /** The next so many calls of the API are answered with 401. */
    refuse: (times) => ask({ refuse: times }),
    /** Resolves with the stats once they are as wanted. */
    async until(wanted) {
      for (let tries = 0; tries < 2000; tries++) {
        const stats = await ask()
        if (wanted(stats)) return stats
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
      throw new Error(`the provider never came to be as wanted: ${JSON.stringify(await ask())}`)
    },
    async close() {
      if (child.connected) child.disconnect()
      if (child.exitCode === null) await once(child, 'exit')
    },
  }
}

/** An environment whose account is authorized there; `ask` is its `request`. */
export async function openFlowing(t) {
  const environment = await openEnvironment(t, startFlowing)
  const browser = new PlainBrowser()
  await browser.open(await environment.link())
  await browser.press()
  await environment.actions.waitForConnectedAccount({ ...account, timeoutMs: 20_000 })
  const ask = (path, options) => environment.actions.request({ ...account, path, ...options })
  return { ...environment, ask }
}

/** The hash of what the provider sends as `/bytes/:length`. */
export function hashOf(block, length) {
  const hash = createHash('sha256')
  for (let left = length; left > 0; left -= block.length) hash.update(block.subarray(0, Math.min(left, block.length)))
  return hash.digest('hex')
}
