/**
 * onbehalf in an Express app: a page that asks for Gmail, onbehalf's own pages, and the route that says who consented.
 *
 * Register http://localhost:3000/onbehalf/callback/gmail with Google, set `ONBEHALF_GMAIL_CLIENT_ID` and
 * `ONBEHALF_GMAIL_CLIENT_SECRET`, and run `node examples/express/server.mjs`.
 */
import express from 'express'
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

const app = express()

app.use('/onbehalf', toNodeListener(handler))

app.get('/', async (request, response) => {
  const { connectedAccount } = await actions.getOrCreateConnectedAccount(accountOf(request))
  response.send(`
    <p>Gmail is ${connectedAccount.status}.</p>
    <form method="post" action="/connect"><button>Connect Gmail</button></form>`)
})

app.post('/connect', async (request, response) => {
  const { link } = await actions.getAuthorizationLink(accountOf(request))
  response.redirect(303, link)
})

app.get('/verify', async (request, response) => {
  const { identifier } = accountOf(request)
  const authRequestId = request.query.auth_request_id
  try {
    const verified = await actions.verifyConnectedAccountUser({ authRequestId, identifier })
    response.redirect(303, verified.postUserVerifyRedirectUrl)
  } catch (error) {
    response.status(403).send(`Nothing was connected: ${error.code}.`)
  }
})

app.listen(port, () => console.log(`Open ${origin}`))
