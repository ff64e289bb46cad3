// Base64 that comes in pieces, each encoded for itself: it can't simply be put in a row, because a piece may end in padding.

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

/** The base64 of all that the pieces hold. What isn't base64 in them is left out. */
export function joinBase64(pieces: readonly string[]): string {
  const isPlain = pieces.slice(0, -1).every((piece) => piece.length % 4 === 0 && !piece.endsWith('='))
  return isPlain ? pieces.join('') : encode(pieces.flatMap((piece) => bytesOf(piece)))
}

function bytesOf(base64: string): number[] {
  const bytes: number[] = []
  let bits = 0
  let held = 0
  for (const char of base64) {
    const value = ALPHABET.indexOf(char)
    if (value === -1) continue
    bits = ((bits << 6) | value) & 0xfff
    held += 6
    if (held < 8) continue
    held -= 8
    bytes.push((bits >> held) & 0xff)
  }
  return bytes
}

function encode(bytes: readonly number[]): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += 3) {
    const [one = 0, two, three] = bytes.slice(at, at + 3)
    const group = (one << 16) | ((two ?? 0) << 8) | (three ?? 0)
    text += letter(group >> 18) + letter(group >> 12)
    text += (two === undefined ? '=' : letter(group >> 6)) + (three === undefined ? '=' : letter(group))
  }
  return text
}

function letter(value: number): string {
  return ALPHABET.charAt(value & 0x3f)
}
