// Vectors as base64: little-endian 32-bit floats, as OpenAI's embeddings have them. By hand, since pure code has no
// platform to ask. https://platform.openai.com/docs/api-reference/embeddings/create#embeddings-create-encoding_format

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const CODES = Uint8Array.from(LETTERS, (letter) => letter.charCodeAt(0))
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
