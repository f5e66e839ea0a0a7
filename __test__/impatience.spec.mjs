/** Callers that stop waiting in the midst of a refresh: it goes on, once, and the next one has the token (F35). */
import { setImmediate as turn } from 'node:timers/promises'

import test from 'ava'

import { failure } from './door.mjs'
import { person, setStage } from './support/stage.mjs'

/** How many moments of a refresh are tried. */
const moments = 100

/** Whether each account comes to a token of the provider's, by one request. */
async function eachHasItsToken(t, { provider, refreshes }, actions) {
  const tokens = await Promise.all(Array.from({ length: moments }, (_, number) => actions.getToken(person(number))))
  t.is(new Set(tokens.map(({ accessToken }) => accessToken)).size, moments)
  for (const { accessToken } of tokens) t.true(provider.issued.includes(accessToken))
  t.is(refreshes(), moments)
  t.is(provider.reuses, 0)
}

test('a signal ends the wait at any moment, and never the refresh', async (t) => {
  const stage = await setStage(t, { accounts: moments })
  const { actions } = stage.open()
  const ended = Array.from({ length: moments }, async (_, turns) => {
    const controller = new AbortController()
    const asked = actions.getToken({ ...person(turns), signal: controller.signal })
    asked.catch(() => {})
    for (let done = 0; done < turns * 4; done++) await turn()
    controller.abort()
    return asked.then(
      () => 'answered',
      (error) => error,
    )
  })
  const outcomes = await Promise.all(ended)
  t.deepEqual(
    outcomes.filter((outcome) => outcome !== 'answered' && outcome.name !== 'AbortError'),
    [],
  )
  t.true(outcomes.some(({ name }) => name === 'AbortError'))
  await eachHasItsToken(t, stage, actions)
})

test('time ends the wait at any moment, and never the refresh', async (t) => {
  const stage = await setStage(t, { accounts: moments })
  const { actions } = stage.open()
  const outcomes = await Promise.all(
    Array.from({ length: moments }, (_, number) =>
      actions.getToken({ ...person(number), timeoutMs: 1 + number * 5 }).then(
        () => 'answered',
        ({ code }) => code,
      ),
    ),
  )
  t.deepEqual(
    outcomes.filter((outcome) => !['answered', 'TIMED_OUT'].includes(outcome)),
    [],
  )
  t.true(outcomes.includes('TIMED_OUT'))
  await eachHasItsToken(t, stage, actions)
})

for (const where of ['before', 'after'])
  test(`a hundred callers give up while the request is under way: held ${where} its answer was made`, async (t) => {
    const { provider, refreshes, open } = await setStage(t)
    const { actions } = open()
    const controller = new AbortController()
    const held = provider.hold(where)
    const asked = Array.from({ length: 100 }, (_, caller) =>
      failure(() =>
        actions.getToken({ ...person(0), ...(caller % 2 ? { signal: controller.signal } : { timeoutMs: 1 }) }),
      ),
    )
    await held.arrived
    controller.abort()
    const ends = (await Promise.all(asked)).map(({ code, name }) => (name === 'AbortError' ? name : code))
    t.deepEqual([...new Set(ends)].sort(), ['AbortError', 'TIMED_OUT'])

    const next = actions.getToken(person(0))
    held.release()
    t.true(provider.issued.includes((await next).accessToken))
    t.is(refreshes(), 1)
    t.is(provider.reuses, 0)
  })

test('a caller that gives up before the refresh begins, and comes no more, leaves nothing half done', async (t) => {
  const { provider, refreshes, open } = await setStage(t)
  const { actions } = open()
  t.is((await failure(() => actions.getToken({ ...person(0), signal: AbortSignal.abort() }))).name, 'AbortError')
  t.is(refreshes(), 0)
  t.true(provider.issued.includes((await actions.getToken(person(0))).accessToken))
  t.is(refreshes(), 1)
})
