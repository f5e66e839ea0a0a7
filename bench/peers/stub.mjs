/**
 * An environment of Scalekit's that knows one answer to each call and gives it at once: what their SDK costs by itself.
 *
 * A process of its own. One port takes HTTP/1.1, for the token, and HTTP/2 without TLS, for gRPC, as the SDK expects.
 */
import { createServer as createHttp } from 'node:http'
import { createServer as createHttp2 } from 'node:http2'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { join } from 'node:path'

// The SDK's own messages, which its package doesn't export.
const require = createRequire(import.meta.url)
const { create, toBinary } = require('@bufbuild/protobuf')
const messages = require(
  join(
    require.resolve('@scalekit-sdk/node/package.json'),
    '../lib/pkg/grpc/scalekit/v1/connected_accounts/connected_accounts_pb.js',
  ),
)

const now = { seconds: BigInt(Math.floor(Date.now() / 1000)), nanos: 0 }
const connectedAccount = {
  id: 'ca_123456789012345678',
  connectionId: 'conn_123456789012345678',
  connector: 'app',
  provider: 'GMAIL',
  identifier: 'user_123',
  status: messages.ConnectorStatus.ACTIVE,
  updatedAt: now,
  tokenExpiresAt: now,
}
const answers = {
  GetConnectedAccountAuth: framed(messages.GetConnectedAccountByIdentifierResponseSchema, { connectedAccount }),
  GetMagicLinkForConnectedAccount: framed(messages.GetMagicLinkForConnectedAccountResponseSchema, {
    link: 'https://example.scalekit.dev/magicLink/4b1c7b0e-5c1f-4d1b-9c55-3a2d0d6e8f10',
    expiry: now,
  }),
}

const tokens = createHttp((request, response) => {
  request.resume().on('end', () => {
    response.setHeader('content-type', 'application/json')
    response.end('{"access_token":"stub","token_type":"Bearer","expires_in":86400}')
  })
})

const grpc = createHttp2()
grpc.on('stream', (stream, headers) => {
  stream.resume()
  const head = { ':status': 200, 'content-type': 'application/grpc+proto' }
  // Refused, the SDK fetches a token, which later calls carry.
  if (!headers.authorization) return stream.respond({ ...head, 'grpc-status': '16' }, { endStream: true })
  stream.respond(head, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
  stream.end(answers[headers[':path'].split('/').at(-1)])
})

// Told apart by how they begin (RFC 9113, 3.4).
const server = createServer((socket) => {
  socket.once('readable', () => {
    const beginning = socket.read()
    if (!beginning) return
    socket.unshift(beginning)
    const speaker = beginning.subarray(0, 3).toString() === 'PRI' ? grpc : tokens
    speaker.emit('connection', socket)
  })
})
server.listen(0, '127.0.0.1', () => process.send(server.address().port))
// Whoever measures may end at any moment.
process.on('disconnect', () => process.exit())

/** A message as gRPC frames it: not compressed, its length, itself. */
function framed(schema, message) {
  const bytes = toBinary(schema, create(schema, message))
  const frame = Buffer.alloc(5 + bytes.length)
  frame.writeUInt32BE(bytes.length, 1)
  frame.set(bytes, 5)
  return frame
}
