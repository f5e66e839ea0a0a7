/** A store whose files were damaged: never a token that isn't the account's, never a crash (F16). */
import { createHash } from 'node:crypto'
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import test from 'ava'

import { run } from './door.mjs'
import { person, setStage } from './support/stage.mjs'

/** How many bytes of a file are changed, each in a copy of its own. */
const changes = 100
const people = [person(0), person(1)]
const [database, log] = ['store.db', 'store.db-wal']

/** Opens a copy for each of the changes, and prints what it says of each account: its token, or a code. */
const script = (asked) => `
  import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
  import { join } from 'node:path'
  import { Onbehalf } from 'onbehalf'
  const { options, folder, files, changed, bytes, people } = ${JSON.stringify(asked)}
  const told = []
  for (const { offset, mask } of bytes) {
    const copy = join(folder, 'copy' + offset)
    mkdirSync(copy)
    for (const name of files) copyFileSync(join(folder, name), join(copy, name))
    const content = readFileSync(join(copy, changed))
    content[offset] ^= mask
    writeFileSync(join(copy, changed), content)
    const { actions, close } = new Onbehalf({ ...options, store: join(copy, 'store.db') })
    const token = (account) => actions.getToken(account).then(({ accessToken }) => accessToken, ({ code }) => code)
    told.push(await Promise.all(people.map(token)))
    await close().catch(() => {})
  }
  console.log(JSON.stringify(told))
`

/** A store with accounts, and ways to give them all another token and to keep its files as they are. */
async function store(t) {
  const { folder, options, open } = await setStage(t, { accounts: 0 })
  const kept = join(folder, 'kept')
  mkdirSync(kept)
  return {
    open,
    bring: (action, token) =>
      Promise.all(
        people.map((account) => {
          const expiresAt = new Date(Date.now() + 3_600_000)
          const oauthToken = { accessToken: `${token}_${account.identifier}`, refreshToken: 'not_needed', expiresAt }
          return action({ ...account, authorizationDetails: { oauthToken } })
        }),
      ),
    /** Keeps the files, and changes bytes all over the last of them: what each change made of each account. */
    async damaged(...files) {
      for (const file of files) copyFileSync(join(folder, file), join(kept, file))
      const changed = files.at(-1)
      const stride = readFileSync(join(kept, changed)).length / changes
      const bytes = Array.from({ length: changes }, (_, index) => {
        const [where, mask] = createHash('sha256').update(`${changed} ${index}`).digest()
        return { offset: Math.floor((index + where / 256) * stride), mask: mask || 1 }
      })
      const { code, stdout, stderr } = await run(script({ options, folder: kept, files, changed, bytes, people }), {
        timeout: 50_000,
      })
      t.is(code, 0, stderr)
      const told = JSON.parse(stdout)
      t.is(told.length, changes)
      return told
    },
  }
}

/** That an account has one of `tokens`, all of them its own, or one of the errors that say what is wrong. */
function isOwnOrRefused(t, told, tokens) {
  const errors = ['STORE_CORRUPT', 'INTEGRITY_FAILED', 'STORE_TOO_NEW', 'KEY_MISMATCH', 'CONNECTED_ACCOUNT_NOT_FOUND']
  for (const [index, { identifier }] of people.entries()) {
    const own = [...tokens.map((token) => `${token}_${identifier}`), ...errors]
    t.deepEqual(
      told.map((answers) => answers[index]).filter((answer) => !own.includes(answer)),
      [],
    )
  }
}

test('a changed byte of the database gives the right token or a clear error', async (t) => {
  const { bring, damaged, open } = await store(t)
  const { actions, close } = open()
  await bring(actions.createConnectedAccount, 'first')
  await bring(actions.updateConnectedAccount, 'second')
  await close()
  const told = await damaged(database)
  isOwnOrRefused(t, told, ['second'])
  t.true(told.flat().includes('STORE_CORRUPT'))
})

test('a changed byte of the log gives the token of before or after it, or a clear error', async (t) => {
  const { bring, damaged, open } = await store(t)
  const first = open()
  await bring(first.actions.createConnectedAccount, 'first')
  await first.close()
  // SQLite takes what follows a damage for what a crash cut off.
  await bring(open().actions.updateConnectedAccount, 'second')
  const told = await damaged(database, log)
  isOwnOrRefused(t, told, ['first', 'second'])
})
