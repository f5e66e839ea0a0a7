const native = require('./native.js')

/** What every promise of this package rejects with, save an aborted one. */
class OnbehalfError extends Error {
  constructor({ message, code, retryable, details }) {
    super(message)
    Object.assign(this, { code, retryable, details })
  }
}
Object.defineProperty(OnbehalfError.prototype, 'name', { value: 'OnbehalfError', configurable: true, writable: true })

/** A native failure, with a stack that begins where `entry` was called. Anything else the caller's own code threw. */
const known = (error, entry) => {
  if (error?.name !== 'OnbehalfError' || error instanceof OnbehalfError) return error
  const failure = new OnbehalfError(error)
  Error.captureStackTrace(failure, entry)
  return failure
}

/** A method, made to reject where it would throw. */
const lifted = (method) => {
  async function entry(...args) {
    try {
      return await method.apply(this, args)
    } catch (error) {
      throw known(error, entry)
    }
  }
  return entry
}

const methodsOf = ({ prototype }) =>
  Object.getOwnPropertyNames(prototype).filter(
    (name) => name !== 'constructor' && Object.getOwnPropertyDescriptor(prototype, name).value,
  )

const { Actions, ApiResponse, Connections, Connectors } = native
for (const room of [Actions, Connections, Connectors, native.Onbehalf])
  for (const name of methodsOf(room)) room.prototype[name] = lifted(room.prototype[name])

class Onbehalf extends native.Onbehalf {
  constructor(options) {
    try {
      super(options, process.env)
    } catch (error) {
      throw known(error, Onbehalf)
    }
    for (const room of ['actions', 'connections', 'connectors'])
      Object.defineProperty(this, room, { value: super[room] })
  }

  async handler(request) {
    const { method, url, headers } = request
    const body = new Uint8Array(await request.arrayBuffer())
    const [status, fields, bytes] = await super.handler({ method, url, headers: [...headers], body })
    return new Response(bytes.length ? bytes : null, { status, headers: fields })
  }
}

/** The default client: made when first used, so that variables set until then are seen. */
let standard
const actions = {}
for (const name of methodsOf(Actions))
  actions[name] = lifted((...args) => (standard ??= new Onbehalf()).actions[name](...args))

// Node asks its exit listeners before it stops; what is under way is waited for. Loaded again, this module has the same
// addon, and one listener will do.
process[Symbol.for(`onbehalf ${__dirname}`)] ??= process.on('exit', native.drain)

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
module.exports.request = actions.request
module.exports.upsertConnectedAccount = actions.upsertConnectedAccount
module.exports.verifyConnectedAccountUser = actions.verifyConnectedAccountUser
module.exports.waitForConnectedAccount = actions.waitForConnectedAccount
