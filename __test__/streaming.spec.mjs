/** Bodies that flow through `request`: bytes, pace, and every way in which they end. */
import { createHash } from 'node:crypto'
import { defaultMaxListeners, getEventListeners, getMaxListeners } from 'node:events'
import { Readable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import v8 from 'node:v8'
import vm from 'node:vm'

import test from 'ava'

import { failure, run } from './door.mjs'
import { hashOf, openFlowing } from './support/flowing.mjs'

v8.setFlagsFromString('--expose-gc')
const collectGarbage = vm.runInNewContext('gc')

/** What flows in the tests of size: more by `STREAMED_MIB`, which CI sets to 1024. */
const much = Number(process.env.STREAMED_MIB ?? 256) * 2 ** 20
/** By how many MiB the process may grow meanwhile: what Node has not collected yet, and never what was sent. */
const most = 128

const ends = []
const flowing = openFlowing({ teardown: (end) => ends.push(end) })
test.beforeEach(async (t) => (t.context = await flowing))
test.after.always(async () => {
  for (const end of ends.reverse()) await end()
})

/** Yields the provider's own bytes. */
function* blocks(block, length) {
  for (let left = length; left > 0; left -= block.length) yield block.subarray(0, left)
}

/** A source that says whether it was let go of. */
function source(pull) {
  const seen = { pulled: 0, cancelled: false }
  const stream = new ReadableStream(
    { pull: (controller) => pull(controller, ++seen.pulled), cancel: () => void (seen.cancelled = true) },
    { highWaterMark: 0 },
  )
  return { seen, stream }
}

/** How far the memory of this process grows meanwhile, in MiB, at its highest. */
async function growth(work) {
  collectGarbage()
  const before = process.memoryUsage.rss()
  let highest = before
  const watch = setInterval(() => (highest = Math.max(highest, process.memoryUsage.rss())), 10)
  try {
    await work()
  } finally {
    clearInterval(watch)
  }
  return (highest - before) / 1024 / 1024
}

test.serial('an environment is warm', async (t) => {
  const { ask, provider } = t.context
  for await (const chunk of (await ask(`/bytes/${much}`, { stream: true })).stream()) void chunk
  const body = Readable.from(blocks(provider.block, much))
  t.is((await ask('/sink', { method: 'POST', body })).status, 200)
})

test.serial('a large answer arrives byte for byte, in constant memory', async (t) => {
  const { ask, provider } = t.context
  const hash = createHash('sha256')
  const grown = await growth(async () => {
    const response = await ask(`/bytes/${much}`, { stream: true })
    t.is(response.data, undefined)
    for await (const chunk of response.stream()) hash.update(chunk)
  })
  t.is(hash.digest('hex'), hashOf(provider.block, much))
  t.true(grown < most, `memory grew by ${grown} MiB`)
})

test.serial('a large body arrives byte for byte, in constant memory', async (t) => {
  const { ask, provider } = t.context
  let answer
  const grown = await growth(async () => {
    const body = Readable.from(blocks(provider.block, much))
    answer = await ask('/sink', { method: 'POST', body })
  })
  t.like(answer.data, { length: much, hash: hashOf(provider.block, much) })
  t.true(grown < most, `memory grew by ${grown} MiB`)
})

test.serial('ten thousand calls that are aborted leave nothing behind', async (t) => {
  t.timeout(120_000)
  const { ask, provider } = t.context
  const round = async (calls) => {
    for (let done = 0; done < calls; done += 100)
      await Promise.all(
        Array.from({ length: 100 }, async (_, index) => {
          const controller = new AbortController()
          const asked = ask(index % 2 ? '/silent' : '/begun', { stream: true, signal: controller.signal })
          if (index % 2) await turn()
          else await (await asked).stream().getReader().read()
          controller.abort()
          await asked.catch(() => {})
        }),
      )
    await provider.until(({ sockets }) => sockets <= 1)
    for (let times = 0; times < 4; times++) {
      collectGarbage()
      await turn()
    }
    const { rss, heapUsed, external } = process.memoryUsage()
    return { rss, held: heapUsed + external, handles: process.getActiveResourcesInfo().length }
  }
  const before = await round(1000)
  const after = await round(10_000)
  const grown = (what) => (after[what] - before[what]) / 1024 / 1024
  t.true(grown('held') < 4, `${grown('held')} MiB are held`)
  // V8 and the allocator keep some of it for next time; a leaked connection a call would be far more.
  t.true(grown('rss') < 96, `memory grew by ${grown('rss')} MiB`)
  t.true(after.handles <= before.handles)
})

test.serial('an answer that everybody forgot closes its connection', async (t) => {
  const { ask, provider } = t.context
  const { signal } = new AbortController()
  await provider.until(({ sockets }) => sockets <= 1)
  await (async () => {
    for (let each = 0; each < 20; each++) await ask('/begun', { stream: true, signal })
    for (let each = 0; each < 20; each++) (await ask('/begun', { stream: true, signal })).stream()
  })()
  t.true((await provider.stats()).sockets >= 40)
  t.true(getEventListeners(signal, 'abort').length >= 40)
  const collecting = setInterval(collectGarbage, 10)
  await provider.until(({ sockets }) => sockets <= 1)
  while (getEventListeners(signal, 'abort').length > 0) await turn()
  clearInterval(collecting)
  t.pass()
})

test('a slow reader slows the provider down', async (t) => {
  const { ask, provider } = t.context
  const { written } = await provider.stats()
  const reader = (await ask(`/bytes/${256 << 20}`, { stream: true })).stream().getReader()
  await reader.read()
  // It has handed on what the system's buffers hold, and waits.
  let last
  await provider.until(({ written }) => written === last || void (last = written))
  t.true(last - written < 32 << 20, `${last - written} bytes are on the way`)
  await reader.cancel()
})

test('what is not taken is not asked of a source', async (t) => {
  const { ask } = t.context
  const controller = new AbortController()
  const { seen, stream } = source((controller) => controller.enqueue(new Uint8Array(4 << 20)))
  const asked = ask('/begun', { method: 'POST', body: stream, signal: controller.signal })
  asked.catch(() => {})
  for (let last; seen.pulled === 0 || seen.pulled !== last;) {
    last = seen.pulled
    for (let turns = 0; turns < 50; turns++) await turn()
  }
  controller.abort()
  await failure(() => asked)
  t.true(seen.cancelled)
})

for (const [moment, act] of Object.entries({
  'before the head': async ({ ask }, controller) => {
    const asked = ask('/silent', { stream: true, signal: controller.signal })
    await turn()
    controller.abort(controller)
    await asked
  },
  'at the head': async ({ ask }, controller) => {
    const response = await ask('/begun', { stream: true, signal: controller.signal })
    controller.abort(controller)
    await response.text()
  },
  'while the first chunk is awaited': async ({ ask }, controller) => {
    const reader = (await ask('/begun', { stream: true, signal: controller.signal })).stream().getReader()
    await reader.read()
    const reading = reader.read()
    controller.abort(controller)
    await reading
  },
  'while nobody reads': async ({ ask }, controller) => {
    const stream = (await ask('/begun', { stream: true, signal: controller.signal })).stream()
    controller.abort(controller)
    await stream.getReader().read()
  },
  'while text is read': async ({ ask }, controller) => {
    const text = (await ask('/begun', { stream: true, signal: controller.signal })).text()
    controller.abort(controller)
    await text
  },
  'in the upload': async ({ ask }, controller) => {
    const { seen, stream } = source((body, pulled) =>
      pulled < 4 ? body.enqueue(new Uint8Array(1000)) : controller.abort(controller),
    )
    try {
      await ask('/sink', { method: 'POST', body: stream, signal: controller.signal })
    } finally {
      if (!seen.cancelled) throw new Error('the source was not let go of')
    }
  },
}))
  test(`a call that is aborted ${moment} rejects with the signal’s reason`, async (t) => {
    const controller = new AbortController()
    t.is(await failure(() => act(t.context, controller)), controller)
    t.is(getEventListeners(controller.signal, 'abort').length, 0)
  })

test('an abort after the end changes nothing', async (t) => {
  const controller = new AbortController()
  const response = await t.context.ask('/bytes/10', { stream: true, signal: controller.signal })
  t.is((await response.bytes()).length, 10)
  t.is(getEventListeners(controller.signal, 'abort').length, 0)
  controller.abort()
})

test('one signal may end many calls without a warning, and its limit is left as it was', async (t) => {
  const { ask } = t.context
  const controller = new AbortController()
  const warnings = []
  const warned = (warning) => warnings.push(warning)
  process.on('warning', warned)
  const signal = controller.signal
  const asked = Array.from({ length: 30 }, (_, each) => ask(each % 2 ? '/begun' : '/silent', { stream: true, signal }))
  const ended = asked.map((call) => failure(async () => (await call).text()))
  await asked[1]
  controller.abort()
  for (const reason of await Promise.all(ended)) t.is(reason, signal.reason)
  await turn()
  process.off('warning', warned)
  t.deepEqual(
    warnings.filter(({ name }) => name === 'MaxListenersExceededWarning'),
    [],
  )
  t.is(getMaxListeners(signal), defaultMaxListeners)
})

test('closing the environment ends what flows', async (t) => {
  const ends = []
  const { ask, onbehalf, provider } = await openFlowing({ teardown: (end) => ends.push(end) })
  const read = (await ask('/begun', { stream: true })).stream().getReader()
  await read.read()
  const waiting = failure(() => read.read())
  const unread = await ask('/begun', { stream: true })
  await onbehalf.close()
  t.is((await waiting).code, 'CLOSED')
  t.is((await failure(() => unread.text())).code, 'CLOSED')
  await provider.until(({ sockets }) => sockets === 0)
  for (const end of ends.reverse()) await end()
})

test('bodies flow in a worker too, which may end in the middle', async (t) => {
  const { provider } = t.context
  const { code, stdout, stderr } = await run(
    `
    import { once } from 'node:events'
    import { Worker } from 'node:worker_threads'
    const script = ${JSON.stringify(`
      import { parentPort } from 'node:worker_threads'
      import { openFlowing } from './__test__/support/flowing.mjs'
      const { ask } = await openFlowing({ teardown() {} })
      let length = 0
      for await (const chunk of (await ask('/bytes/3000000', { stream: true })).stream()) length += chunk.length
      const reader = (await ask('/begun', { stream: true })).stream().getReader()
      await reader.read()
      reader.read().catch(() => {})
      ask('/sink', { method: 'POST', body: new ReadableStream({}) }).catch(() => {})
      parentPort.postMessage(length)
    `)}
    const url = new URL('data:text/javascript,' + encodeURIComponent(script.replaceAll('./__test__', 'file://' + process.cwd() + '/__test__')))
    const worker = new Worker(url)
    const [length] = await once(worker, 'message')
    await worker.terminate()
    console.log(length)
  `,
    { timeout: 50_000 },
  )
  t.deepEqual({ code, stdout }, { code: 0, stdout: '3000000\n' }, stderr)
  t.truthy(provider)
})

test('who stops reading closes the connection', async (t) => {
  const { ask, provider } = t.context
  const length = (64 << 20) + 1
  const stream = (await ask(`/bytes/${length}`, { stream: true })).stream()
  for await (const chunk of stream) if (chunk.length) break
  await provider.until(({ broken }) => broken.includes(`/bytes/${length}`))
  await (await ask(`/bytes/${length + 1}`, { stream: true })).stream().cancel()
  await provider.until(({ broken }) => broken.includes(`/bytes/${length + 1}`))
  t.pass()
})

test('an answer that breaks off is an error, however it is read', async (t) => {
  const { ask } = t.context
  const cut = () => ask('/cut', { stream: true })
  const lost = { code: 'ANSWER_LOST', name: 'OnbehalfError' }
  t.like(await failure(async () => (await cut()).text()), lost)
  t.like(await failure(async () => (await cut()).bytes()), lost)
  t.like(await failure(async () => Array.fromAsync?.((await cut()).stream()) ?? drained((await cut()).stream())), lost)
  t.like(await failure(() => ask('/cut')), lost)
})

const drained = async (stream) => {
  for await (const chunk of stream) void chunk
}

test('a source that fails breaks the request off, with its own error', async (t) => {
  const { ask, provider } = t.context
  const mine = new RangeError('mine')
  async function* failing(path) {
    yield 'half'
    await provider.until(({ arriving }) => arriving.includes(path))
    throw mine
  }
  const kinds = {
    iterable: failing,
    readable: (path) => Readable.from(failing(path)),
    stream: (path) => {
      const chunks = failing(path)
      const pull = async (controller) => controller.enqueue(Buffer.from((await chunks.next()).value))
      return new ReadableStream({ pull })
    },
  }
  for (const [kind, make] of Object.entries(kinds)) {
    const path = `/sink/${kind}`
    t.is(await failure(() => ask(path, { method: 'POST', body: make(path) })), mine)
    await provider.until(({ broken }) => broken.includes(path))
  }
})

test('a source that cannot even be begun fails the call, with its own error', async (t) => {
  const mine = new RangeError('mine')
  const stream = () => {
    throw mine
  }
  t.is(await failure(() => t.context.ask('/sink/lazy', { method: 'POST', body: { size: 3, type: '', stream } })), mine)
})

test('a source that fails behind the head fails the answer, with its own error', async (t) => {
  const { ask } = t.context
  const mine = new RangeError('mine')
  let fail
  const body = new ReadableStream({ start: (controller) => void (fail = () => controller.error(mine)) })
  const response = await ask('/begun', { method: 'POST', body, stream: true })
  const text = response.text()
  fail()
  t.is(await failure(() => text), mine)
})

test('bodies of every kind arrive', async (t) => {
  const { ask } = t.context
  const text = 'größer'
  const bytes = new TextEncoder().encode(text)
  const hash = createHash('sha256').update(bytes).digest('hex')
  for (const body of [
    new Blob([bytes]),
    Readable.from([Buffer.from(bytes)]),
    new Blob([text]).stream(),
    (async function* () {
      yield text.slice(0, 2)
      yield new Uint8Array()
      yield bytes.subarray(2)
    })(),
  ])
    t.like((await ask('/sink', { method: 'POST', body })).data, { length: bytes.length, hash })
  t.is((await ask('/sink', { method: 'POST', body: Readable.from([]) })).data.length, 0)

  const blob = new Blob([text], { type: 'text/special' })
  t.like((await ask('/sink', { method: 'POST', body: blob })).data, { announced: '8', type: 'text/special' })
  const headers = { 'Content-Type': 'text/mine', 'Content-Length': '8' }
  const announced = { announced: '8', type: 'text/mine' }
  t.like((await ask('/sink', { method: 'POST', body: blob.stream(), headers })).data, announced)
})

test('a body that cannot be sent is refused, and the request broken off', async (t) => {
  const { ask } = t.context
  const locked = new Blob(['a']).stream()
  locked.getReader()
  const read = new Blob(['a']).stream()
  await drained(read)
  const yields = (value) =>
    (async function* () {
      yield value
    })()
  const short = { headers: { 'content-length': '9' } }
  for (const [body, options] of [
    [locked],
    [read],
    [yields(1)],
    [yields({ a: 1 })],
    [yields(new Uint16Array(2))],
    [yields(undefined)],
    [yields('less'), short],
    [yields('more than it said'), short],
  ]) {
    const error = await failure(() => ask('/sink', { method: 'POST', body, ...options }))
    t.like(error, { name: 'OnbehalfError', code: 'INVALID_ARGUMENT', details: { argument: 'body' } })
  }
})

test('a call that is refused leaves its source as it was', async (t) => {
  const { ask } = t.context
  const { seen, stream } = source((controller) => controller.close())
  for (const options of [{ timeoutMs: -1 }, { formData: { a: 1 } }, { headers: { 'content-length': 'many' } }])
    t.is((await failure(() => ask('/sink', { method: 'POST', body: stream, ...options }))).code, 'INVALID_ARGUMENT')
  t.deepEqual(seen, { pulled: 0, cancelled: false })
  t.false(stream.locked)
})

test('a body that is streamed is read once, one that is there as often as one likes', async (t) => {
  const { ask } = t.context
  const readings = ['text', 'bytes', 'stream']
  for (const first of readings)
    for (const second of readings) {
      const once = await ask('/bytes/5', { stream: true })
      await once[first]()
      t.is((await failure(async () => once[second]())).code, 'INVALID_ARGUMENT')
      const whole = await ask('/bytes/5')
      await whole[first]()
      await whole[second]()
    }
  const whole = await ask('/bytes/5')
  t.deepEqual(Buffer.concat(await collected(whole.stream())), Buffer.from(await whole.bytes()))
})

const collected = async (stream) => {
  const chunks = []
  for await (const chunk of stream) chunks.push(chunk)
  return chunks
}

test('a reader may bring its own buffer', async (t) => {
  for (const stream of [true, false]) {
    const reader = (await t.context.ask('/bytes/5', { stream })).stream().getReader({ mode: 'byob' })
    let length = 0
    for (;;) {
      const { done, value } = await reader.read(new Uint8Array(2))
      if (done) break
      length += value.length
    }
    t.is(length, 5)
  }
})

test('answers without a body end at once', async (t) => {
  const { ask } = t.context
  for (const [path, method] of [['/status/204'], ['/status/304'], ['/bytes/0'], ['/bytes/9', 'HEAD']])
    for (const stream of [true, false]) {
      const response = await ask(path, { method, stream })
      t.deepEqual(await collected(response.stream()), [])
    }
})

test('what the provider packed stays packed', async (t) => {
  const response = await t.context.ask('/gzip', { stream: true })
  t.is(response.headers['content-encoding'], 'gzip')
  const unpacked = response.stream().pipeThrough(new DecompressionStream('gzip'))
  t.is(Buffer.concat(await collected(unpacked)).toString(), 'packed')
})

test.serial('a refused request is sent again, unless its body was streamed', async (t) => {
  const { ask, provider } = t.context
  await provider.refuse(1)
  const whole = await ask('/sink', { method: 'POST', body: 'again', stream: true })
  t.is(JSON.parse(await whole.text()).length, 5)
  await provider.refuse(1)
  const once = await ask('/sink', { method: 'POST', body: Readable.from(['once']) })
  t.deepEqual([once.status, once.data], [401, 'not yet'])
})
