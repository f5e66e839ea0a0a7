/**
 * Secrets, found in bytes that should hold none: as they are, in UTF-16, as base64 at any alignment, as hexadecimal,
 * and escaped as URLs, forms and JSON escape them.
 */

/** Finds `secrets` in bytes. Those that are too short to be told from chance are an error, not a miss. */
export class Leaks {
  #byStart = new Map()
  #mayStart = new Uint8Array(0x10000)

  constructor(secrets) {
    for (const secret of new Set(secrets)) {
      if (Buffer.byteLength(secret) < 8) throw new Error(`a secret of ${secret.length} characters proves nothing`)
      for (const [form, bytes] of formsOf(secret)) this.#add(bytes, { secret, form })
    }
  }

  /** What of them stands in `bytes`: `{ secret, form, at }`, one for each secret and form. */
  in(bytes) {
    const found = new Map()
    for (let at = 0; at + 4 <= bytes.length; at++) {
      if (!this.#mayStart[bytes[at] | (bytes[at + 1] << 8)]) continue
      for (const candidate of this.#byStart.get(bytes.readUInt32LE(at)) ?? [])
        if (!found.has(candidate) && candidate.bytes.equals(bytes.subarray(at, at + candidate.bytes.length)))
          found.set(candidate, { secret: candidate.secret, form: candidate.form, at })
    }
    return [...found.values()]
  }

  #add(bytes, what) {
    this.#mayStart[bytes.readUInt16LE(0)] = 1
    const start = bytes.readUInt32LE(0)
    const others = this.#byStart.get(start)
    if (others?.some((other) => other.bytes.equals(bytes))) return
    if (others) others.push({ bytes, ...what })
    else this.#byStart.set(start, [{ bytes, ...what }])
  }
}

function* formsOf(secret) {
  const bytes = Buffer.from(secret)
  const hex = bytes.toString('hex')
  const texts = {
    plain: secret,
    hex,
    HEX: hex.toUpperCase(),
    url: encodeURIComponent(secret),
    form: new URLSearchParams([[secret, '']]).toString().slice(0, -1),
    json: JSON.stringify(secret).slice(1, -1),
  }
  for (const [form, text] of Object.entries(texts)) yield [form, Buffer.from(text)]
  yield ['utf16', Buffer.from(secret, 'utf16le')]
  for (const offset of [0, 1, 2])
    for (const encoding of ['base64', 'base64url']) {
      // Only the characters that no neighbour has a part in.
      const text = Buffer.concat([Buffer.alloc(offset), bytes])
        .toString(encoding)
        .replace(/=+$/, '')
      const whole = Math.floor(((offset + bytes.length) * 8) / 6)
      yield [`${encoding} +${offset}`, Buffer.from(text.slice(Math.ceil((offset * 8) / 6), whole))]
    }
}
