import { existsSync, readFileSync } from 'node:fs'

import test from 'ava'

const top = new URL('../', import.meta.url)
const read = (path) => readFileSync(new URL(path, top), 'utf8')

test('the README shows the sample that is compiled', (t) => {
  const [, sample] = /```ts\n([^]*?)```/.exec(read('README.md'))
  t.is(sample, read('__test__/types/sample.mts'))
})

for (const document of ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', 'docs/architecture.md'])
  test(`every file that ${document} points to is there`, (t) => {
    const targets = [...read(document).matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, target]) => target)
    const missing = targets.filter((target) => !existsSync(new URL(target, new URL(document, top))))
    t.deepEqual(missing, [])
  })
