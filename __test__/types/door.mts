/** What the types promise, beyond the samples. A line that compiles and should not is an error, and the reverse. */
import { Readable } from 'node:stream'

import {
  type AccessToken,
  actions,
  type Actions,
  type ApiResponse,
  type AuthorizationLink,
  type ConnectedAccount,
  type ConnectionDetails,
  ConnectorStatus,
  type ErrorCode,
  getAuthorizationLink,
  getToken,
  type NewOauthToken,
  Onbehalf,
  OnbehalfError,
  request,
  type RequestStream,
  updateConnectedAccount,
} from 'onbehalf'

type KeysOf = Awaited<ReturnType<Onbehalf['keySlots']>>['keySlots'][number]
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
is<Same<KeysOf, { id: string; kind: 'direct' | 'wrapped'; createdAt: Date; current: boolean }>>()
is<Same<{ [Name in keyof Actions]: IsAny<Answer<Name>> }[keyof Actions], false>>()

const account = { connectionName: 'gmail', identifier: 'user_123' }
const { signal } = new AbortController()
await getAuthorizationLink({ ...account, signal, timeoutMs: 1000 })
await getToken({ connectedAccountId: 'ca_1', minValidity: 300 })
const queryParams = { one: 1, all: ['a', 2, true], none: undefined }
await request({ ...account, path: '/', method: 'POST', queryParams, body: new Uint8Array(1) })
const answer = await request({ ...account, path: '/', stream: true, signal })
is<Same<ReturnType<typeof answer.stream>, ReadableStream<Uint8Array>>>()
is<Same<Awaited<ReturnType<typeof answer.text>>, string>>()
is<Same<Awaited<ReturnType<typeof answer.bytes>>, Uint8Array>>()
async function* chunks() {
  yield 'text'
  yield new Uint8Array(1)
}
const bodies: RequestStream[] = [chunks(), Readable.from(chunks()), new Blob(['text']), answer.stream()]
for (const body of bodies) await request({ ...account, path: '/', method: 'PUT', body })
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
is<Same<ConnectedAccount['nextRefreshAt'], Date | undefined>>()
is<Same<ConnectedAccount['refreshedAt'], Date | undefined>>()
is<Same<ConnectionDetails['misconfigured'], { error: string; since: Date; nextTryAt: Date } | undefined>>()
new Onbehalf({ connections: { gmail: { clientId: 'id', clientSecret: ['new', 'old'] } } })
await new Onbehalf().connections.update({ connectionName: 'gmail', clientSecret: 'new' })

// @ts-expect-error an option that there is not
await getAuthorizationLink({ ...account, redirect: '' })
// @ts-expect-error an option of the wrong type
await getToken({ ...account, minValidity: '5' })
// @ts-expect-error a secret that is no string
new Onbehalf({ connections: { gmail: { clientSecret: [1] } } })
// @ts-expect-error a stream of what is no bytes
const numbers: RequestStream = new ReadableStream<number>()
console.log(numbers)
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

const stop: () => void = new Onbehalf().on('statusChanged', ({ type, identifier, status, previousStatus, at }) => {
  const told: ['statusChanged', string, ConnectorStatus, ConnectorStatus, Date] = [
    type,
    identifier,
    status,
    previousStatus,
    at,
  ]
  console.log(told)
})
stop()
// @ts-expect-error an event that there is not
new Onbehalf().on('statusChange', () => {})

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
