/** What every promise of this package rejects with, save an aborted one. */
class OnbehalfError extends Error {
  constructor({ message, code, retryable, details }) {
    super(message)
    Object.assign(this, { code, retryable, details })
  }
}
Object.defineProperty(OnbehalfError.prototype, 'name', {
  __proto__: null,
  value: 'OnbehalfError',
  configurable: true,
  writable: true,
})

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

module.exports = { OnbehalfError, known, lifted }
