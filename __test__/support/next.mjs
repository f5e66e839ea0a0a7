/** Serves the `route.js` files of the folder it runs in as Next does, as far as they can tell, on `ORIGIN`. */
import { readdirSync } from 'node:fs'
import { createServer } from 'node:http'
import { join, resolve, sep } from 'node:path'
import { pathToFileURL } from 'node:url'

import { toNodeListener } from 'onbehalf/node'

const app = resolve('app')
const files = readdirSync(app, { recursive: true }).filter((file) => file.endsWith(`${sep}route.js`))
const routes = await Promise.all(
  files.map(async (file) => {
    const segments = file.split(sep).slice(0, -1)
    const pattern = segments.map((segment) => (segment.startsWith('[...') ? '.+' : segment)).join('/')
    return { path: new RegExp(`^/${pattern}$`), methods: await import(pathToFileURL(join(app, file))) }
  }),
)

async function answer(request) {
  const { pathname } = new URL(request.url)
  const route = routes.find(({ path }) => path.test(pathname))
  if (!route) return new Response('This page could not be found.', { status: 404 })
  return route.methods[request.method]?.(request) ?? new Response(null, { status: 405 })
}

const { origin, port } = new URL(process.env.ORIGIN)
createServer(toNodeListener(answer)).listen(port, () => console.log(`Open ${origin}/connect`))
