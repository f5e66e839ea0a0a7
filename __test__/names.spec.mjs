/** That the package exports what it says, to `import` and `require` alike. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

import test from 'ava'
import * as imported from 'onbehalf'

const required = createRequire(import.meta.url)('onbehalf')
const read = (path) => readFileSync(new URL(path, import.meta.url), 'utf8')
const types = read('../index.d.ts')
const operations = Object.getOwnPropertyNames(required.Actions.prototype).filter((name) => name !== 'constructor')

test('import and require find the same names', (t) => {
  const { default: all, 'module.exports': again, ...names } = imported
  t.is(all, required)
  t.deepEqual({ ...names }, { ...required })
})

test('import and require find the same test API, and it is typed', async (t) => {
  const { default: all, 'module.exports': again, ...names } = await import('onbehalf/testing')
  t.is(all, createRequire(import.meta.url)('onbehalf/testing'))
  t.deepEqual({ ...names }, { ...all })
  const typed = read('../testing.d.ts')
  const declared = [...typed.matchAll(/^export declare (?:class|const|function) (\w+)/gm)].map(([, name]) => name)
  t.deepEqual(declared.sort(), Object.keys(all).sort())
  const methods = Object.getOwnPropertyNames(all.Sandbox.prototype).filter((name) => name !== 'constructor')
  for (const name of methods) t.regex(typed, new RegExp(`^  (?:readonly )?${name}\\b`, 'm'), name)
  t.notRegex(typed.replace(/\/\*[^]*?\*\//g, ''), /\bany\b/)
})

test('every action is a named export and an action of the default client', (t) => {
  t.true(operations.includes('getAuthorizationLink'))
  for (const name of operations) {
    t.is(typeof required[name], 'function', name)
    t.is(required[name], required.actions[name], name)
  }
  t.deepEqual(Object.keys(required.actions).sort(), operations.sort())
})

test('every export has a type, and every value that has a type is exported', (t) => {
  const declared = [...types.matchAll(/^export declare (?:class|const|function) (\w+)/gm)].map(([, name]) => name)
  t.deepEqual(declared.sort(), Object.keys(required).sort())
})

test('the types know every code of the engine', (t) => {
  const source = read('../crates/engine/src/error.rs')
  const codes = [...source.matchAll(/=> "([A-Z_]+)"/g)].map(([, code]) => code)
  const union = types.slice(types.indexOf('export type ErrorCode')).split('\n\n')[0]
  t.true(codes.length > 30)
  t.deepEqual([...union.matchAll(/\| '([A-Z_]+)'/g)].map(([, code]) => code).sort(), codes.sort())
})

test('nothing is of the type `any`', (t) => {
  const code = types.replace(/\/\*[^]*?\*\//g, '')
  t.notRegex(code, /\bany\b/)
})

test('the statuses are those that the types know', (t) => {
  const union = types.slice(types.indexOf('export type ConnectorStatus')).split('\n\n')[0]
  t.deepEqual(
    [...union.matchAll(/\| '([A-Z_]+)'/g)].map(([, status]) => status),
    Object.keys(required.ConnectorStatus),
  )
})
