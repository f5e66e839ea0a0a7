import { existsSync, readFileSync, readdirSync } from 'node:fs'

import test from 'ava'

const top = new URL('../', import.meta.url)
const read = (path) => readFileSync(new URL(path, top), 'utf8')

test('what the README shows is compiled', (t) => {
  const shown = [...read('README.md').matchAll(/```ts\n([^]*?)```/g)].map(([, code]) => code)
  t.is(read('__test__/types/sample.mts'), shown[0])
  const compiled = readdirSync(new URL('types', import.meta.url)).map((file) => read(`__test__/types/${file}`))
  for (const code of shown)
    t.true(
      compiled.some((text) => text.includes(code)),
      code,
    )
})

const documents = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', 'examples/next/README.md']
const further = ['architecture', 'connectors', 'deployment', 'promises', 'testing'].map((name) => `docs/${name}.md`)
for (const document of [...documents, ...further])
  test(`every file that ${document} points to is there`, (t) => {
    const targets = [...read(document).matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, target]) => target)
    const missing = targets.filter((target) => !existsSync(new URL(target, new URL(document, top))))
    t.deepEqual(missing, [])
  })
