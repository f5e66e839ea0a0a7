/** Says who consented: the session's user. */
import { accountOf, actions } from '../../lib/onbehalf.js'

export async function GET(request) {
  const { identifier } = accountOf(request)
  const authRequestId = new URL(request.url).searchParams.get('auth_request_id')
  try {
    const verified = await actions.verifyConnectedAccountUser({ authRequestId, identifier })
    return Response.redirect(verified.postUserVerifyRedirectUrl, 303)
  } catch (error) {
    return new Response(`Nothing was connected: ${error.code}.`, { status: 403 })
  }
}
