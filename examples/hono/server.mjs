/**
 * onbehalf in a Hono app: a page that asks for Gmail, onbehalf's own pages, and the route that says who consented.
 *
 * Register http://localhost:3000/onbehalf/callback/gmail with Google, set `ONBEHALF_GMAIL_CLIENT_ID` and
 * `ONBEHALF_GMAIL_CLIENT_SECRET`, and run `node examples/hono/server.mjs`.
 */
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { Onbehalf } from 'onbehalf'

const port = Number(process.env.PORT ?? 3000)
const origin = `http://localhost:${port}`

const { actions, handler } = new Onbehalf({
  publicUrl: `${origin}/onbehalf`,
  userVerification: 'app',
  userVerifyUrls: [`${origin}/verify`],
})

// A stand-in: everyone is this user. Yours is whom your session names, never one that the URL names.
const accountOf = (_context) => ({ connectionName: 'gmail', identifier: 'user_123' })

const app = new Hono()

app.all('/onbehalf/*', (context) => handler(context.req.raw))

app.get('/', async (context) => {
  const { connectedAccount } = await actions.getOrCreateConnectedAccount(accountOf(context))
  return context.html(`
    <p>Gmail is ${connectedAccount.status}.</p>
    <form method="post" action="/connect"><button>Connect Gmail</button></form>`)
})

app.post('/connect', async (context) => {
  const { link } = await actions.getAuthorizationLink(accountOf(context))
  return context.redirect(link, 303)
})

app.get('/verify', async (context) => {
  const { identifier } = accountOf(context)
  const authRequestId = context.req.query('auth_request_id')
  try {
    const verified = await actions.verifyConnectedAccountUser({ authRequestId, identifier })
    return context.redirect(verified.postUserVerifyRedirectUrl, 303)
  } catch (error) {
    return context.text(`Nothing was connected: ${error.code}.`, 403)
  }
})

serve({ fetch: app.fetch, port }, () => console.log(`Open ${origin}`))
