/**
 * A token endpoint that answers at once, and whose refresh tokens rotate: `<person>.<n>` is taken once, and brings
 * `<person>.<n + 1>`. A process of its own, so that it takes no time from who is measured.
 *
 * `POST /<name>` refreshes. `GET /<name>` says how many that `name` has had, and how many seconds lie between the first
 * and the last.
 */
import { createServer } from 'node:http'

/** The number of each person's token that is good. Who comes for the first time has the first. */
const good = new Map()
const counts = new Map()

const server = createServer({ keepAliveTimeout: 60_000 }, async (request, response) => {
  let body = ''
  for await (const piece of request) body += piece
  const { url } = request
  const { count, first, last } = counts.get(url) ?? { count: 0, first: 0, last: 0 }
  if (request.method === 'GET') return send(response, 200, { count, seconds: (last - first) / 1000 })

  const [person, number] = (new URLSearchParams(body).get('refresh_token') ?? '').split('.')
  const key = `${url} ${person}`
  if (Number(number) !== (good.get(key) ?? 0)) return send(response, 400, { error: 'invalid_grant' })
  good.set(key, Number(number) + 1)
  const now = performance.now()
  counts.set(url, { count: count + 1, first: first || now, last: now })
  send(response, 200, {
    access_token: `access.${person}.${number}`.padEnd(64, 'x'),
    token_type: 'Bearer',
    expires_in: 3600,
    refresh_token: `${person}.${Number(number) + 1}`,
  })
})
server.listen(0, '127.0.0.1', () => process.send(server.address().port))
// Whoever measures may end at any moment.
process.on('disconnect', () => process.exit())

function send(response, status, answer) {
  const body = Buffer.from(JSON.stringify(answer))
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': body.length })
  response.end(body)
}
