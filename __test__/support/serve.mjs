/** An HTTP server on loopback, on a port that the system chooses. */
import { createServer } from 'node:http'
import { once } from 'node:events'

/**
 * Serves `listener` and answers where, and how to end it. It is bound to the address, not the name `localhost`, so
 * that a browser takes it for another site than the application's.
 */
export async function serve(listener) {
  // Longer than a client keeps a connection: a server that closes one just as a request comes loses that request.
  const server = createServer({ keepAliveTimeout: 60_000 }, listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    async close() {
      if (!server.listening) return
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

// Below the ports that systems hand out by themselves, so that nobody is given one in the meantime; each process begins
// at its own.
let nextPort = 10_000 + (process.pid % 350) * 64

/** A port that nothing of this machine listens on, and that no other call answers: `preferred` when it is free. */
export async function freePort(preferred = nextPort++) {
  const server = createServer()
  server.listen(preferred, '127.0.0.1')
  try {
    await once(server, 'listening')
  } catch (error) {
    if (error.code !== 'EADDRINUSE') throw error
    return freePort()
  }
  server.close()
  await once(server, 'close')
  return preferred
}

/** A listener for `handle`, which answers a web `Request` with a web `Response`. */
export const listenerOf = (handle, origin) => async (incoming, outgoing) => {
  const body = ['GET', 'HEAD'].includes(incoming.method) ? undefined : await bytesOf(incoming)
  const { method, headers } = incoming
  const response = await handle(new Request(new URL(incoming.url, origin()), { method, headers, body }))
  outgoing.writeHead(response.status, [...response.headers].flat())
  outgoing.end(Buffer.from(await response.arrayBuffer()))
}

/** All that a message brings. */
export async function bytesOf(message) {
  const chunks = []
  for await (const chunk of message) chunks.push(chunk)
  return Buffer.concat(chunks)
}
