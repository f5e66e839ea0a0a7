/**
 * A strict authorization server with an API behind it: `oidc-provider`, which is certified, with PKCE required, refresh
 * tokens that rotate and betray their reuse, and `iss` in every answer (RFC 9207).
 *
 * Its API is `/me`, `/echo` (what it was asked, as JSON) and `/bytes/:n` (every value of a byte, over and over). Each
 * takes an access token of this server, while it lasts, and answers 401 to all else.
 */
import { generateKeyPairSync } from 'node:crypto'

import { Provider } from 'oidc-provider'

import { deferred } from './deferred.mjs'
import { bytesOf, serve } from './serve.mjs'

/** The person who has an account there. */
export const grace = { id: 'grace', email: 'grace@example.com' }

/** Starts it with one registered app, whose access tokens last `expiresIn` seconds. */
export async function startProvider({ redirectUris, expiresIn = 3600 }) {
  const clientId = 'an-app'
  const clientSecret = 'it has : and % and + in it'
  const rows = new Rows()

  let route
  const server = await serve((request, response) => route(request, response))
  const provider = new Provider(server.origin, {
    adapter: (model) => rows.of(model),
    claims: { openid: ['sub'], email: ['email'] },
    clients: [
      {
        client_id: clientId,
        client_secret: clientSecret,
        grant_types: ['authorization_code', 'refresh_token'],
        id_token_signed_response_alg: 'ES256',
        redirect_uris: redirectUris,
      },
    ],
    cookies: { keys: ['signs cookies'] },
    features: { devInteractions: { enabled: false }, revocation: { enabled: true } },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, email: grace.email }) }),
    interactions: { url: (_, { uid }) => `/interaction/${uid}` },
    issueRefreshToken: () => true,
    jwks: { keys: [generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' })] },
    pkce: { required: () => true },
    rotateRefreshToken: true,
    scopes: ['openid', 'email', 'offline_access', 'mail.read', 'mail.send'],
    ttl: {
      AccessToken: expiresIn,
      AuthorizationCode: 60,
      Grant: 86_400,
      IdToken: 3600,
      Interaction: 600,
      RefreshToken: 86_400,
      Session: 86_400,
    },
  })

  const handle = {
    origin: server.origin,
    clientId,
    clientSecret,
    /** What a connection says to be sent here. */
    endpoints: {
      authorizeUrl: `${server.origin}/auth`,
      tokenUrl: `${server.origin}/token`,
      revokeUrl: `${server.origin}/token/revocation`,
      baseUrl: server.origin,
    },
    /** Every token request, when it was answered: `{ grantType, status }`. */
    tokenRequests: [],
    /** Every code and token that it gave out. */
    issued: rows.issued,
    /** Every request to the API: `{ method, url, status }`. */
    apiRequests: [],
    /** How often a grant was ended because a refresh token of it came twice. */
    reuses: 0,
    /** Koa middleware around the token endpoint: a test may hold, refuse or lose an answer with it. */
    aroundToken: (context, next) => next(),
    /** Holds the next token request as it is. */
    hold: (where) => hold(handle, where),
    /** What a person's consent would bring: `{ accessToken, refreshToken }`. */
    grant: () => mint(provider, clientId),
    /** Makes every access token stop working, as time does. */
    expireAccessTokens: () => rows.forget('AccessToken'),
    /** Ends every grant, as a person does on their account's page. */
    revoke: () => ['AccessToken', 'RefreshToken', 'Grant', 'Session'].forEach((model) => rows.forget(model)),
    close: server.close,
  }

  provider.on('grant.revoked', () => handle.reuses++)
  provider.use(async (context, next) => {
    if (context.path !== '/token') return next()
    await handle.aroundToken(context, next)
    handle.tokenRequests.push({ grantType: context.oidc?.params?.grant_type, status: context.status })
  })
  const flow = provider.callback()
  route = async (request, response) => {
    const { pathname } = new URL(request.url, server.origin)
    if (pathname.startsWith('/interaction/')) return askPerson(provider, request, response)
    if (!/^\/(?:me|echo|bytes\/\d+)$/.test(pathname)) return flow(request, response)
    await answer(provider, pathname, request, response)
    handle.apiRequests.push({ method: request.method, url: request.url, status: response.statusCode })
  }
  return handle
}

/**
 * Holds one token request: `before` the server has seen it, or `after` it has answered, so that only the answer can be
 * lost. It has `arrived`; `release` lets it go on. One that is never released is never answered.
 */
function hold(handle, where) {
  const { aroundToken } = handle
  const [arrived, released] = [deferred(), deferred()]
  handle.aroundToken = async (context, next) => {
    handle.aroundToken = aroundToken
    if (where === 'after') await next()
    arrived.resolve()
    await released.promise
    if (where === 'before') await next()
  }
  return { arrived: arrived.promise, release: released.resolve }
}

/** Without the browser, so that a thousand are quickly made. */
async function mint(provider, clientId) {
  const scope = 'email offline_access'
  const grant = new provider.Grant({ accountId: grace.id, clientId })
  grant.addOIDCScope(scope)
  const client = await provider.Client.find(clientId)
  const token = { accountId: grace.id, client, grantId: await grant.save(), gty: 'authorization_code', scope }
  const [accessToken, refreshToken] = [new provider.AccessToken(token), new provider.RefreshToken(token)]
  return { accessToken: await accessToken.save(), refreshToken: await refreshToken.save() }
}

/** The provider's own page: one person, who agrees or refuses. */
async function askPerson(provider, request, response) {
  const { params } = await provider.interactionDetails(request, response)
  if (request.method === 'GET') {
    response.setHeader('content-type', 'text/html; charset=utf-8')
    return response.end(consentPage)
  }

  const { choice } = Object.fromEntries(new URLSearchParams(String(await bytesOf(request))))
  if (choice !== 'agree')
    return provider.interactionFinished(request, response, {
      error: 'access_denied',
      error_description: 'the person said no',
    })

  const grant = new provider.Grant({ accountId: grace.id, clientId: params.client_id })
  grant.addOIDCScope(params.scope)
  const consent = { grantId: await grant.save() }
  return provider.interactionFinished(request, response, { login: { accountId: grace.id }, consent })
}

const consentPage = `<!doctype html>
<html lang="en">
  <title>The provider</title>
  <h1>The provider</h1>
  <p>You are ${grace.email}. May the app act for you?</p>
  <form method="post">
    <button type="submit" name="choice" value="agree">Agree</button>
    <button type="submit" name="choice" value="refuse">Refuse</button>
  </form>
</html>
`

/** The API. */
async function answer(provider, pathname, request, response) {
  const bearer = /^Bearer (\S+)$/.exec(request.headers.authorization)?.[1]
  const token = bearer && (await provider.AccessToken.find(bearer))
  const body = await bytesOf(request)
  if (!token) {
    response.writeHead(401, { 'www-authenticate': 'Bearer error="invalid_token"', 'content-type': 'application/json' })
    return response.end('{"error":"invalid_token"}')
  }

  if (pathname.startsWith('/bytes/')) {
    const length = Number(pathname.slice('/bytes/'.length))
    response.writeHead(200, { 'content-type': 'application/octet-stream' })
    return response.end(Buffer.from(Uint8Array.from({ length }, (_, index) => index % 256)))
  }
  const { method, url, headers } = request
  const me = { id: token.accountId, email: grace.email }
  const echo = { method, url, headers, body: body.toString('base64') }
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(JSON.stringify(pathname === '/me' ? me : echo))
}

/** What the server remembers, in the shape that `oidc-provider` asks for. */
class Rows {
  issued = []
  #rows = new Map()

  /** Forgets every row of a model. */
  forget(model) {
    for (const key of this.#rows.keys()) if (key.startsWith(`${model}:`)) this.#rows.delete(key)
  }

  /** `oidc-provider`'s adapter for one model. It judges expiry itself, by what is in the payload. */
  of(model) {
    const { issued } = this
    const rows = this.#rows
    const find = (is) => [...rows].find(([key, payload]) => key.startsWith(`${model}:`) && is(payload))?.[1]
    return {
      find: async (id) => rows.get(`${model}:${id}`),
      findByUid: async (uid) => find((payload) => payload.uid === uid),
      findByUserCode: async (userCode) => find((payload) => payload.userCode === userCode),
      upsert: async (id, payload) => {
        // Theirs is the id.
        if (['AccessToken', 'AuthorizationCode', 'RefreshToken'].includes(model)) issued.push(id)
        rows.set(`${model}:${id}`, payload)
      },
      consume: async (id) => void (rows.get(`${model}:${id}`).consumed = Math.floor(Date.now() / 1000)),
      destroy: async (id) => void rows.delete(`${model}:${id}`),
      async revokeByGrantId(grantId) {
        for (const [key, payload] of rows) if (payload.grantId === grantId) rows.delete(key)
      },
    }
  }
}
