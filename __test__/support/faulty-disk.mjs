/** A disk that fails when a test says so, for the processes that are started on it. Linux alone, with a C compiler. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { onPath } from '../../scripts/run.mjs'

const source = fileURLToPath(new URL('faulty-disk.c', import.meta.url))
const compiler = process.platform === 'linux' ? ['cc', 'gcc', 'clang'].find(onPath) : undefined

/** Whether there can be one here. */
export const hasFaultyDisk = compiler !== undefined

/**
 * Makes one; it ends with the test. `env` are the variables of the processes that have it; `fail` begins a fault (`full`,
 * `read-only` or `unsynced`, as `faulty-disk.c` says) and returns how to end it.
 */
export function faultyDisk(t) {
  const folder = mkdtempSync(join(tmpdir(), 'onbehalf-disk-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const [library, faults] = [join(folder, 'faulty-disk.so'), join(folder, 'faults')]
  execFileSync(compiler, ['-shared', '-fPIC', '-O1', '-Wall', '-Werror', '-o', library, source, '-ldl'])
  mkdirSync(faults)
  return {
    env: { LD_PRELOAD: library, FAULTY_DISK: faults },
    fail(fault) {
      const begun = join(faults, fault)
      writeFileSync(begun, '')
      return () => rmSync(begun)
    },
  }
}
