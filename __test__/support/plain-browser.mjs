/**
 * A browser that is nothing but HTTP: pages, forms, cookies and redirects, no script.
 *
 * It knows as much of HTML as our pages and the emulated providers' use, and as much of cookies as an authorization
 * needs: host, path, `Max-Age`. As in every browser, a cookie belongs to a host whatever its port (RFC 6265, 8.5).
 */

const redirects = new Set([301, 302, 303, 307, 308])

export class PlainBrowser {
  name = 'plain HTTP'
  /** Sees, and may change, where each redirect leads: what an attacker on the way would do. */
  onRedirect = (url) => url
  url = 'about:blank'
  status = 0
  html = ''
  #cookies = new Map()
  #filled = new Map()

  /** Goes to a page, and answers its status. */
  open(url) {
    return this.#go('GET', new URL(url))
  }

  /** Writes into an input; it is sent with the form that has it. */
  async fill(name, value) {
    this.#filled.set(name, value)
  }

  /** Presses the first button that holds `label`, or the first of all, and follows to the page that comes of it. */
  async press(label = '') {
    const form = formsOf(this.html).find(({ buttons }) => buttons.some(({ text }) => text.includes(label)))
    if (!form) throw new Error(`${this.url} has no button "${label}"`)
    const button = form.buttons.find(({ text }) => text.includes(label))

    const fields = new URLSearchParams(form.fields.map(([name, value]) => [name, this.#filled.get(name) ?? value]))
    if (button.name) fields.append(button.name, button.value)
    this.#filled.clear()

    const target = new URL(form.action || this.url, this.url)
    if (form.method === 'POST') return this.#go('POST', target, fields)
    target.search = fields
    return this.#go('GET', target)
  }

  /** What the page says. */
  async text() {
    const visible = this.html.replace(/<(style|script|head)\b.*?<\/\1>/gs, '').replace(/<[^>]*>/g, ' ')
    return decoded(visible).replace(/\s+/g, ' ').trim()
  }

  async close() {}

  async #go(method, url, fields) {
    for (let hop = 0; hop < 20; hop++) {
      const headers = new Headers({ accept: 'text/html' })
      const cookies = this.#cookiesFor(url)
      if (cookies) headers.set('cookie', cookies)
      // What a browser says of a form's page; an `Origin` guards against forged ones.
      if (method === 'POST') headers.set('origin', new URL(this.url).origin)
      const response = await fetch(url, { method, headers, body: fields, redirect: 'manual' })
      this.#keepCookies(url, response.headers.getSetCookie())

      if (!redirects.has(response.status)) {
        this.url = url.href
        this.status = response.status
        this.html = await response.text()
        return this.status
      }
      await response.body?.cancel()
      url = new URL(await this.onRedirect(new URL(response.headers.get('location'), url)))
      // 307 and 308 repeat the request; the others go on with a GET (RFC 9110, 15.4).
      if (response.status < 307) [method, fields] = ['GET', undefined]
    }
    throw new Error(`${url.origin} redirects without end`)
  }

  #cookiesFor({ hostname, pathname }) {
    return [...this.#cookies.values()]
      .filter(({ host, path }) => host === hostname && `${pathname}/`.startsWith(path.replace(/\/?$/, '/')))
      .map(({ name, value }) => `${name}=${value}`)
      .join('; ')
  }

  #keepCookies({ hostname: host }, lines) {
    for (const line of lines) {
      const [[name, value], ...rest] = line.split(';').map((part) => {
        const at = part.indexOf('=')
        return at < 0 ? [part.trim(), ''] : [part.slice(0, at).trim(), part.slice(at + 1).trim()]
      })
      const attributes = new Map(rest.map(([key, text]) => [key.toLowerCase(), text]))
      const path = attributes.get('path') || '/'
      const over = Number(attributes.get('max-age') ?? 1) <= 0 || Date.parse(attributes.get('expires')) <= Date.now()
      const key = JSON.stringify([host, path, name])
      if (over) this.#cookies.delete(key)
      else this.#cookies.set(key, { host, path, name, value })
    }
  }
}

/** The forms of a page: where they go, what they send, and their buttons. */
function formsOf(html) {
  return [...html.matchAll(/<form\b([^>]*)>(.*?)<\/form>/gs)].map(([, tag, inner]) => {
    const { action = '', method = 'get' } = attributesOf(tag)
    const buttons = [...inner.matchAll(/<button\b([^>]*)>(.*?)<\/button>/gs)].map(([, button, text]) => ({
      value: '',
      ...attributesOf(button),
      text: decoded(text.replace(/<[^>]*>/g, ' ')),
    }))
    return {
      action,
      method: method.toUpperCase(),
      fields: fieldsOf(inner),
      buttons,
    }
  })
}

/** The names and values that a form sends when nothing is changed. */
const fieldsOf = (form) =>
  [...form.matchAll(/<input\b([^>]*)>|<(select|textarea)\b([^>]*)>(.*?)<\/\2>/gs)]
    .map(([, input, tag, attributes, inner]) => {
      const { name, value = '' } = attributesOf(input ?? attributes)
      if (tag === 'select') return [name, chosen(inner)]
      // HTML takes one line's end from the beginning of a textarea.
      return [name, tag ? decoded(inner.replace(/^\n/, '')) : value]
    })
    .filter(([name]) => name)

/** The chosen option of a select: the marked one, or the first. */
const chosen = (options) => {
  const all = [...options.matchAll(/<option\b([^>]*)>/g)].map(([, option]) => option)
  return attributesOf(all.find((option) => option.endsWith(' selected')) ?? all[0] ?? '').value ?? ''
}

const attributesOf = (tag) =>
  Object.fromEntries([...tag.matchAll(/([\w-]+)="([^"]*)"/g)].map(([, name, value]) => [name, decoded(value)]))

const entities = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: ' ' }

const decoded = (text) =>
  text.replace(/&(?:#x([\da-f]+)|#(\d+)|(\w+));/gi, (whole, hex, decimal, name) =>
    hex || decimal ? String.fromCodePoint(Number.parseInt(hex ?? decimal, hex ? 16 : 10)) : (entities[name] ?? whole),
  )
