/**
 * Everything that can be said about the sources without running them. `npm run format` mends what is mere format.
 *
 * All checks run, so that one run tells all; each says nothing when all is well.
 */
import { join } from 'node:path'

import { packPackage } from './pack.mjs'
import { ready } from './ready.mjs'
import { Failed, main, packaged, root, run } from './run.mjs'
import { requireTool } from './tools.mjs'

const generated = ['index.d.ts']

await main(async () => {
  await ready()
  const deny = await requireTool('cargo-deny')
  const tarball = await packPackage(join(root, 'target', 'check'))
  const checks = {
    'Rust is formatted': ['cargo', ['fmt', '--all', '--check']],
    'clippy is content': ['cargo', ['clippy', '--workspace', '--all-targets', '--quiet', '--', '--deny', 'warnings']],
    'dependencies are welcome': [deny, ['--log-level', 'warn', 'check', 'bans', 'licenses', 'sources']],
    'the rest is formatted': packaged('prettier/bin/prettier.cjs', '--check', '--log-level', 'warn', '.'),
    'types are sound': packaged('typescript/bin/tsc', '--project', '__test__/types'),
    // Both look at all of `exports`, in what is published.
    'the package is put together well': packaged('publint/src/cli.js', 'run', tarball, '--strict'),
    'its types are found by every resolution': packaged('@arethetypeswrong/cli/dist/index.js', tarball),
    'generated files are committed': ['git', ['ls-files', '--error-unmatch', ...generated]],
    // `ready` has just made them again, with the addon.
    'generated files are up to date': ['git', ['diff', '--exit-code', '--', ...generated]],
    'the errors of the README are those of the engine': [process.execPath, ['scripts/errors.mjs', '--check']],
  }

  const failed = []
  for (const [what, command] of Object.entries(checks)) {
    const { ok } = await run(...command)
    console.log(`${ok ? '✓' : '✗'} ${what}`)
    if (!ok) failed.push(what)
  }
  if (failed.length) throw new Failed(`\n${failed.length} of ${Object.keys(checks).length} checks failed.`)
})
