import { actions } from 'onbehalf'

// What follows is the README's.
const { accessToken } = await actions.getToken({ connectionName: 'gmail', identifier: 'user_123', minValidity: 300 })

accessToken satisfies string
