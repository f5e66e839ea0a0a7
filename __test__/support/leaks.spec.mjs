/** That the search for secrets finds them: a search that finds nothing would please everybody. */
import test from 'ava'

import { Leaks } from './leaks.mjs'

const secret = 'it has : and % and + in it, 0123456789 "'

const forms = {
  'as it is': secret,
  'in JSON': JSON.stringify({ secret }),
  'in a URL': encodeURIComponent(secret),
  'in a form': String(new URLSearchParams({ secret })),
  'in hexadecimal': Buffer.from(secret).toString('hex'),
  'in upper-case hexadecimal': Buffer.from(secret).toString('hex').toUpperCase(),
  'in UTF-16': Buffer.from(secret, 'utf16le'),
  'as a password of Basic authentication': Buffer.from(`user:${secret}`).toString('base64'),
  'as a part of base64url': Buffer.from(`ab${secret}c`).toString('base64url'),
  'as a part of base64': Buffer.from(`a${secret}cd`).toString('base64'),
}

for (const [form, bytes] of Object.entries(forms))
  test(`a secret is found ${form}`, (t) => {
    const noise = Buffer.from('x'.repeat(7))
    const found = new Leaks(['another secret', secret]).in(Buffer.concat([noise, Buffer.from(bytes), noise]))
    t.true(found.some((leak) => leak.secret === secret))
    t.false(found.some((leak) => leak.secret !== secret))
  })

test('what is no secret is not found', (t) => {
  t.deepEqual(new Leaks([secret]).in(Buffer.from(secret.slice(0, -1))), [])
  t.throws(() => new Leaks(['short']))
})
