/** How figures are written. */

const columns = [26, 30, 24, 10, 9, 14, 8]
const row = (...cells) =>
  cells
    .map((cell, index) => (index < 3 ? cell.padEnd(columns[index]) : cell.padStart(columns[index])))
    .join(' ')
    .trimEnd()

/** The first line. */
export const heading = row('', 'ours (8 of 10 rounds)', 'theirs', 'ratio', 'cpu', 'aim', 'reached')

/** One comparison. `ratio` is ours to theirs; `cpu` the same of processor time. */
export function line({ name, unit, against, aim, ours, theirs, ratio, cpu }) {
  return row(
    name,
    `${number(ours.median)} ${unit} (${number(ours.low)}–${number(ours.high)})`,
    theirs ? `${number(theirs.median)} ${unit}, ${against}` : '',
    ratio === undefined ? '' : proportion(ratio),
    cpu === undefined ? '' : proportion(cpu),
    aim ? shown(aim) : '',
    aim ? (isReached(aim, { ours, ratio }) ? 'yes' : 'no') : '',
  )
}

/** An aim in words: `ratio ≤ 1/100`. */
export function shown(aim) {
  const [[what, { most, least }]] = Object.entries(aim)
  const bound = what === 'ratio' ? proportion(most ?? least) : number(most ?? least)
  return `${what} ${most === undefined ? '≥' : '≤'} ${bound}`
}

/** Whether the figures are as good as they should be. */
export function isReached(aim, { ours, ratio }) {
  const [[what, { most = Infinity, least = -Infinity }]] = Object.entries(aim)
  const value = what === 'ratio' ? ratio : ours.median
  return least <= value && value <= most
}

/** Three significant digits. */
export const number = (value) => (value >= 100 ? value.toFixed(0) : value.toPrecision(3))

/** A small ratio is read more easily as a fraction. */
export const proportion = (ratio) =>
  ratio > 0.2 ? String(Number(ratio.toPrecision(3))) : `1/${Number((1 / ratio).toPrecision(3))}`
