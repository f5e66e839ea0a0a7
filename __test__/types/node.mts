import { createServer } from 'node:http'

import { Onbehalf } from 'onbehalf'
import { toNodeListener } from 'onbehalf/node'

const { handler } = new Onbehalf()
createServer(toNodeListener(handler))
createServer(toNodeListener((request) => Response.json(request.method)))

// @ts-expect-error a handler answers
toNodeListener((request) => void request)
// @ts-expect-error a handler of Node's own is no handler of the web's
toNodeListener((request, response) => response.end(request.url))
