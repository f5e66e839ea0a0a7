import { existsSync, readFileSync } from 'node:fs'

import test from 'ava'

const top = new URL('../', import.meta.url)
const read = (path) => readFileSync(new URL(path, top), 'utf8')

test('what the README shows is compiled', (t) => {
  const [sample, production] = [...read('README.md').matchAll(/```ts\n([^]*?)```/g)].map(([, code]) => code)
  t.is(read('__test__/types/sample.mts'), sample)
  t.true(read('__test__/types/production.mts').endsWith(production))
})

for (const document of [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'CHANGELOG.md',
  'docs/architecture.md',
  'docs/testing.md',
])
  test(`every file that ${document} points to is there`, (t) => {
    const targets = [...read(document).matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, target]) => target)
    const missing = targets.filter((target) => !existsSync(new URL(target, new URL(document, top))))
    t.deepEqual(missing, [])
  })
