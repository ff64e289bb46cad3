// The beginning of a `multipart/form-data` body, read as it comes: text fields that stand before the first file, and where
// the one that names the model stands, so that it can be replaced without reading what follows.
// https://www.rfc-editor.org/rfc/rfc7578

/** Where a field's value stands in the body: from its first byte to behind its last. */
export interface ValueSpan {
  readonly start: number
  readonly end: number
}

/** Fields longer than this are left unread. Bytes. */
const FIELD_BYTES_MAX = 262_144
const HEADERS_BYTES_MAX = 16_384
const FIRST_BYTES = 65_536

/** The boundary that a content type names; null for another type, or none. */
export function boundaryOf(contentType: string | null): string | null {
  if (contentType === null || !/^multipart\/form-data\b/i.test(contentType)) return null
  const found = /;\s*boundary=(?:"([^"]{1,200})"|([^;\s]{1,200}))/i.exec(contentType)
  return found?.[1] ?? found?.[2] ?? null
}

/**
 * Collects a form's first bytes until enough is known. Any way of cutting the body into chunks gives the same. `decode`
 * turns bytes into text (UTF-8).
 */
export class FormHead {
  /** Text fields so far. Of several with one name the last. */
  readonly fields: Record<string, string> = {}
  /** Where the value of `model` stands; null while it hasn't come. */
  model: ValueSpan | null = null
  /** True once the form's end has come. */
  isWhole = false
  /** True for what isn't a form. */
  isBroken = false
  #bytes = new Uint8Array(FIRST_BYTES)
  #length = 0
  /** Behind the last delimiter that was read. */
  #at = 0
  /** Where the search for the next delimiter goes on. */
  #from = 0
  #part: { readonly name: string; readonly isFile: boolean; readonly start: number } | null = null
  #hasBegun = false
  #hasFile = false
  readonly #readsAll: boolean
  readonly #delimiter: Uint8Array
  readonly #decode: (bytes: Uint8Array) => string

  /** `readsAll`: also what stands behind the file is wanted. */
  constructor(boundary: string, decode: (bytes: Uint8Array) => string, readsAll = false) {
    this.#readsAll = readsAll
    this.#delimiter = Uint8Array.from(`\r\n--${boundary}`, (letter) => letter.charCodeAt(0))
    this.#decode = decode
    // The first delimiter has no line before it: one is put there, and taken out again.
    this.#bytes.set([CR, LF])
    this.#length = 2
  }

  /** All bytes so far. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(2, this.#length)
  }

  /** True when nothing more has to be read: the model is known, and a file has begun or the form has ended. */
  get isKnown(): boolean {
    return this.isWhole || this.isBroken || (!this.#readsAll && this.model !== null && this.#hasFile)
  }

  push(chunk: Uint8Array): void {
    this.#append(chunk)
    while (!this.isKnown && this.#step()) {
      // Goes on from part to part.
    }
  }

  /** Reads on to the next part's value, or to the end of this one; false when more bytes are needed. */
  #step(): boolean {
    if (this.#part === null && this.#hasBegun) return this.#openPart()
    const found = indexOf(this.#bytes.subarray(0, this.#length), this.#delimiter, this.#from)
    if (found === -1) {
      this.#from = Math.max(this.#at, this.#length - this.#delimiter.length)
      return false
    }
    if (this.#part !== null) this.#closePart(this.#part, found)
    this.#part = null
    this.#hasBegun = true
    this.#at = found + this.#delimiter.length
    this.#from = this.#at
    return true
  }

  /** Reads what stands behind a delimiter: the end of the form, or the headers of a part. */
  #openPart(): boolean {
    if (this.#length < this.#at + 2) return false
    if (this.#bytes[this.#at] === DASH && this.#bytes[this.#at + 1] === DASH) {
      this.isWhole = true
      return true
    }
    const end = indexOf(this.#bytes.subarray(0, this.#length), BLANK_LINE, this.#at)
    if (end === -1) {
      this.isBroken = this.#length - this.#at > HEADERS_BYTES_MAX
      return false
    }
    const disposition =
      /^content-disposition:(.*)$/im.exec(this.#decode(this.#bytes.subarray(this.#at, end)))?.[1] ?? ''
    const isFile = /;\s*filename\*?=/i.test(disposition)
    const name = /;\s*name="([^"]*)"/i.exec(disposition) ?? /;\s*name=([^;\s]+)/i.exec(disposition)
    this.#at = end + BLANK_LINE.length
    this.#from = this.#at
    this.#hasFile ||= isFile
    this.#part = { name: name?.[1] ?? '', isFile, start: this.#at }
    return true
  }

  #closePart(part: { readonly name: string; readonly isFile: boolean; readonly start: number }, end: number): void {
    if (part.isFile || end - part.start > FIELD_BYTES_MAX) return
    const value = this.#decode(this.#bytes.subarray(part.start, end))
    Object.defineProperty(this.fields, part.name, { value, enumerable: true, configurable: true, writable: true })
    if (part.name === 'model') this.model = { start: part.start - 2, end: end - 2 }
  }

  #append(chunk: Uint8Array): void {
    const needed = this.#length + chunk.byteLength
    if (needed > this.#bytes.byteLength) {
      const larger = new Uint8Array(Math.max(needed, this.#bytes.byteLength * 2))
      larger.set(this.#bytes.subarray(0, this.#length))
      this.#bytes = larger
    }
    this.#bytes.set(chunk, this.#length)
    this.#length = needed
  }
}

const CR = 13
const LF = 10
const DASH = 45
const BLANK_LINE = Uint8Array.of(CR, LF, CR, LF)

/** Where `needle` begins in `bytes`, from `from` on; -1 for nowhere. */
function indexOf(bytes: Uint8Array, needle: Uint8Array, from: number): number {
  const [first = 0] = needle
  for (let at = bytes.indexOf(first, from); at !== -1; at = bytes.indexOf(first, at + 1)) {
    let length = 1
    while (length < needle.length && bytes[at + length] === needle[length]) length += 1
    if (length === needle.length) return at
  }
  return -1
}
