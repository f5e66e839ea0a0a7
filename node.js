/** Lets a server of Node's own `http`, and what is built on it, answer with a handler that speaks the web's types. */
const { Readable } = require('node:stream')
const { pipeline } = require('node:stream/promises')

module.exports.toNodeListener = (handler) => (incoming, outgoing) => {
  answer(handler, incoming, outgoing).catch((error) => fail(error, incoming, outgoing))
}

async function answer(handler, incoming, outgoing) {
  const gone = new AbortController()
  outgoing.once('close', () => outgoing.writableFinished || gone.abort())

  const body = bodyOf(incoming)
  let request
  try {
    request = toRequest(incoming, body, gone.signal)
  } catch {
    return end(outgoing, 400, 'Bad Request')
  }
  const response = await handler(request)
  if (gone.signal.aborted) return response.body?.cancel()

  outgoing.statusCode = response.status
  for (const [name, value] of response.headers) {
    // Cookies that the app has set go along. Any other header that it has set says something of its own pages.
    if (name === 'set-cookie') outgoing.appendHeader(name, value)
    else outgoing.setHeader(name, value)
  }
  if (response.body) await pipeline(Readable.fromWeb(response.body), outgoing)
  else outgoing.end()
  // A client that still sends what was refused reads the answer only when it has sent all.
  incoming.resume()
}

function toRequest(incoming, body, signal) {
  const { method, rawHeaders } = incoming
  const headers = new Headers()
  for (let at = 0; at < rawHeaders.length; at += 2)
    // HTTP/2 has the request's line among them, as `:method` and its like.
    if (!rawHeaders[at].startsWith(':')) headers.append(rawHeaders[at], rawHeaders[at + 1])
  return new Request(`http://localhost${targetOf(incoming)}`, { method, headers, body, signal, duplex: 'half' })
}

/** The path and query that the client asked for: Express takes its mount's prefix off `url`. */
function targetOf({ originalUrl, url }) {
  const target = originalUrl ?? url
  if (target.startsWith('/')) return target
  // RFC 9112, 3.2: a proxy's client sends a whole URL, and `OPTIONS` may send `*`.
  const { pathname, search } = new URL(target, 'http://localhost')
  return `${pathname}${search}`
}

function bodyOf(incoming) {
  if (incoming.method === 'GET' || incoming.method === 'HEAD') return undefined
  // Whoever stops reading must still be able to answer: the socket stays.
  if (!incoming.readableDidRead) return ReadableStream.from(incoming.iterator({ destroyOnReturn: false }))

  const { body, headers } = incoming
  if (body === undefined) throw new Error('the body was read before')
  if (typeof body === 'string' || body instanceof Uint8Array) return body
  return /^application\/(?:[\w.-]+\+)?json\b/.test(headers['content-type']) ? JSON.stringify(body) : formOf(body)
}

/** A form, as it was before it was parsed; a name that came twice comes twice. */
function formOf(fields) {
  const form = new URLSearchParams()
  for (const [name, values] of Object.entries(fields)) for (const value of [values].flat()) form.append(name, value)
  return form.toString()
}

function fail(error, incoming, outgoing) {
  // Nobody is there to be told.
  if (outgoing.destroyed || incoming.errored) return
  console.error(error)
  if (outgoing.headersSent) outgoing.destroy()
  else end(outgoing, 500, 'Internal Server Error')
}

function end(outgoing, status, text) {
  outgoing.writeHead(status, { 'content-type': 'text/plain' }).end(text)
}
