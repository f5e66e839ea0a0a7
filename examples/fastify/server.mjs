/**
 * onbehalf in a Fastify app: a page that asks for Gmail, onbehalf's own pages, and the route that says who consented.
 *
 * Register http://localhost:3000/onbehalf/callback/gmail with Google, set `ONBEHALF_GMAIL_CLIENT_ID` and
 * `ONBEHALF_GMAIL_CLIENT_SECRET`, and run `node examples/fastify/server.mjs`.
 */
import Fastify from 'fastify'
import { Onbehalf } from 'onbehalf'
import { toNodeListener } from 'onbehalf/node'

const port = process.env.PORT ?? 3000
const origin = `http://localhost:${port}`

const { actions, handler } = new Onbehalf({
  publicUrl: `${origin}/onbehalf`,
  userVerification: 'app',
  userVerifyUrls: [`${origin}/verify`],
})

// A stand-in: everyone is this user. Yours is whom your session names, never one that the URL names.
const accountOf = (_request) => ({ connectionName: 'gmail', identifier: 'user_123' })

const app = Fastify()

// Forms are onbehalf's to read, within `/onbehalf`; the page's own, which is empty, is read by nobody.
app.addContentTypeParser('application/x-www-form-urlencoded', (_request, _body, done) => done(null))

app.register(
  async (pages) => {
    const listener = toNodeListener(handler)
    pages.removeAllContentTypeParsers()
    pages.addContentTypeParser('*', (_request, _body, done) => done(null))
    pages.all('/*', (request, reply) => {
      reply.hijack()
      listener(request.raw, reply.raw)
    })
  },
  { prefix: '/onbehalf' },
)

app.get('/', async (request, reply) => {
  const { connectedAccount } = await actions.getOrCreateConnectedAccount(accountOf(request))
  return reply.type('text/html').send(`
    <p>Gmail is ${connectedAccount.status}.</p>
    <form method="post" action="/connect"><button>Connect Gmail</button></form>`)
})

app.post('/connect', async (request, reply) => {
  const { link } = await actions.getAuthorizationLink(accountOf(request))
  return reply.redirect(link, 303)
})

app.get('/verify', async (request, reply) => {
  const { identifier } = accountOf(request)
  const authRequestId = request.query.auth_request_id
  try {
    const verified = await actions.verifyConnectedAccountUser({ authRequestId, identifier })
    return reply.redirect(verified.postUserVerifyRedirectUrl, 303)
  } catch (error) {
    return reply.code(403).send(`Nothing was connected: ${error.code}.`)
  }
})

await app.listen({ port })
console.log(`Open ${origin}`)
