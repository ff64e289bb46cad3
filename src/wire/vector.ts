// Vectors as base64: little-endian 32-bit floats, as OpenAI's embeddings have them. By hand, since pure code has no
// platform to ask. https://platform.openai.com/docs/api-reference/embeddings/create#embeddings-create-encoding_format

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const CODES = Uint8Array.from(LETTERS, (letter) => letter.charCodeAt(0))
const VALUES = valuesOf()
const EQUALS = 61
/** Characters that are made into text at once. */
const CHARS_AT_ONCE = 8_192

/** The vector in base64. Numbers beyond the range of a 32-bit float become infinite. */
export function encodeVector(vector: readonly number[]): string {
  const bytes = new Uint8Array(vector.length * 4)
  const view = new DataView(bytes.buffer)
  for (let i = 0; i < vector.length; i += 1) view.setFloat32(i * 4, vector[i] ?? 0, true)
  return encodeBase64(bytes)
}

/** The vector in `text`; null where it isn't base64 of whole floats. */
export function decodeVector(text: string): readonly number[] | null {
  const bytes = decodeBase64(text)
  if (bytes === null || bytes.length % 4 !== 0) return null
  const view = new DataView(bytes.buffer)
  return Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(i * 4, true))
}

function encodeBase64(bytes: Uint8Array): string {
  const codes = new Uint8Array(Math.ceil(bytes.length / 3) * 4).fill(EQUALS)
  const at = (i: number): number => bytes[i] ?? 0
  for (let from = 0, to = 0; from < bytes.length; from += 3, to += 4) {
    const group = (at(from) << 16) | (at(from + 1) << 8) | at(from + 2)
    const letters = Math.min(3, bytes.length - from) + 1
    for (let i = 0; i < letters; i += 1) codes[to + i] = CODES[(group >> (18 - 6 * i)) & 63] ?? EQUALS
  }
  let text = ''
  for (let from = 0; from < codes.length; from += CHARS_AT_ONCE) {
    text += String.fromCharCode(...codes.subarray(from, from + CHARS_AT_ONCE))
  }
  return text
}

function decodeBase64(text: string): Uint8Array<ArrayBuffer> | null {
  if (text.length % 4 !== 0) return null
  const end = text.length - (text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0)
  const bytes = new Uint8Array(Math.floor((end * 3) / 4))
  let group = 0
  for (let from = 0, to = 0; from < end; from += 1) {
    const value = VALUES[text.charCodeAt(from)] ?? 0
    if (value === 0) return null
    group = ((group << 6) | (value - 1)) & 0xffffff
    if (from % 4 !== 0) bytes[to++] = (group >> ((3 - (from % 4)) * 2)) & 255
  }
  return bytes
}

/** One more than each letter's value, by character code: zero is for what isn't a letter. */
function valuesOf(): Uint8Array {
  const values = new Uint8Array(128)
  CODES.forEach((code, value) => {
    values[code] = value + 1
  })
  return values
}
