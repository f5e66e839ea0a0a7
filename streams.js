/**
 * Bodies that flow, between web streams and the addon: `request` with a body that is made on the way, and the answer's
 * `text`, `bytes` and `stream`.
 *
 * Both ways the receiver sets the pace. Nothing is asked of a source before there is room for it, and nothing of the
 * provider before somebody reads. What ends early is let go of at once: a source is cancelled, a connection closed.
 */
const { isDisturbed } = require('node:stream')
const { isUint8Array } = require('node:util').types

const native = require('./native.js')

/** Stops listening to the signals of answers that nobody holds any more. */
const forgotten = new FinalizationRegistry((stopListening) => stopListening())

/**
 * Makes the functions. `known` is what native failures become; `calls` keeps what may end an answer early, by answer.
 */
module.exports = ({ known, calls }) => {
  async function request(options) {
    const asked = copy(options)
    const { body, stream, signal } = ownOf(asked)
    const source = isSource(body) ? new Source(body) : undefined
    if (source) delete asked.body
    try {
      // Throws for options that are refused: then the source is as it was.
      const answered = native.sendRequest(this, asked, source?.writer)
      source?.begin()
      const response = await answered
      if (stream === true) calls.set(response, new StreamedCall(response, signal, source))
      else source?.stop()
      return response
    } catch (error) {
      source?.stop(error)
      throw source?.failure ? source.failure.reason : error
    }
  }

  /** All of a body, or its failure: with the reason of whoever ended it. */
  async function whole(response, entry) {
    try {
      native.claimBody(response)
    } catch (error) {
      throw known(error, entry)
    }
    const call = calls.get(response)
    try {
      return await native.readWhole(response)
    } catch (error) {
      throw call?.ended ? call.ended.reason : known(error, entry)
    } finally {
      call?.over()
    }
  }

  async function bytes() {
    return whole(this, bytes)
  }

  async function text() {
    const { buffer, byteOffset, byteLength } = await whole(this, text)
    return Buffer.from(buffer, byteOffset, byteLength).toString()
  }

  function stream() {
    try {
      native.claimBody(this)
    } catch (error) {
      throw known(error, stream)
    }
    const call = calls.get(this)
    const next = async () => {
      try {
        return await native.readChunk(this)
      } catch (error) {
        call.over()
        throw call.ended ? call.ended.reason : known(error, stream)
      }
    }
    return new ReadableStream(call ? call.source(next) : onlyChunk(() => native.readWhole(this)), { highWaterMark: 0 })
  }

  return { request, bytes, text, stream }
}

/** A call whose answer is read as it comes, until that is over. */
class StreamedCall {
  /** Why it ended before its time: `{ reason }`. */
  ended
  #response
  #source
  #controller
  #stopListening = () => {}

  constructor(response, signal, source) {
    this.#response = new WeakRef(response)
    this.#source = source
    source?.onFailure((reason) => this.end(reason))
    if (signal?.aborted) this.end(signal.reason)
    else if (signal) {
      this.#stopListening = listen(signal, new WeakRef(this))
      forgotten.register(response, this.#stopListening)
    }
  }

  /** The source of a web stream of what `next` brings. It keeps the answer, which keeps the connection. */
  source(next) {
    return {
      type: 'bytes',
      start: (controller) => {
        this.#controller = controller
        if (this.ended) controller.error(this.ended.reason)
      },
      pull: async (controller) => {
        const chunk = await next()
        if (chunk) return controller.enqueue(chunk)
        this.over()
        close(controller)
      },
      cancel: () => this.end(undefined),
    }
  }

  /** Nothing more comes. */
  over() {
    this.#stopListening()
    this.#source?.stop()
  }

  /** Breaks it off, whether or not somebody reads. */
  end(reason) {
    this.ended ??= { reason }
    this.over()
    const response = this.#response.deref()
    if (response) native.cancelBody(response)
    this.#controller?.error(reason)
  }
}

/** Ends `call` when `signal` aborts; returns how to stop. A signal often outlives its calls: it must not hold them. */
function listen(signal, call) {
  const abort = () => call.deref()?.end(signal.reason)
  native.makeRoom(signal, 1)
  signal.addEventListener('abort', abort)
  let listening = true
  return () => {
    if (!listening) return
    listening = false
    signal.removeEventListener('abort', abort)
    native.makeRoom(signal, -1)
  }
}

/** The source of a web stream of bytes that are there. */
const onlyChunk = (read) => ({
  type: 'bytes',
  async pull(controller) {
    const chunk = await read()
    if (chunk.length) controller.enqueue(chunk)
    close(controller)
  },
})

/** A reader that brought its own buffer is told that nothing is in it. */
const close = (controller) => {
  controller.close()
  controller.byobRequest?.respond(0)
}

/** What a body is made of, written to the provider as fast as that takes it. */
class Source {
  writer
  /** What it failed with: `{ reason }`. */
  failure
  #body
  #chunks
  #stopped = false
  #failed = () => {}

  constructor(body) {
    this.#body = body
    this.writer = isBlob(body) ? native.openWriter(body.size, body.type) : native.openWriter()
  }

  onFailure(failed) {
    if (this.failure) failed(this.failure.reason)
    else this.#failed = failed
  }

  async begin() {
    try {
      const body = isBlob(this.#body) ? this.#body.stream() : this.#body
      if (body.locked || isDisturbed(body)) return native.failBody(this.writer, 'is locked, or was read before')
      this.#chunks = chunksOf(body)
      await this.#send()
    } catch (reason) {
      if (this.#stopped) return
      this.#stopped = true
      this.failure = { reason }
      native.failBody(this.writer, 'failed before its end')
      this.#failed(reason)
    }
  }

  async #send() {
    for (;;) {
      const { done, value } = await this.#chunks.next()
      if (this.#stopped) return
      if (done) return native.endBody(this.writer)
      const bytes = typeof value === 'string' ? Buffer.from(value) : value
      if (!isUint8Array(bytes)) native.failBody(this.writer, 'must yield Uint8Arrays or strings')
      if (!isUint8Array(bytes) || !(await native.writeChunk(this.writer, bytes))) return this.stop()
    }
  }

  /** No more is wanted: what the source holds is let go of. */
  async stop(reason) {
    if (this.#stopped) return
    this.#stopped = true
    try {
      await this.#chunks?.end(reason)
    } catch {
      // It was told; what it makes of that is its own affair.
    }
  }
}

const isBlob = (body) => typeof body.stream === 'function' && typeof body.size === 'number'

const isSource = (body) =>
  typeof body === 'object' &&
  body !== null &&
  (typeof body.getReader === 'function' || typeof body[Symbol.asyncIterator] === 'function' || isBlob(body))

/** One way to read web streams and iterables; either can be ended while a chunk is awaited. */
function chunksOf(body) {
  if (typeof body.getReader === 'function') {
    const reader = body.getReader()
    return { next: () => reader.read(), end: (reason) => reader.cancel(reason) }
  }
  const iterator = body[Symbol.asyncIterator]()
  // A Node stream's iterator would wait for the next chunk before it ends.
  const end = () => (typeof body.destroy === 'function' ? body.destroy() : iterator.return?.())
  return { next: () => iterator.next(), end }
}

/** What an object has itself: nothing that somebody gave to every object. */
const ownOf = (object) => ({ __proto__: null, ...object })

/** Options, read once, since they may have getters; what kind of object they were, the addon judges. */
const copy = (options) =>
  typeof options === 'object' && options !== null && !Array.isArray(options) && !ArrayBuffer.isView(options)
    ? { __proto__: Object.getPrototypeOf(options), ...options }
    : options
