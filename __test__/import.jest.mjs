import * as names from 'onbehalf'
import { actions, getAuthorizationLink, Onbehalf, OnbehalfError } from 'onbehalf'

test('the package can be imported in Jest', async () => {
  expect(getAuthorizationLink).toBe(actions.getAuthorizationLink)
  for (const name of Object.keys(actions)) expect(names[name]).toBe(actions[name])
})

test('options and errors of Jest’s realm are understood', async () => {
  const onbehalf = new Onbehalf({ store: ':memory:', port: 0, connections: { gmail: { scopes: ['a'] } } })
  const error = await onbehalf.actions.getAuthorizationLink({}).catch((error) => error)
  expect(error).toBeInstanceOf(OnbehalfError)
  expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', details: { argument: 'connectionName' } })
  const reason = new Error('mine')
  const signal = AbortSignal.abort(reason)
  const account = { connectionName: 'gmail', identifier: 'user_123' }
  await expect(onbehalf.actions.getToken({ ...account, signal })).rejects.toBe(reason)
  await onbehalf.close()
})
