/**
 * A provider that takes keys, and the connector for it. `/me` says whose key it is, every other path what it was sent.
 *
 * It knows two keys and a bearer token. `next` is the answer to the next `/me` instead of the right one: a function of the
 * response, or `[status, headers, body]`.
 */
import { serve } from './serve.mjs'

const people = {
  sk_ada_4f81c0d29e7b: 'ada',
  sk_bob_4f81c0d29e7b: 'bob',
  at_ada_4f81c0d29e7b: 'ada',
  at_new_4f81c0d29e7b: 'ada',
}

/** Two methods: a key of its own header, and OAuth. */
export const connectors = {
  acme: `
name     = 'Acme'
docs     = 'https://acme.example/docs'
base_url = 'https://api.acme.example'
probe    = { url = '/me', id = 'id', label = 'email' }

[auth.api_key]
send = { headers = { X-Key = '{api_key}' } }

[auth.api_key.fields]
api_key = { label = 'API key', secret = true }
region  = { options = ['eu', 'us'], default = 'eu' }

[auth.oauth2]
authorize_url = 'https://acme.example/authorize'
token_url     = 'https://acme.example/token'
`,
}

/** Starts it; ends with the test. */
export async function startKeyed(t) {
  const provider = { requests: [], tokenRequests: [], next: undefined }
  const server = await serve(async (request, response) => {
    const chunks = []
    for await (const chunk of request) chunks.push(chunk)
    const body = Buffer.concat(chunks).toString()
    const answer = (status, value) => {
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(JSON.stringify(value))
    }
    if (request.url === '/token') {
      provider.tokenRequests.push(Object.fromEntries(new URLSearchParams(body)))
      return answer(200, {
        access_token: 'at_new_4f81c0d29e7b',
        refresh_token: 'rt_new',
        token_type: 'Bearer',
        expires_in: 3600,
      })
    }
    const { method, url, headers } = request
    provider.requests.push({ method, url, headers })
    const next = provider.next
    provider.next = undefined
    if (typeof next === 'function') return next(response)
    if (next) return response.writeHead(next[0], next[1]).end(next[2])
    const person = people[headers['x-key'] ?? headers.authorization?.replace('Bearer ', '')]
    if (!person) return answer(401, { error: 'unknown key' })
    answer(200, { id: person, email: `${person}@acme.example` })
  })
  t.teardown(server.close)
  const endpoints = { baseUrl: server.origin, tokenUrl: `${server.origin}/token` }
  return Object.assign(provider, {
    origin: server.origin,
    /** What an instance is opened with: the connector, and a connection for each of its methods. */
    options: {
      connectors,
      connections: {
        keys: { connector: 'acme', authMethod: 'api_key', endpoints },
        tokens: { connector: 'acme', authMethod: 'oauth2', clientId: 'an id', clientSecret: 'a secret', endpoints },
      },
    },
  })
}
