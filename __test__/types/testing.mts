/** The test API, as TypeScript sees it. */
import type { Actions, ConnectedAccount } from 'onbehalf'
import { openSandbox, type ArrivedRequest, type HeldRequest, type Sandbox } from 'onbehalf/testing'

const sandbox: Sandbox = await openSandbox({ connections: { gmail: { connector: 'sandbox' } } })
const actions: Actions = sandbox.actions
const { link } = await actions.getAuthorizationLink({ connectionName: 'gmail', identifier: 'user_123' })
const { redirectUrl }: { redirectUrl: string } = await sandbox.grant(link, { user: 'grace', scopes: ['read'] })
await sandbox.deny(redirectUrl, { timeoutMs: 1000 })
const account: ConnectedAccount = await sandbox.connect({ identifier: 'user_123', signal: AbortSignal.timeout(1000) })
await sandbox.submitKey(link, sandbox.issueKey({ permissions: ['read'] }))

sandbox.failNext({ path: '/token', status: 503, retryAfter: 30, times: 2 })
sandbox.dropNext()
sandbox.advance({ hours: 2, minutes: 1 })
sandbox.reply({ path: '/v1', body: { any: ['json', 1, null] } })
const held: HeldRequest = sandbox.holdNext()
await held.arrived()
held.release()
const request: ArrivedRequest | undefined = sandbox.requests.at(-1)
console.log(request?.status?.toFixed(), account.status)

// @ts-expect-error: a store would outlive the test
await openSandbox({ store: './store.db' })
// @ts-expect-error: which status?
sandbox.failNext({ path: '/token' })
// @ts-expect-error: it is opened, not made
new (sandbox.constructor as typeof Sandbox)()

await sandbox.close()
await sandbox[Symbol.asyncDispose]()
