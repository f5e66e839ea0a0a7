import fs from 'node:fs'

import { actions } from 'onbehalf'

// What follows is the README's.
const path = '/drive/v3/files/a-file?alt=media'
const file = await actions.request({ connectionName: 'drive', identifier: 'user_123', path, stream: true })
await fs.promises.writeFile('a-file', file.stream())
