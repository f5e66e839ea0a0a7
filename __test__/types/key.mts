/** A key that a person enters, as the README shows it. */
import { actions } from 'onbehalf'

const { link } = await actions.getAuthorizationLink({ connectionName: 'openai', identifier: 'user_123' })
console.log(link)
