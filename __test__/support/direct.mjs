/** OAuth's code flow by hand, with nothing of ours: what the emulated providers are tried with. */
import { createHash, randomBytes } from 'node:crypto'

import { serve } from './serve.mjs'

/**
 * Starts a callback that keeps what comes back, and makes the two messages of an app.
 *
 * `provider` is set once it runs: it must know the callback's address first.
 */
export async function startApp() {
  const verifier = randomBytes(32).toString('base64url')
  const state = randomBytes(32).toString('base64url')
  const app = { state, verifier, answer: undefined }
  const server = await serve((request, response) => {
    const { pathname, searchParams } = new URL(request.url, server.origin)
    if (pathname === '/callback') app.answer = searchParams
    response.setHeader('content-type', 'text/html')
    response.end('<p>You are connected.</p>')
  })

  return Object.assign(app, {
    redirectUri: `${server.origin}/callback`,
    close: server.close,

    /** Where the person goes. */
    authorizeUrl({ clientId, endpoints }, scope) {
      const url = new URL(endpoints.authorizeUrl)
      const challenge = createHash('sha256').update(verifier).digest('base64url')
      url.search = new URLSearchParams({
        response_type: 'code',
        client_id: clientId,
        redirect_uri: app.redirectUri,
        scope,
        state,
        code_challenge: challenge,
        code_challenge_method: 'S256',
        prompt: 'consent',
      })
      return url.href
    },

    /** A token request; `basic` shows the secret in a header, as RFC 6749 (2.3.1) encodes it. */
    async token({ clientId, clientSecret, endpoints }, fields, { basic = false } = {}) {
      const form = (text) => new URLSearchParams({ '': text }).toString().slice(1)
      const credentials = Buffer.from(`${form(clientId)}:${form(clientSecret)}`).toString('base64')
      const response = await fetch(endpoints.tokenUrl, {
        method: 'POST',
        headers: basic ? { authorization: `Basic ${credentials}` } : {},
        body: new URLSearchParams(basic ? fields : { client_id: clientId, client_secret: clientSecret, ...fields }),
      })
      return { status: response.status, ...(await response.json()) }
    },

    /** The fields that exchange the code that came back. */
    exchange: () => ({
      grant_type: 'authorization_code',
      code: app.answer.get('code'),
      redirect_uri: app.redirectUri,
      code_verifier: verifier,
    }),
  })
}
