/** What the types promise, beyond the samples. A line that compiles and should not is an error, and the reverse. */
import {
  type AccessToken,
  actions,
  type Actions,
  type ApiResponse,
  type AuthorizationLink,
  type ConnectedAccount,
  ConnectorStatus,
  type ErrorCode,
  getAuthorizationLink,
  getToken,
  type NewOauthToken,
  Onbehalf,
  OnbehalfError,
  request,
  updateConnectedAccount,
} from 'onbehalf'

type IsAny<T> = 0 extends 1 & T ? true : false
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
type Answer<Name extends keyof Actions> = Awaited<ReturnType<Actions[Name]>>
const is = <_Claim extends true>() => {}

is<Same<Answer<'getAuthorizationLink'>, AuthorizationLink>>()
is<Same<AuthorizationLink, { link: string; expiry: Date }>>()
is<Same<Answer<'getToken'>, AccessToken>>()
is<Same<Answer<'request'>, ApiResponse>>()
is<Same<Answer<'deleteConnectedAccount'>, void>>()
is<Same<ApiResponse['data'], unknown>>()
is<Same<ConnectedAccount['status'], ConnectorStatus>>()
is<Same<typeof ConnectorStatus.ACTIVE, 'ACTIVE'>>()
is<Same<{ [Name in keyof Actions]: IsAny<Answer<Name>> }[keyof Actions], false>>()

const account = { connectionName: 'gmail', identifier: 'user_123' }
const { signal } = new AbortController()
await getAuthorizationLink({ ...account, signal, timeoutMs: 1000 })
await getToken({ connectedAccountId: 'ca_1', minValidity: 300 })
const queryParams = { one: 1, all: ['a', 2, true], none: undefined }
await request({ ...account, path: '/', method: 'POST', queryParams, body: new Uint8Array(1) })
const { connectedAccount } = await actions.getConnectedAccount(account)
const token: string | undefined = connectedAccount.authorizationDetails?.oauthToken?.accessToken
const key: string | undefined = connectedAccount.authorizationDetails?.staticAuth?.details.api_key
await updateConnectedAccount({ ...account, authorizationDetails: { staticAuth: { details: { api_key: 'key' } } } })
const oauthToken: NewOauthToken = {
  accessToken: 'token',
  refreshToken: 'token',
  scopes: ['read'],
  expiresAt: new Date(),
}
await updateConnectedAccount({ connectedAccountId: 'ca_1', authorizationDetails: { oauthToken } })
console.log(key, token, connectedAccount.tokenExpiresAt?.getTime())

// @ts-expect-error an option that there is not
await getAuthorizationLink({ ...account, redirect: '' })
// @ts-expect-error an option of the wrong type
await getToken({ ...account, minValidity: '5' })
// @ts-expect-error two credentials at once
await updateConnectedAccount({ ...account, authorizationDetails: { oauthToken, staticAuth: { details: {} } } })
// @ts-expect-error no credential
await updateConnectedAccount(account)
// @ts-expect-error a moment that is no Date
await updateConnectedAccount({ ...account, authorizationDetails: { oauthToken: { accessToken: '', expiresAt: 1 } } })
// @ts-expect-error a request without a path
await request(account)
// @ts-expect-error a verification that there is not
new Onbehalf({ userVerification: 'maybe' })
// @ts-expect-error errors are ours to make
new OnbehalfError()

const handler: (request: Request) => Promise<Response> = (request) => new Onbehalf().handler(request)
console.log(handler)

try {
  await actions.listConnections()
} catch (error) {
  if (error instanceof OnbehalfError && error.retryable) {
    const code: ErrorCode = error.code
    const name: string | undefined = error.details.connectionName
    console.log(code, name)
    // @ts-expect-error a code that there is not
    if (error.code === 'NO_SUCH_CODE') console.log(error)
  }
}
