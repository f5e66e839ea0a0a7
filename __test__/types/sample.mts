import { actions } from 'onbehalf'

const account = { connectionName: 'gmail', identifier: 'user_123' }

const response = await actions.getOrCreateConnectedAccount(account)
if (response.connectedAccount?.status !== 'ACTIVE') {
  const linkResponse = await actions.getAuthorizationLink(account)
  console.log(`Authorize Gmail: ${linkResponse.link}`)
  await actions.waitForConnectedAccount(account)
}

const messages = await actions.request({ ...account, path: '/gmail/v1/users/me/messages' })
console.log(messages.data)
