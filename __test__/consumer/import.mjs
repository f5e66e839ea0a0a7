/** What a program that imports the package may count on. */
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'

import { ConnectorStatus, Onbehalf, OnbehalfError, actions, getAuthorizationLink } from 'onbehalf'
import { toNodeListener } from 'onbehalf/node'

const required = createRequire(import.meta.url)('onbehalf')
assert.equal(required.Onbehalf, Onbehalf)
assert.equal(getAuthorizationLink, actions.getAuthorizationLink)
assert.equal(ConnectorStatus.ACTIVE, 'ACTIVE')
assert.equal(typeof toNodeListener(() => new Response()), 'function')

const app = { connector: 'gmail', clientId: 'an id', clientSecret: 'a secret' }
const onbehalf = new Onbehalf({ store: ':memory:', port: 0, connections: { app } })
const account = { connectionName: 'app', identifier: 'user_123' }
const { link } = await onbehalf.actions.getAuthorizationLink(account)
assert.equal((await fetch(link)).status, 200)
await assert.rejects(onbehalf.actions.getToken(account), OnbehalfError)
await onbehalf.close()
