// Patterns that an operator may give for text to be hidden: a small language, matched in one pass over the text, with one
// machine word for a state. However the text was made, a match costs the same for each of its characters.

/** `#` a digit, `&` a letter, `?` any character but white space, `*` one such or more, `\` before a character: itself. */
export interface SafePattern {
  /** By element: what it takes. */
  readonly elements: readonly Element[]
}

type Element = { readonly kind: 'char'; readonly char: string } | { readonly kind: 'digit' | 'letter' | 'any' | 'run' }

/** A stretch of a text: from, and up to but without. */
export type Span = readonly [from: number, to: number]

/** As many bits as a number has for bitwise operators, less the sign. */
export const ELEMENTS_MAX = 30
/** A pattern says at least so much, or it would hide everything. */
const FIXED_MIN = 2

const KINDS: Readonly<Record<string, 'digit' | 'letter' | 'any' | 'run'>> = {
  '#': 'digit',
  '&': 'letter',
  '?': 'any',
  '*': 'run',
}

/** Reads a pattern; null for one that is too long, ends in a lone `\`, or doesn't have two characters, digits or letters. */
export function readPattern(text: string): SafePattern | null {
  const elements: Element[] = []
  for (let at = 0; at < text.length; at++) {
    const char = text[at] ?? ''
    if (char === '\\') {
      at += 1
      if (at === text.length) return null
      elements.push({ kind: 'char', char: text[at] ?? '' })
      continue
    }
    const kind = KINDS[char]
    elements.push(kind === undefined ? { kind: 'char', char } : { kind })
  }
  const fixed = elements.filter(({ kind }) => kind !== 'any' && kind !== 'run').length
  return elements.length <= ELEMENTS_MAX && fixed >= FIXED_MIN ? { elements } : null
}

/** Every stretch of `text` that a pattern takes, in order; those that touch or overlap are one. */
export function findPattern({ elements }: SafePattern, text: string): readonly Span[] {
  const found: [number, number][] = []
  const maskOf = masks(elements)
  const runs = bitsOf(elements, ({ kind }) => kind === 'run')
  const last = 1 << (elements.length - 1)
  // Where the match began that has come so far; the earliest, where several have.
  const begun = elements.map(() => 0)
  let states = 0
  for (let at = 0; at < text.length; at++) {
    const mask = maskOf(text[at] ?? '')
    const stays = states & runs & mask
    const moves = ((states << 1) | 1) & mask
    const next = stays | moves
    if (moves !== 0) begin(begun, { moves, stays, at })
    states = next
    if ((states & last) === 0) continue
    addSpan(found, begun[elements.length - 1] ?? at, at + 1)
  }
  return found
}

/** Notes where those matches began that a character has brought on. From the last to the first: each takes over from the one
 *  before it. */
function begin(begun: number[], { moves, stays, at }: Readonly<Record<'moves' | 'stays' | 'at', number>>): void {
  for (let bit = begun.length - 1; bit >= 0; bit--) {
    const flag = 1 << bit
    if ((moves & flag) === 0) continue
    const from = bit === 0 ? at : (begun[bit - 1] ?? at)
    begun[bit] = (stays & flag) === 0 ? from : Math.min(from, begun[bit] ?? at)
  }
}

/** Adds a span that ends after all others; those that it touches become one with it. */
function addSpan(found: [number, number][], from: number, to: number): void {
  let start = from
  for (let before = found.at(-1); before !== undefined && before[1] >= start; before = found.at(-1)) {
    start = Math.min(start, before[0])
    found.pop()
  }
  found.push([start, to])
}

function masks(elements: readonly Element[]): (char: string) => number {
  const known = new Map<string, number>()
  return (char) => {
    const before = known.get(char)
    if (before !== undefined) return before
    const mask = bitsOf(elements, (element) => takes(element, char))
    known.set(char, mask)
    return mask
  }
}

function bitsOf(elements: readonly Element[], is: (element: Element) => boolean): number {
  return elements.reduce((bits, element, at) => (is(element) ? bits | (1 << at) : bits), 0)
}

function takes(element: Element, char: string): boolean {
  switch (element.kind) {
    case 'char':
      return char === element.char
    case 'digit':
      return char >= '0' && char <= '9'
    case 'letter':
      return /\p{L}/u.test(char)
    case 'any':
    case 'run':
      return !/\s/.test(char)
  }
}
