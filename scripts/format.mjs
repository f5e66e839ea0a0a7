/** Formats every source. */
import { installPackages } from './ready.mjs'
import { main, must, packaged } from './run.mjs'

await main(async () => {
  await installPackages()
  await must('cargo', ['fmt', '--all'])
  await must(...packaged('prettier/bin/prettier.cjs', '--write', '--log-level', 'warn', '.'))
})
