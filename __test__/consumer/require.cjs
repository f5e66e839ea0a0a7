/** What a program that requires the package may count on; it never closes, and ends all the same. */
const assert = require('node:assert/strict')

const { Onbehalf, OnbehalfError, actions, getToken } = require('onbehalf')
const { toNodeListener } = require('onbehalf/node')

assert.equal(getToken, actions.getToken)
assert.equal(typeof toNodeListener, 'function')
assert.throws(() => new Onbehalf({ port: 'x' }), OnbehalfError)

const app = { connector: 'gmail', clientId: 'an id', clientSecret: 'a secret' }
const { actions: own } = new Onbehalf({ store: ':memory:', port: 0, connections: { app } })
own.getAuthorizationLink({ connectionName: 'app', identifier: 'user_123' }).then(({ link }) => assert.ok(link))
