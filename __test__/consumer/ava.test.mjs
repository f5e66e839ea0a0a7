/** A consumer's own test, in ava. */
import test from 'ava'
import { Onbehalf } from 'onbehalf'

test('an agent asks for an account that nobody connected', async (t) => {
  const app = { connector: 'gmail', clientId: 'an id', clientSecret: 'a secret' }
  const onbehalf = new Onbehalf({ store: ':memory:', port: 0, connections: { app } })
  t.teardown(() => onbehalf.close())
  const asked = onbehalf.actions.getToken({ connectionName: 'app', identifier: 'user_123' })
  await t.throwsAsync(asked, { code: 'CONNECTED_ACCOUNT_NOT_FOUND' })
})
