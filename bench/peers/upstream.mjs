/**
 * A provider's API that answers at once: `/small` as JSON, `/bytes/<n>` so many bytes. A process of its own, so that it
 * takes no time from who is measured.
 */
import { createServer } from 'node:http'

const small = Buffer.from(JSON.stringify({ id: 'grace', email: 'grace@example.com', name: 'Grace', verified: true }))
const piece = Buffer.alloc(64 * 1024, 'x')

const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  request.resume()
  const [, kind, length] = request.url.split('/')
  if (kind === 'bytes') return sendBytes(response, Number(length))
  response.writeHead(kind === 'small' ? 200 : 404, {
    'content-type': 'application/json',
    'content-length': small.length,
  })
  response.end(small)
})
server.listen(0, '127.0.0.1', () => process.send(server.address().port))
// Whoever measures may end at any moment.
process.on('disconnect', () => process.exit())

/** Writes as fast as the other end reads. */
function sendBytes(response, length) {
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': length })
  let left = length
  const write = () => {
    while (left > 0) {
      const part = piece.subarray(0, left)
      left -= part.length
      if (!response.write(part)) return response.once('drain', write)
    }
    response.end()
  }
  write()
}
