const { actions, getAuthorizationLink, Onbehalf, OnbehalfError } = require('onbehalf')

test('the package can be required in Jest', async () => {
  expect(getAuthorizationLink).toBe(actions.getAuthorizationLink)
  const onbehalf = new Onbehalf({ store: ':memory:' })
  await expect(onbehalf.actions.getToken({ Identifier: 'x' })).rejects.toMatchObject({
    name: 'OnbehalfError',
    code: 'UNKNOWN_OPTION',
    details: { option: 'Identifier', nearest: 'identifier' },
  })
  expect(() => new Onbehalf({ port: 'x' })).toThrow(OnbehalfError)
  await onbehalf.close()
})
