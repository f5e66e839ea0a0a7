const { OnbehalfError, known, lifted } = require('./failure.js')
const native = require('./native.js')
const streams = require('./streams.js')
const { variables } = require('./variables.js')

const methodsOf = ({ prototype }) =>
  Object.getOwnPropertyNames(prototype).filter(
    (name) => name !== 'constructor' && Object.hasOwn(Object.getOwnPropertyDescriptor(prototype, name), 'value'),
  )

const { Actions, ApiResponse, Connections, Connectors } = native
for (const room of [Actions, Connections, Connectors, native.Onbehalf])
  for (const name of methodsOf(room).filter((name) => name !== 'on'))
    room.prototype[name] = lifted(room.prototype[name])

// Loaded again, as test runners do, this module has the same addon, and shares what must be one: the default client, the
// exit listener, and what is known of answers under way.
const shared = (process[Symbol.for(`onbehalf ${__dirname}`)] ??= {
  standard: undefined,
  listening: false,
  calls: new WeakMap(),
})

const { request, ...reading } = streams({ known, calls: shared.calls })
Actions.prototype.request = lifted(request)
for (const [name, value] of Object.entries(reading))
  Object.defineProperty(ApiResponse.prototype, name, { __proto__: null, value, configurable: true, writable: true })

/** A method that can be passed around: `export const GET = onbehalf.handler`. */
const bind = (object, name) =>
  Object.defineProperty(object, name, { __proto__: null, value: object[name].bind(object), configurable: true })

class Onbehalf extends native.Onbehalf {
  /** Listeners that may still be called: an event may be on its way to one that was removed. */
  #heard = new Set()

  constructor(options) {
    try {
      super(options, variables())
    } catch (error) {
      throw known(error, Onbehalf)
    }
    for (const [name, type] of Object.entries({ actions: Actions, connections: Connections, connectors: Connectors })) {
      const room = super[name]
      for (const method of methodsOf(type)) bind(room, method)
      Object.defineProperty(this, name, { __proto__: null, value: room })
    }
    for (const method of ['on', 'handler', 'listen', 'health', 'metrics', 'close']) bind(this, method)
  }

  on(name, listener) {
    const told = typeof listener === 'function' ? (event) => this.#heard.has(told) && listener(event) : listener
    try {
      const stop = super.on(name, told)
      this.#heard.add(told)
      return () => {
        if (this.#heard.delete(told)) stop()
      }
    } catch (error) {
      throw known(error, Onbehalf.prototype.on)
    }
  }

  async close(options) {
    await super.close(options)
    this.#heard.clear()
  }

  async handler(request) {
    const { method, url, headers } = request
    const body = method === 'POST' ? await beginning(request.body) : new Uint8Array()
    const [status, fields, bytes] = await super.handler({ method, url, headers: [...headers], body })
    return new Response(bytes.length ? bytes : null, { status, headers: fields })
  }
}

/** As much of a body as the pages take, and a byte more, so that they see when it is too long. */
async function beginning(stream) {
  const most = native.largestForm() + 1
  const parts = []
  let length = 0
  for await (const part of stream ?? []) {
    parts.push(part.subarray(0, most - length))
    length += parts.at(-1).length
    // Leaving the loop cancels the stream.
    if (length === most) break
  }
  return Buffer.concat(parts)
}

/** The default client: made when first used, so that variables set until then are seen. */
const actions = {}
for (const name of methodsOf(Actions))
  actions[name] = lifted((...args) => (shared.standard ??= new Onbehalf()).actions[name](...args))

// Node asks its exit listeners before it stops; what is under way is waited for.
if (!shared.listening) process.on('exit', native.drain)
shared.listening = true

module.exports.Onbehalf = Onbehalf
module.exports.OnbehalfError = OnbehalfError
module.exports.Actions = Actions
module.exports.ApiResponse = ApiResponse
module.exports.Connections = Connections
module.exports.Connectors = Connectors
module.exports.ConnectorStatus = Object.freeze({
  ACTIVE: 'ACTIVE',
  EXPIRED: 'EXPIRED',
  PENDING_AUTH: 'PENDING_AUTH',
  PENDING_VERIFICATION: 'PENDING_VERIFICATION',
  DISCONNECTED: 'DISCONNECTED',
})

// Literally, one by one: so Node finds the names that `import { … }` may ask for.
module.exports.actions = actions
module.exports.createConnectedAccount = actions.createConnectedAccount
module.exports.deleteConnectedAccount = actions.deleteConnectedAccount
module.exports.disconnectConnectedAccount = actions.disconnectConnectedAccount
module.exports.getAuthorizationLink = actions.getAuthorizationLink
module.exports.getConnectedAccount = actions.getConnectedAccount
module.exports.getConnectedAccountDetails = actions.getConnectedAccountDetails
module.exports.getOrCreateConnectedAccount = actions.getOrCreateConnectedAccount
module.exports.getToken = actions.getToken
module.exports.listConnectedAccounts = actions.listConnectedAccounts
module.exports.listConnections = actions.listConnections
module.exports.listRevocations = actions.listRevocations
module.exports.request = actions.request
module.exports.updateConnectedAccount = actions.updateConnectedAccount
module.exports.upsertConnectedAccount = actions.upsertConnectedAccount
module.exports.verifyConnectedAccountUser = actions.verifyConnectedAccountUser
module.exports.waitForConnectedAccount = actions.waitForConnectedAccount
