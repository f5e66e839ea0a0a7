/**
 * Rides along with every Node process of the canary run. It writes down each secret that passes the tests' providers
 * (`secrets`, one JSON string a line) and each page that the addon serves (`pages`), and keeps the files that tests
 * would delete, so that the scan has something to scan and knows what to look for.
 */
import fs from 'node:fs'
import http from 'node:http'
import { syncBuiltinESMExports } from 'node:module'
import { join, sep } from 'node:path'

const folder = process.env.ONBEHALF_CANARY
const seen = new Set()

/** Shorter ones cannot be told from chance; the tests' tokens are long. */
function remember(secret) {
  if (typeof secret !== 'string' || secret.length < 12 || seen.has(secret)) return
  seen.add(secret)
  fs.appendFileSync(join(folder, 'secrets'), `${JSON.stringify(secret)}\n`)
}

const secretNames = /^(?:access_token|refresh_token|code|code_verifier|client_secret|client_assertion|(?:api_?)?key)$/

/** The secrets of a body: of JSON wherever they stand in it, and of a form. */
function rememberBody(text) {
  try {
    JSON.parse(text, (name, value) => (secretNames.test(name) && remember(value), value))
  } catch {
    for (const [name, value] of new URLSearchParams(text)) if (secretNames.test(name)) remember(value)
  }
}

function rememberHeaders(headers) {
  for (const [name, value] of Object.entries(headers)) {
    if (/key|token|secret/.test(name) && !/^sec-/.test(name)) remember(String(value))
    if (name !== 'authorization') continue
    const [scheme, credential = ''] = value.split(' ')
    if (scheme !== 'Basic') remember(credential)
    // RFC 6749, 2.3.1: both halves are form-encoded. A key may be either; a mail address is none.
    else
      for (const half of String(Buffer.from(credential, 'base64')).split(':'))
        if (!half.includes('@')) remember(decoded(half))
  }
}

const decoded = (text) => new URLSearchParams(`text=${text}`).get('text')

const { emit } = http.Server.prototype
http.Server.prototype.emit = function (event, request, response) {
  if (event === 'request') {
    rememberHeaders(request.headers)
    rememberBody(request.url.split('?')[1] ?? '')
    collect(request, ['push'])
    collect(response, ['write', 'end'])
    const { writeHead } = response
    response.writeHead = function (...args) {
      const result = writeHead.apply(this, args)
      // A code is in the redirect.
      const location = /^location: (.*)$/im.exec(this._header)?.[1]
      if (location) rememberBody(location.split('?')[1] ?? '')
      return result
    }
  }
  return emit.apply(this, arguments)
}

/** Sees what passes through `methods`, and changes nothing. */
function collect(message, methods) {
  let text = ''
  for (const name of methods) {
    const method = message[name]
    message[name] = function (chunk, ...rest) {
      const result = method.call(this, chunk, ...rest)
      if (typeof chunk === 'string' || chunk instanceof Uint8Array) {
        // Tokens travel in small messages; what the streaming tests send is no secret.
        if (text.length < 64 * 1024) text += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('latin1')
      }
      if (chunk === null || name === 'end') rememberBody(text)
      return result
    }
  }
}

const { fetch } = globalThis
globalThis.fetch = async function (...args) {
  const response = await fetch.apply(this, args)
  // Ours are at `localhost`; the providers are at an address.
  if (new URL(response.url || 'http://unknown').hostname === 'localhost') {
    const headers = [...response.headers].filter(([name]) => name !== 'location')
    const body = await response.clone().text()
    fs.appendFileSync(join(folder, 'pages', String(process.pid)), `${JSON.stringify(headers)}\n${body}\n`)
  }
  return response
}

/** Folders that a test made stay, when it is over. */
const kept = (path, options) => options?.recursive && String(path).startsWith(process.env.TMPDIR + sep)
const { rmSync } = fs
fs.rmSync = (path, options) => (kept(path, options) ? undefined : rmSync(path, options))
const { rm } = fs.promises
fs.promises.rm = async (path, options) => (kept(path, options) ? undefined : rm(path, options))
syncBuiltinESMExports()
