/** A consumer's own test, in Jest. */
const { Onbehalf } = require('onbehalf')

test('an agent asks for an account that nobody connected', async () => {
  const app = { connector: 'gmail', clientId: 'an id', clientSecret: 'a secret' }
  const onbehalf = new Onbehalf({ store: ':memory:', port: 0, connections: { app } })
  const asked = onbehalf.actions.getToken({ connectionName: 'app', identifier: 'user_123' })
  await expect(asked).rejects.toMatchObject({ code: 'CONNECTED_ACCOUNT_NOT_FOUND' })
  await onbehalf.close()
})
