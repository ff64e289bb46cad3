// How much longer a text is in bytes than in characters: where it is, its characters are dear in tokens.

/** Bytes of UTF-8 beyond one for each character. */
export function wideBytesOf(text: string): number {
  let bytes = 0
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (code > 0x7f) bytes += code > 0x7ff ? 2 : 1
  }
  return bytes
}
