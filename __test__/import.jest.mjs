import * as names from 'onbehalf'
import { actions, getAuthorizationLink, Onbehalf, OnbehalfError } from 'onbehalf'

import { PlainBrowser } from './support/plain-browser.mjs'
import { bytesOf, serve } from './support/serve.mjs'

test('the package can be imported in Jest', async () => {
  expect(getAuthorizationLink).toBe(actions.getAuthorizationLink)
  for (const name of Object.keys(actions)) expect(names[name]).toBe(actions[name])
})

test('options and errors of Jest’s realm are understood', async () => {
  const onbehalf = new Onbehalf({ store: ':memory:', port: 0, connections: { gmail: { scopes: ['a'] } } })
  const error = await onbehalf.actions.getAuthorizationLink({}).catch((error) => error)
  expect(error).toBeInstanceOf(OnbehalfError)
  expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', details: { argument: 'connectionName' } })
  const reason = new Error('mine')
  const signal = AbortSignal.abort(reason)
  const account = { connectionName: 'gmail', identifier: 'user_123' }
  await expect(onbehalf.actions.getToken({ ...account, signal })).rejects.toBe(reason)
  await onbehalf.close()
})

test('a person is connected, and their API answers, byte for byte', async () => {
  const { endpoints, close } = await startProvider()
  const app = { connector: 'gmail', clientId: 'an id', clientSecret: 'a secret', endpoints }
  const onbehalf = new Onbehalf({ store: ':memory:', port: 0, connections: { app } })
  const account = { connectionName: 'app', identifier: 'user_123' }
  const { link, expiry } = await onbehalf.actions.getAuthorizationLink(account)
  expect(expiry.getTime()).toBeGreaterThan(Date.now())

  const browser = new PlainBrowser()
  const connected = onbehalf.actions.waitForConnectedAccount({ ...account, timeoutMs: 10_000 })
  await browser.open(link)
  await browser.press()
  expect((await connected).connectedAccount.status).toBe('ACTIVE')
  const answer = await onbehalf.actions.request({ ...account, method: 'POST', path: '/echo', body: { a: ['ü'] } })
  expect(answer.status).toBe(200)
  expect(answer.data).toEqual({ authorization: 'Bearer a-token', body: '{"a":["ü"]}' })
  expect(Buffer.from(await answer.bytes()).toString()).toBe(await answer.text())
  await onbehalf.close()
  await close()
})

/** A provider that asks nothing: it has one code, one token, and an API that says what it was sent. */
async function startProvider() {
  const { origin, close } = await serve(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://provider')
    const json = (value) => response.setHeader('content-type', 'application/json').end(JSON.stringify(value))
    if (pathname === '/token') return json({ access_token: 'a-token', token_type: 'Bearer', expires_in: 3600 })
    if (pathname !== '/authorize') {
      const body = String(await bytesOf(request))
      return json({ authorization: request.headers.authorization, body })
    }
    const back = new URL(searchParams.get('redirect_uri'))
    back.search = new URLSearchParams({ code: 'a-code', state: searchParams.get('state') })
    response.writeHead(303, { location: back.href }).end()
  })
  return { endpoints: { authorizeUrl: `${origin}/authorize`, tokenUrl: `${origin}/token`, baseUrl: origin }, close }
}
