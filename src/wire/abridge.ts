// Looks into a large JSON text without building its long strings. Each is validated where it stands and stood in for by a
// short one, its stand-in; what is left is small and is parsed as always. A scan in JavaScript would cost more than the
// parse that it saves, so the engine does it: it finds ends, and `JSON.rawJSON` validates a literal without building it.

declare global {
  interface JSON {
    /** https://tc39.es/proposal-json-parse-with-source/, read 2026-11-21: throws on what isn't one JSON primitive. */
    rawJSON(text: string): unknown
  }
}

/** A long string that was taken out. */
export interface Cut {
  /** What is in its place, without the quotes. It occurs nowhere else in the short text. */
  readonly standIn: string
  /** The string as it is written, without the quotes. */
  readonly raw: string
}

export interface Abridged {
  /** JSON exactly if the whole text is. */
  readonly text: string
  readonly cuts: readonly Cut[]
}

/** Strings from this length on are taken out. */
const CUT_CHARS_MIN = 1_024
/** Strings that are looked at: of a text of many short ones, the rest is left as it is. */
const STRINGS_MAX = 200
const CUTS_MAX = 16
/** Closing braces that are looked at for the end of a string. */
const BRACES_MAX = 256

const QUOTE = 34
const BACKSLASH = 92
/** What a string begins with is told of it: it decides what becomes of it. */
const KEPT_PREFIXES = ['data:', 'tg1']
const STAND_IN = 'tidegate-stand-in-'

/**
 * `text` with its long strings taken out, so that the whole is valid JSON exactly when the short text is. The prefix
 * `data:` of a string stays, and so does that of a sealed signature. Null where there is nothing to be gained: no long strings, or none whose ends are found
 * cheaply, or something odd.
 */
export function abridge(text: string): Abridged | null {
  const cuts: Cut[] = []
  let short = ''
  let copied = 0
  let start = text.indexOf('"')
  for (let seen = 0; start !== -1 && seen < STRINGS_MAX && cuts.length < CUTS_MAX; seen += 1) {
    const end = endOfString(text, start)
    if (end === -1) return null
    if (end - start >= CUT_CHARS_MIN) {
      if (!isStringLiteral(text.slice(start, end))) return null
      const kept = KEPT_PREFIXES.find((prefix) => text.startsWith(prefix, start + 1)) ?? ''
      const standIn = `${kept}${STAND_IN}${cuts.length}-`
      cuts.push({ standIn, raw: text.slice(start + 1, end - 1) })
      short += `${text.slice(copied, start)}"${standIn}"`
      copied = end
    }
    start = text.indexOf('"', end)
  }
  short += text.slice(copied)
  return cuts.length > 0 && occurrences(short, STAND_IN) === cuts.length ? { text: short, cuts } : null
}

function occurrences(text: string, part: string): number {
  let count = 0
  for (let at = text.indexOf(part); at !== -1; at = text.indexOf(part, at + 1)) count += 1
  return count
}

/** Whether this is, or holds, the stand-in of a string. */
export function isStandIn(text: string): boolean {
  return text.includes(STAND_IN)
}

/** `text` with every cut in its place again; null unless each stand-in occurs exactly once. */
export function restore(text: string, cuts: readonly Cut[]): string | null {
  let whole = ''
  let copied = 0
  for (const { standIn, raw } of cuts) {
    const quoted = `"${standIn}"`
    const at = text.indexOf(quoted, copied)
    if (at === -1 || text.indexOf(quoted, at + 1) !== -1) return null
    whole += text.slice(copied, at + 1) + raw
    copied = at + quoted.length - 1
  }
  return whole + text.slice(copied)
}

/** Part of a string's value: that of about `chars` characters of the literal `raw` from `from` on, as it is written where
 *  that can't be read. */
export function valueWithin(raw: string, from: number, chars: number): string {
  const start = behindEscape(raw, from)
  const text = raw.slice(start, behindEscape(raw, Math.min(raw.length, from + chars)))
  if (!text.includes('\\')) return text
  try {
    return String(JSON.parse(`"${text}"`))
  } catch {
    return text
  }
}

/** The first place from `at` on that isn't within an escape. */
function behindEscape(raw: string, at: number): number {
  const LONGEST = 6
  for (let back = at - 1; back >= Math.max(0, at - LONGEST + 1); back -= 1) {
    if (raw.charCodeAt(back) !== BACKSLASH || isEscaped(raw, back)) continue
    return Math.max(at, Math.min(raw.length, back + (raw[back + 1] === 'u' ? LONGEST : 2)))
  }
  return at
}

/** Behind the string that opens at `start`; of a long one with quotes in it, behind the first quote that may end it. -1
 *  where neither is found. */
function endOfString(text: string, start: number): number {
  let quote = text.indexOf('"', start + 1)
  while (quote !== -1 && isEscaped(text, quote)) {
    if (quote - start >= CUT_CHARS_MIN) return endBeforeBrace(text, quote)
    quote = text.indexOf('"', quote + 1)
  }
  return quote === -1 ? -1 : quote + 1
}

/** Mostly a long string is the last of its object, and there are fewer braces than quotes. */
function endBeforeBrace(text: string, from: number): number {
  let brace = from
  for (let seen = 0; seen < BRACES_MAX; seen += 1) {
    brace = text.indexOf('}', brace + 1)
    if (brace === -1) return -1
    if (text.charCodeAt(brace - 1) === QUOTE && !isEscaped(text, brace - 1)) return brace
  }
  return -1
}

function isEscaped(text: string, at: number): boolean {
  let slashes = 0
  while (text.charCodeAt(at - 1 - slashes) === BACKSLASH) slashes += 1
  return slashes % 2 === 1
}

/** Whether this is one string, from its first character to its last. */
function isStringLiteral(literal: string): boolean {
  try {
    JSON.rawJSON(literal)
    return true
  } catch {
    return false
  }
}
