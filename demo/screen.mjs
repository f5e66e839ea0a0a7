/** How the demo looks: short lines, one indent, colour only on a screen that has it. */
import { styleText } from 'node:util'

const colourful = process.stdout.isTTY && !process.env.NO_COLOR
const paint = (format, text) => (colourful ? styleText(format, text) : text)
const line = (text = '') => console.log(text && `  ${text}`)

/** An empty line. */
export const blank = () => line()

/** The first lines. */
export const title = (name, subject) => {
  line()
  line(`${paint('bold', name)}  ${subject}`)
  line()
}

/** A fact and its name. */
export const show = (name, value) => line(`${paint('dim', name.padEnd(8))} ${value}`)

/** A step that was taken. */
export const done = (text) => line(`${paint('green', '✓')} ${text}`)

/** A word to the reader. */
export const note = (text) => line(paint('dim', text))

/** One message of a mailbox. */
export const mail = (subject, from) => line(`  ${subject.padEnd(34)} ${paint('dim', from)}`)
