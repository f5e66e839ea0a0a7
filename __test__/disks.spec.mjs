/** Disks that fail: no refresh token is spent that could not be replaced, and the error says what to do (F12–F15). */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, rmdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import test from 'ava'

import { faultyDisk, hasFaultyDisk } from './support/faulty-disk.mjs'
import { person, setStage } from './support/stage.mjs'

const onFaultyDisk = hasFaultyDisk ? test : test.skip
const [fresh, ended] = [person(0), person(1)]

/** A process on a disk that works still: the token of `fresh` is valid, that of `ended` has ended. */
async function onDisk(t) {
  const stage = await setStage(t, { accounts: 2 })
  const disk = faultyDisk(t)
  const start = () => stage.start({ env: disk.env })
  const peer = start()
  const { answer } = await peer.ask('getToken', fresh)
  t.truthy(answer?.accessToken)
  const token = async (account, asked = peer) => {
    const { answer, failure } = await asked.ask('getToken', account)
    return failure?.code ?? answer.accessToken
  }
  return { ...stage, start, peer, token, fail: disk.fail, valid: answer.accessToken }
}

for (const [fault, code] of [
  ['full', 'STORE_FULL'],
  ['read-only', 'STORE_READ_ONLY'],
])
  onFaultyDisk(
    `a disk that is ${fault} starts no refresh, serves what is valid, and is used again when it is mended`,
    async (t) => {
      const { provider, refreshes, token, fail, valid } = await onDisk(t)
      const mend = fail(fault)
      t.is(await token(ended), code)
      t.is(await token(ended), code)
      t.is(await token(fresh), valid)
      t.is(refreshes(), 1)
      mend()
      t.true(provider.issued.includes(await token(ended)))
      t.is(refreshes(), 2)
      t.is(provider.reuses, 0)
    },
  )

onFaultyDisk('a disk that cannot confirm what is written starts no refresh, and is not trusted again', async (t) => {
  const { provider, refreshes, start, token, fail, valid } = await onDisk(t)
  const mend = fail('unsynced')
  t.is(await token(ended), 'STORE_FAILED')
  t.is(await token(fresh), valid)
  mend()
  t.is(await token(ended), 'STORE_FAILED')
  t.is(refreshes(), 1)

  t.true(provider.issued.includes(await token(ended, start())), 'who opens it anew')
  t.is(refreshes(), 2)
  t.is(provider.reuses, 0)
})

for (const after of ['is mended', 'is mended when the process was killed'])
  onFaultyDisk(`a token that comes when the disk is full is stored once the disk ${after}`, async (t) => {
    const { provider, refreshes, start, peer, token, fail } = await onDisk(t)
    const held = provider.hold('after')
    const asked = token(ended)
    await held.arrived
    const mend = fail('full')
    held.release()
    t.is(await asked, 'STORE_FULL')
    const killed = after !== 'is mended'
    if (killed) await peer.kill()
    mend()
    t.true(provider.issued.includes(await token(ended, killed ? start() : peer)))
    t.is(refreshes(), 2)
    t.is(provider.reuses, 0)
  })

onFaultyDisk('a token that comes when the disk is read-only is stored once it can be written', async (t) => {
  const { provider, refreshes, token, fail } = await onDisk(t)
  const held = provider.hold('after')
  const asked = token(ended)
  await held.arrived
  const mend = fail('read-only')
  held.release()
  t.is(await asked, 'STORE_READ_ONLY')
  mend()
  t.true(provider.issued.includes(await token(ended)))
  t.is(refreshes(), 2)
  t.is(provider.reuses, 0)
})

onFaultyDisk('a disk that is read-only from the first is no store', async (t) => {
  const { refreshes, start, token, fail, peer } = await onDisk(t)
  await peer.kill()
  fail('read-only')
  t.is(await token(fresh, start()), 'STORE_READ_ONLY')
  t.is(refreshes(), 1)
})

// Only root may mount one, and not in every container.
const onSmallDisk = mayMount() ? test : test.skip

onSmallDisk('a file system that fills up starts no refresh, and takes up again when there is room', async (t) => {
  const { folder, unmount } = mountSmallDisk()
  t.teardown(unmount)
  const { provider, refreshes, start } = await setStage(t, { accounts: 2, folder })
  const peer = start()
  const token = async (account) => {
    const { answer, failure } = await peer.ask('getToken', account)
    return failure?.code ?? answer.accessToken
  }
  const valid = await token(fresh)
  fill(join(folder, 'filler'))
  t.is(await token(ended), 'STORE_FULL')
  t.is(await token(fresh), valid)
  t.is(refreshes(), 1)
  rmSync(join(folder, 'filler'))
  t.true(provider.issued.includes(await token(ended)))
  t.is(refreshes(), 2)
  t.is(provider.reuses, 0)
})

/** Mounts a file system of a few megabytes in memory: its folder, and how it ends. */
function mountSmallDisk() {
  const folder = mkdtempSync(join(tmpdir(), 'onbehalf-small-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'none', folder], { stdio: 'ignore' })
  } catch (error) {
    rmdirSync(folder)
    throw error
  }
  const unmount = () => {
    execFileSync('umount', [folder])
    rmdirSync(folder)
  }
  return { folder, unmount }
}

function mayMount() {
  try {
    mountSmallDisk().unmount()
    return true
  } catch {
    return false
  }
}

/** Writes a file until nothing has room any more. */
function fill(path) {
  for (const block of [2 ** 20, 2 ** 12, 1])
    try {
      for (;;) writeFileSync(path, Buffer.alloc(block), { flag: 'a' })
    } catch (error) {
      if (error.code !== 'ENOSPC') throw error
    }
}
