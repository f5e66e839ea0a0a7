/** `onbehalf/node`: the web's handlers behind Node's `http`, and behind Express with all that it does to a request. */
import { once } from 'node:events'
import { request as ask } from 'node:http'
import { connect as connectSecond, createServer as createSecondServer } from 'node:http2'
import { connect } from 'node:net'

import test from 'ava'
import express from 'express'
import { toNodeListener } from 'onbehalf/node'

import { open } from './door.mjs'
import { bytesOf, serve } from './support/serve.mjs'

/** Answers what it was asked, as JSON. */
const echo = async (request) => {
  const { method, url, headers } = request
  return Response.json({ method, url, headers: [...headers], body: await request.text() })
}

/** What listeners said to whoever runs the server. */
const said = []
test.before(() => (console.error = (failure) => said.push(failure)))

test('a handler sees what the client sent', async (t) => {
  const { origin } = await start(t, toNodeListener(echo))
  const sent = { method: 'PUT', headers: { 'x-test': 'jos\u00e9', cookie: 'a=1; b=2' }, body: 'a body' }
  const answer = await (await fetch(`${origin}/a%2Fpath?q=%20`, sent)).json()
  t.like(answer, { method: 'PUT', url: 'http://localhost/a%2Fpath?q=%20', body: 'a body' })
  const headers = new Map(answer.headers)
  t.is(headers.get('host'), new URL(origin).host)
  t.is(headers.get('cookie'), 'a=1; b=2')
  t.is(headers.get('x-test'), 'jos\u00e9')
})

test('a client that speaks HTTP/2 is answered', async (t) => {
  const server = createSecondServer(toNodeListener(echo)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connectSecond(`http://127.0.0.1:${server.address().port}`)
  t.teardown(() => (client.close(), server.close()))
  const stream = client.request({ ':path': '/second', 'x-test': 'yes' })
  const { url, headers } = JSON.parse(await bytesOf(stream))
  t.is(url, 'http://localhost/second')
  t.is(new Map(headers).get('x-test'), 'yes')
})

test('headers that come twice are joined, cookies by their own rule', async (t) => {
  const { origin } = await start(t, toNodeListener(echo))
  const { body } = await raw(origin, 'GET / HTTP/1.1', ['cookie: a=1', 'cookie: b=2', 'x-test: 1', 'x-test: 2'])
  const headers = new Map(JSON.parse(body).headers)
  t.is(headers.get('cookie'), 'a=1; b=2')
  t.is(headers.get('x-test'), '1, 2')
})

test('no target and no Host names another host', async (t) => {
  const { origin } = await start(t, toNodeListener(echo))
  const cases = {
    '//evil.test/a': 'http://localhost//evil.test/a',
    'http://evil.test/a?b': 'http://localhost/a?b',
    '/@evil.test/': 'http://localhost/@evil.test/',
  }
  for (const [target, url] of Object.entries(cases)) {
    const { body } = await raw(origin, `GET ${target} HTTP/1.1`)
    t.is(JSON.parse(body).url, url)
  }
})

test('a request that the web does not know is the client’s fault', async (t) => {
  const { origin } = await start(t, toNodeListener(echo))
  t.is((await raw(origin, 'TRACE / HTTP/1.1')).status, 400)
})

test('every cookie of an answer arrives, and the app’s own beside them', async (t) => {
  const handler = () => {
    const answer = new Response(null, { status: 303, headers: { location: '/x', 'x-frame-options': 'DENY' } })
    for (const cookie of ['a=1; Path=/', 'b=2; Path=/']) answer.headers.append('set-cookie', cookie)
    return answer
  }
  const listener = toNodeListener(handler)
  const { origin } = await start(t, (request, response) => {
    response.setHeader('set-cookie', 'app=0').setHeader('x-frame-options', 'SAMEORIGIN')
    listener(request, response)
  })
  const { status, headers } = await fetch(origin, { redirect: 'manual' })
  t.is(status, 303)
  t.deepEqual(headers.getSetCookie(), ['app=0', 'a=1; Path=/', 'b=2; Path=/'])
  t.is(headers.get('x-frame-options'), 'DENY')
})

test('an answer to HEAD has the headers of one and no body', async (t) => {
  const { origin } = await start(t, toNodeListener(echo))
  const answer = await fetch(origin, { method: 'HEAD' })
  t.is(answer.headers.get('content-type'), 'application/json')
  t.is(await answer.text(), '')
})

const parsers = {
  'no parser': [],
  'a parser of forms': [express.urlencoded()],
  'a parser of nested forms': [express.urlencoded({ extended: true })],
  'a parser of JSON': [express.json()],
  'a parser of text': [express.text({ type: '*/*' })],
  'a parser of bytes': [express.raw({ type: '*/*' })],
}
for (const [title, middleware] of Object.entries(parsers))
  test(`behind ${title}, a mounted handler gets the same path and body`, async (t) => {
    const app = express()
    for (const parser of middleware) app.use(parser)
    app.use('/mounted', toNodeListener(echo))
    const { origin } = await start(t, app)
    const post = async (body, type) => {
      const answer = await fetch(`${origin}/mounted/path?q`, {
        method: 'POST',
        body,
        headers: { 'content-type': type },
      })
      return answer.json()
    }
    const form = 'state=a+b%26&code=1&code=2&empty='
    const url = 'http://localhost/mounted/path?q'
    t.like(await post(form, 'application/x-www-form-urlencoded'), { url, body: form })
    t.like(await post('{"a":["\u00fc"]}', 'application/json; charset=utf-8'), { url, body: '{"a":["\u00fc"]}' })
    t.like(await post('', 'text/plain'), { url, body: '' })
  })

test('a failure is a plain 500, and said to whoever runs the server', async (t) => {
  const failure = new Error('something private')
  const consumed = express().use((request, _, next) => bytesOf(request).then(() => next()))
  const servers = [
    await start(
      t,
      toNodeListener(() => Promise.reject(failure)),
    ),
    await start(
      t,
      toNodeListener(() => {
        throw failure
      }),
    ),
  ]
  for (const { origin } of servers) {
    const answer = await fetch(origin)
    t.is(answer.status, 500)
    t.is(await answer.text(), 'Internal Server Error')
  }
  t.is(said.filter((error) => error === failure).length, 2)

  // A body that somebody read and kept for themselves.
  const { origin } = await start(t, consumed.use(toNodeListener(echo)))
  t.is((await fetch(origin, { method: 'POST', body: 'x' })).status, 500)
  t.true(said.some(({ message }) => message === 'the body was read before'))
})

test('a handler that stops reading can still answer', async (t) => {
  const { origin } = await start(
    t,
    toNodeListener(async ({ body }) => {
      for await (const _ of body) break
      return new Response('enough', { status: 413 })
    }),
  )
  const answer = await fetch(origin, { method: 'POST', body: Buffer.alloc(5_000_000) })
  t.is(answer.status, 413)
  t.is(await answer.text(), 'enough')
})

test('a client that goes away ends the request, and nobody is troubled', async (t) => {
  for (const method of ['GET', 'POST']) {
    const arrived = deferred()
    const ended = deferred()
    const { origin } = await start(
      t,
      toNodeListener(async (request) => {
        arrived.resolve()
        request.signal.addEventListener('abort', ended.resolve)
        await request.text()
        await ended.promise
        throw new Error('nobody waits for this')
      }),
    )
    const client = ask(origin, { method, headers: method === 'POST' ? { 'content-length': 10 } : {} })
    client.on('error', () => {})
    client.flushHeaders()
    await arrived.promise
    client.destroy()
    await ended.promise
  }
  await new Promise(setImmediate)
  t.false(said.some(({ message }) => message === 'nobody waits for this'))
})

test('a stream of an answer ends when the client goes away', async (t) => {
  const cancelled = deferred()
  const body = () => new ReadableStream({ pull: (to) => to.enqueue(Buffer.alloc(65_536)), cancel: cancelled.resolve })
  const { origin } = await start(
    t,
    toNodeListener(() => new Response(body())),
  )
  const client = ask(origin).end()
  const [answer] = await once(client, 'response')
  await once(answer, 'data')
  client.destroy()
  await cancelled.promise
  t.pass()
})

test('the pages are answered though another app’s cookie is not ASCII', async (t) => {
  const { handler } = open(t, { publicUrl: 'http://localhost:3000/onbehalf', port: undefined })
  const { origin } = await start(t, express().use('/onbehalf', toNodeListener(handler)))
  const answer = await fetch(`${origin}/onbehalf/health`, { headers: { cookie: 'name=Jos\u00e9' } })
  t.deepEqual(await answer.json(), { status: 'ok' })
})

async function start(t, listener) {
  const server = await serve(listener)
  t.teardown(server.close)
  return server
}

function deferred() {
  const made = {}
  made.promise = new Promise((resolve) => (made.resolve = resolve))
  return made
}

/** Sends a request of these lines as they are. */
async function raw(origin, ...lines) {
  const { hostname, port } = new URL(origin)
  const socket = connect(port, hostname)
  const [first, headers = []] = lines
  socket.end([first, 'host: evil.test', 'connection: close', ...headers, '', ''].join('\r\n'))
  const text = String(await bytesOf(socket))
  const [head, body] = text.split('\r\n\r\n')
  return { status: Number(head.split(' ')[1]), body: body.includes('\r\n') ? body.split('\r\n')[1] : body }
}
