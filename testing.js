const { known, lifted } = require('./failure.js')
const { Onbehalf } = require('./index.js')
const native = require('./native.js')
const { withoutVariables } = require('./variables.js')

/** A request that waits in the sandbox. */
class HeldRequest {
  #held

  constructor(held) {
    this.#held = held
  }

  arrived(options) {
    return native.heldArrived(this.#held, options)
  }

  release() {
    native.heldRelease(this.#held)
  }
}

class Sandbox {
  constructor(onbehalf) {
    Object.defineProperty(this, 'onbehalf', { __proto__: null, value: onbehalf, enumerable: true })
    Object.defineProperty(this, 'actions', { __proto__: null, value: onbehalf.actions, enumerable: true })
  }

  connect(options) {
    return native.sandboxConnect(this.onbehalf, options)
  }

  async grant(link, options) {
    return { redirectUrl: await native.sandboxGrant(this.onbehalf, { ...options, link }) }
  }

  async deny(link, options) {
    return { redirectUrl: await native.sandboxDeny(this.onbehalf, { ...options, link }) }
  }

  async submitKey(link, key, options) {
    return { redirectUrl: await native.sandboxSubmitKey(this.onbehalf, { ...options, link, key }) }
  }

  expireAccessTokens(options) {
    return native.sandboxExpireAccessTokens(this.onbehalf, options)
  }

  revoke(options) {
    return native.sandboxRevoke(this.onbehalf, options)
  }

  narrowScopes(options) {
    return native.sandboxNarrowScopes(this.onbehalf, options)
  }

  close(options) {
    return this.onbehalf.close(options)
  }

  issueKey(options) {
    return native.sandboxIssueKey(this.onbehalf, options)
  }

  reply(options) {
    native.sandboxReply(this.onbehalf, options)
  }

  failNext(options) {
    native.sandboxFailNext(this.onbehalf, options)
  }

  slowNext(options) {
    native.sandboxSlowNext(this.onbehalf, options)
  }

  holdNext(options) {
    return new HeldRequest(native.sandboxHoldNext(this.onbehalf, options))
  }

  dropNext(options) {
    native.sandboxDropNext(this.onbehalf, options)
  }

  advance(options) {
    native.sandboxAdvance(this.onbehalf, options)
  }

  get requests() {
    return native.sandboxRequests(this.onbehalf).map(([at, method, path, query, headers, user, grantType, status]) => ({
      at: new Date(at),
      method,
      path,
      query,
      headers,
      user: user ?? undefined,
      grantType: grantType ?? undefined,
      status: status ?? undefined,
    }))
  }
}

/** A method that throws an `OnbehalfError` whose stack begins where it was called. */
const told = (method) =>
  function entry(...args) {
    try {
      return method.apply(this, args)
    } catch (error) {
      throw known(error, entry)
    }
  }

const waiting = ['connect', 'grant', 'deny', 'submitKey', 'expireAccessTokens', 'revoke', 'narrowScopes', 'close']
for (const name of waiting) Sandbox.prototype[name] = lifted(Sandbox.prototype[name])
const { get } = Object.getOwnPropertyDescriptor(Sandbox.prototype, 'requests')
Object.defineProperty(Sandbox.prototype, 'requests', { __proto__: null, get: told(get) })
for (const name of ['issueKey', 'reply', 'failNext', 'slowNext', 'holdNext', 'dropNext', 'advance'])
  Sandbox.prototype[name] = told(Sandbox.prototype[name])
HeldRequest.prototype.arrived = lifted(HeldRequest.prototype.arrived)

// `await using` finds it, where the runtime knows of it.
if (Symbol.asyncDispose) Sandbox.prototype[Symbol.asyncDispose] = Sandbox.prototype.close

module.exports.HeldRequest = HeldRequest
module.exports.Sandbox = Sandbox
module.exports.openSandbox = lifted(async (options) => {
  // A public URL without a port: nothing listens.
  const publicUrl = options?.publicUrl ?? 'http://localhost'
  // A test that moves the clock decides what is asked of the provider.
  const own = { publicUrl, store: ':memory:', backgroundRefresh: false }
  const onbehalf = withoutVariables(() => new Onbehalf({ ...options, ...own }))
  try {
    await native.sandboxOpen(onbehalf)
  } catch (error) {
    await onbehalf.close()
    throw error
  }
  return new Sandbox(onbehalf)
})
