import fs from 'node:fs'

import { actions } from 'onbehalf'

// What follows is the README's.
const path = '/files/file-abc123/content'
const file = await actions.request({ connectionName: 'openai', identifier: 'user_123', path, stream: true })
await fs.promises.writeFile('a-file', file.stream())
