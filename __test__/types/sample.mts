import { actions } from 'onbehalf'

const linkResponse = await actions.getAuthorizationLink({ connectionName: 'gmail', identifier: 'user_123' })
console.log('click on the link to authorize gmail', linkResponse.link)

await actions.waitForConnectedAccount({ connectionName: 'gmail', identifier: 'user_123' })
const response = await actions.getOrCreateConnectedAccount({ connectionName: 'gmail', identifier: 'user_123' })
console.log(response.connectedAccount?.status) // ACTIVE

const path = '/gmail/v1/users/me/messages'
const messages = await actions.request({ connectionName: 'gmail', identifier: 'user_123', path })
console.log(messages.data)
