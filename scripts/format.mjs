/** Formats every source, and brings the README's table of errors up to date. */
import { installPackages } from './ready.mjs'
import { main, must, packaged } from './run.mjs'

await main(async () => {
  await installPackages()
  await must(process.execPath, ['scripts/errors.mjs'])
  await must('cargo', ['fmt', '--all'])
  await must(...packaged('prettier/bin/prettier.cjs', '--write', '--log-level', 'warn', '.'))
})
