/**
 * A provider whose API is made of streams, in a process of its own, so that its memory and its sockets are not the
 * tests'. It asks nothing of the person. Started by `flowing.mjs`, which it tells its origin.
 *
 * `GET /bytes/:n`, `POST /sink` (answers with the length and the hash of what came), `/silent` (no answer), `/begun`
 * (a head and a chunk, then nothing), `/cut` (a chunk, then a broken connection), `/status/:code`, `/gzip`.
 */
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { gzipSync } from 'node:zlib'

const block = randomBytes(1 << 20)
/** Paths whose body began to come, and those of requests and answers that broke off. */
const arriving = []
const broken = []
let sockets = 0
let written = 0
let unauthorized = 0

const server = createServer(async (request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'http://provider')
  const json = (value) => response.setHeader('content-type', 'application/json').end(JSON.stringify(value))
  if (pathname === '/authorize') {
    const back = new URL(searchParams.get('redirect_uri'))
    back.search = new URLSearchParams({ code: 'a-code', state: searchParams.get('state') })
    return response.writeHead(303, { location: back.href }).end()
  }
  if (pathname === '/token')
    return json({ access_token: 'a-token', refresh_token: 'r', token_type: 'Bearer', expires_in: 3600 })
  if (unauthorized > 0 && pathname !== '/me') {
    unauthorized--
    return response.writeHead(401).end('not yet')
  }
  const [, name, value] = pathname.split('/')
  await (routes[name] ?? (() => json({ id: 'ada' })))({ request, response, json, value })
})

const routes = {
  async bytes({ request, response, value }) {
    let left = Number(value)
    response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': left })
    response.on('close', () => response.writableFinished || broken.push(request.url))
    const blocks = function* () {
      for (; left > 0; left -= block.length) {
        written += Math.min(left, block.length)
        yield block.subarray(0, left)
      }
    }
    // Who leaves before the end is written down above.
    await pipeline(Readable.from(blocks()), response).catch(() => {})
  },
  async sink({ request, json }) {
    const hash = createHash('sha256')
    let length = 0
    try {
      for await (const chunk of request) {
        if (length === 0) arriving.push(request.url)
        length += chunk.length
        hash.update(chunk)
      }
    } catch {
      return broken.push(request.url)
    }
    const { 'content-length': announced, 'content-type': type } = request.headers
    json({ length, hash: hash.digest('hex'), announced, type })
  },
  silent({ request, response }) {
    request.resume()
    response.on('close', () => broken.push(request.url))
  },
  begun({ request, response }) {
    request.resume()
    response.on('close', () => broken.push(request.url))
    response.writeHead(200, { 'content-type': 'text/plain' }).write('begun')
  },
  cut({ response }) {
    response.writeHead(200, { 'content-type': 'text/plain' }).write('begun', () => response.destroy())
  },
  status({ response, value }) {
    response.writeHead(Number(value)).end(Number(value) === 204 || Number(value) === 304 ? undefined : 'text')
  },
  gzip({ response }) {
    response.writeHead(200, { 'content-encoding': 'gzip', 'content-type': 'text/plain' }).end(gzipSync('packed'))
  },
}

server.on('connection', (socket) => {
  sockets++
  socket.on('close', () => sockets--)
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')

process.on('message', ({ id, refuse }) => {
  if (refuse !== undefined) unauthorized = refuse
  process.send({ id, sockets, arriving, broken, written })
})
process.on('disconnect', () => process.exit())
process.send({ origin: `http://127.0.0.1:${server.address().port}`, block: block.toString('base64') })
