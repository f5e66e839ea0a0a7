/**
 * How anything is measured here: all contestants in turns, round by round, so that a machine that is busy for a moment
 * is busy for each of them; medians, and between which values most rounds lay.
 */

/**
 * What a contestant's one sample is: `value` in the benchmark's unit, and where it makes sense `cpu`, the microseconds
 * of processor that this process spent on one call, on all its threads.
 *
 * @typedef {{ value: number, cpu?: number }} Sample
 */

/**
 * Takes `rounds` samples of each contestant, after as many as `warmUp` that are not looked at.
 *
 * @param {Record<string, () => Promise<Sample>>} contestants
 */
export async function measure(contestants, { rounds = 31, warmUp = 5 } = {}) {
  const names = Object.keys(contestants)
  const samples = Object.fromEntries(names.map((name) => [name, []]))
  for (let round = -warmUp; round < rounds; round++) {
    // Each round begins with another one: who follows whom should not matter.
    for (let turn = 0; turn < names.length; turn++) {
      const name = names[(turn + round + warmUp) % names.length]
      const sample = await contestants[name]()
      if (round >= 0) samples[name].push(sample)
    }
  }
  return samples
}

/** The microseconds that one of `calls` calls takes, one after the other. */
export const perCall = (calls, call) => () =>
  timed(async () => {
    for (let index = 0; index < calls; index++) await call()
    return calls
  }, microseconds)

/** The microseconds within which this `share` of `calls` calls end, one after the other. */
export const percentile = (share, calls, call) => async () => {
  const times = []
  for (let index = 0; index < calls; index++) {
    const begin = process.hrtime.bigint()
    await call()
    times.push(Number(process.hrtime.bigint() - begin) / 1000)
  }
  return { value: quantile(times, share) }
}

/** How many calls a second end when `together` of them are always under way. */
export const perSecond = (calls, together, call) => () =>
  timed(
    async () => {
      let left = calls
      const caller = async () => {
        while (left-- > 0) await call()
      }
      await Promise.all(Array.from({ length: together }, caller))
      return calls
    },
    (seconds, done) => done / seconds,
  )

/** How many mebibytes a second arrive, where `call` resolves with how many bytes it read. */
export const mebibytesPerSecond = (call) => () => timed(call, (seconds, bytes) => bytes / 2 ** 20 / seconds)

const microseconds = (seconds, calls) => (seconds / calls) * 1e6

async function timed(work, valueOf) {
  const [begin, before] = [process.hrtime.bigint(), process.cpuUsage()]
  const done = await work()
  const { user, system } = process.cpuUsage(before)
  const seconds = Number(process.hrtime.bigint() - begin) / 1e9
  return { value: valueOf(seconds, done), cpu: (user + system) / done }
}

/** What two contestants' samples come to, side by side; `theirs` is absent where there is nobody to compare with. */
export function compare(ours, theirs) {
  if (!theirs) return { ours: spread(ours.map(({ value }) => value)) }
  return {
    ours: spread(ours.map(({ value }) => value)),
    theirs: spread(theirs.map(({ value }) => value)),
    // Of each round by itself: what slowed a round slowed both.
    ratio: median(ours.map(({ value }, round) => value / theirs[round].value)),
    cpu: ours[0].cpu && theirs[0].cpu && median(ours.map(({ cpu }) => cpu)) / median(theirs.map(({ cpu }) => cpu)),
  }
}

/** The median, and between what eight of ten lie. */
const spread = (values) => ({ median: median(values), low: quantile(values, 0.1), high: quantile(values, 0.9) })

const median = (values) => quantile(values, 0.5)

function quantile(values, share) {
  const sorted = values.toSorted((one, other) => one - other)
  const at = share * (sorted.length - 1)
  const below = sorted[Math.floor(at)]
  return below + (sorted[Math.ceil(at)] - below) * (at % 1)
}
