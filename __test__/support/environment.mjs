/** onbehalf, opened for one test: a store of its own in memory, a free port, one connection `app`, and its end. */
import { Onbehalf } from 'onbehalf'

import { freePort } from './serve.mjs'

/** Who the tests connect. */
export const account = { connectionName: 'app', identifier: 'user_123' }

/**
 * Opens it against the provider that `start` starts, given the redirect URI. Both end with the test.
 *
 * Gmail's connector lends its manners: its endpoints are replaced by the provider's. `asked` are options, or makes them
 * when it is given the provider; `scopes` and `connection` among them concern the connection.
 */
export async function openEnvironment(t, start, asked = {}) {
  const port = await freePort()
  const origin = `http://localhost:${port}`
  const provider = await start({ redirectUris: [`${origin}/callback/app`] })
  t.teardown(provider.close)

  const { clientId, clientSecret, endpoints } = provider
  const { scopes, connection, ...options } = typeof asked === 'function' ? asked(provider) : asked
  const app = connection ?? { connector: 'gmail', endpoints }
  const connections = { app: { clientId, clientSecret, scopes, ...app } }
  const onbehalf = new Onbehalf({ store: ':memory:', port, connections, ...options })
  t.teardown(() => onbehalf.close())

  const { actions } = onbehalf
  return {
    actions,
    onbehalf,
    origin,
    provider,
    link: async (options) => (await actions.getAuthorizationLink({ ...account, ...options })).link,
    status: async () => (await actions.getOrCreateConnectedAccount(account)).connectedAccount.status,
  }
}
