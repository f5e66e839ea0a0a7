/** The pages behind `handler`, for an app that serves them itself. */
import test from 'ava'

import { open } from './door.mjs'

const connectors = {
  acme: `
name     = 'Acme'
docs     = 'https://acme.example/docs'
base_url = 'https://api.acme.example'

[auth.api_key]
send   = { headers = { X-Key = '{key_id}' } }

[auth.api_key.fields]
key_id      = { label = 'Key id', secret = true }
private_key = { label = 'Private key', secret = true, kind = 'pem' }
`,
}

test('a form as long as a form may be arrives whole', async (t) => {
  const publicUrl = 'http://localhost:3000/connect-pages'
  const { actions, handler } = open(t, { connectors, port: undefined, publicUrl })
  const account = { connectionName: 'acme', identifier: 'user_123' }
  const { link } = await actions.getAuthorizationLink(account)
  const page = await handler(new Request(link))
  const cookie = page.headers.get('set-cookie').split(';')[0]
  const [, token] = (await page.text()).match(/name="form-token" value="([^"]+)"/)

  const pem = `-----BEGIN PRIVATE KEY-----\n${'A'.repeat(20_000)}\n-----END PRIVATE KEY-----`
  const body = new URLSearchParams({ 'form-token': token, key_id: 'key-0123456789', private_key: pem })
  const headers = { cookie, origin: 'http://localhost:3000', 'sec-fetch-site': 'same-origin' }
  const answer = await handler(new Request(link, { method: 'POST', headers, body }))
  t.is(answer.status, 303, await answer.text())
  const { connectedAccount } = await actions.getConnectedAccount(account)
  t.is(connectedAccount.authorizationDetails.staticAuth.details.private_key, pem)
})

test('a form that is longer is refused', async (t) => {
  const { actions, handler } = open(t, { connectors, port: undefined, publicUrl: 'http://localhost:3000' })
  const { link } = await actions.getAuthorizationLink({ connectionName: 'acme', identifier: 'user_123' })
  const headers = { origin: 'http://localhost:3000', 'content-type': 'application/x-www-form-urlencoded' }
  const body = 'a'.repeat(64 * 1024 + 1)
  t.is((await handler(new Request(link, { method: 'POST', headers, body }))).status, 413)
})
