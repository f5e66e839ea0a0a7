/** A page that asks for Gmail, and where its button leads. */
import { accountOf, actions } from '../../lib/onbehalf.js'

export async function GET(request) {
  const { connectedAccount } = await actions.getOrCreateConnectedAccount(accountOf(request))
  const page = `
    <p>Gmail is ${connectedAccount.status}.</p>
    <form method="post"><button>Connect Gmail</button></form>`
  return new Response(page, { headers: { 'content-type': 'text/html' } })
}

export async function POST(request) {
  const { link } = await actions.getAuthorizationLink(accountOf(request))
  return Response.redirect(link, 303)
}
