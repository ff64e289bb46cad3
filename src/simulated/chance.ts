// Chance that repeats: everything that varies in the simulation is drawn from a hash of the prompt, so that the same
// request always gets the same reply. Pure.

/** FNV-1a over UTF-16 code units, 32 bits. Not for secrets. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  }
  return hash >>> 0
}

/** An endless row of numbers in [0, 1), always the same for the same seed (mulberry32). */
export function drawFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

/** Letters and digits, as ids and signatures have them. */
export function drawLetters(draw: () => number, length: number): string {
  let letters = ''
  for (let index = 0; index < length; index++) letters += ALPHABET.charAt(Math.floor(draw() * ALPHABET.length))
  return letters
}
