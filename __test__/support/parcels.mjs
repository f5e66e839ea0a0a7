/** Parcels, a provider that takes keys: its connector, an environment that asks people for them, and a person who enters. */
import { openEnvironment } from './environment.mjs'
import { serve } from './serve.mjs'

export const head = `
  name     = "Parcels"
  docs     = "https://example.com/docs"
  base_url = "https://parcels.example"

  [probe]
  url   = "/me"
  id    = "id"
  label = "name"
`

export const apiKey = `${head}
  [auth.api_key]
  send = { headers = { X-Key = "{api_key}" } }

  [auth.api_key.fields.shop]
  suffix  = ".parcels.example"
  pattern = "[a-z]+"
  example = "acme"

  [auth.api_key.fields.api_key]
  label    = "API key"
  help     = "Under Settings, Keys."
  help_url = "https://docs.parcels.example/keys"
  secret   = true
`

export const ada = { id: 'ada', name: 'Ada' }

/**
 * An environment whose connection `app` takes keys, and their provider, which knows every key but `wr0ng`. `answer` is what
 * it says to all of them instead, or a function that comes to that.
 */
export const stage = (t, { connector = apiKey, ...options } = {}) =>
  openEnvironment(t, startProvider, ({ origin }) => ({
    connectors: { parcels: connector },
    connection: { connector: 'parcels', endpoints: { baseUrl: origin } },
    ...options,
  }))

async function startProvider() {
  const provider = { calls: [], answer: undefined }
  const server = await serve(async (request, response) => {
    provider.calls.push(request)
    const wrong = request.headers['x-key'] === 'wr0ng'
    const answer = typeof provider.answer === 'function' ? await provider.answer() : provider.answer
    const { status, headers, body } = answer ?? { status: wrong ? 401 : 200, body: JSON.stringify(ada) }
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body)
  })
  return Object.assign(provider, server)
}

/** Fills the inputs in and sends the form. */
export async function enter(browser, entries) {
  for (const [name, value] of Object.entries(entries)) await browser.fill(name, value)
  await browser.press()
}
