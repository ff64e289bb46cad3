// Edits a JSON object as text: finds where its top-level members stand and replaces only those, so that a large body
// goes on byte for byte and costs a scan instead of a parse and a rewrite. Anything odd is answered with null, and the
// caller re-serialises.
import type { Json } from '../core/json.ts'

/** Where a top-level member stands in the text. */
export interface MemberSpan {
  readonly name: string
  /** From the opening quote of the name … */
  readonly start: number
  /** … over the first character of the value … */
  readonly valueStart: number
  /** … to behind the value. */
  readonly end: number
}

const QUOTE = 34
const COMMA = 44
const COLON = 58
const OPEN_BRACKET = 91
const BACKSLASH = 92
const CLOSE_BRACKET = 93
const OPEN_BRACE = 123
const CLOSE_BRACE = 125

/**
 * The top-level members of the JSON object that `text` is. Expects text that has been parsed without error: it doesn't
 * validate. Null for anything unusual: not an object, an escaped or a repeated name.
 */
export function memberSpans(text: string): readonly MemberSpan[] | null {
  const spans: MemberSpan[] = []
  const names = new Set<string>()
  let at = skipSpace(text, 0)
  if (text.charCodeAt(at) !== OPEN_BRACE) return null
  at = skipSpace(text, at + 1)
  if (text.charCodeAt(at) === CLOSE_BRACE) return spans
  for (;;) {
    const span = readMember(text, at)
    if (span === null || names.has(span.name)) return null
    names.add(span.name)
    spans.push(span)
    at = skipSpace(text, span.end)
    const next = text.charCodeAt(at)
    if (next === CLOSE_BRACE) return skipSpace(text, at + 1) === text.length ? spans : null
    if (next !== COMMA) return null
    at = skipSpace(text, at + 1)
  }
}

/**
 * `text` with top-level members set to new values: replaced where they stand, else put first. Everything else stays to
 * the byte. Null where the text is too odd for that, with nothing to set, too: of a name that stands there twice, providers
 * may take the first where the last was admitted.
 */
export function spliceMembers(text: string, members: Readonly<Record<string, Json>>): string | null {
  const names = Object.keys(members)
  const spans = memberSpans(text)
  if (spans === null || names.length === 0) return spans === null ? null : text
  const missing = new Set(names)
  let result = ''
  let copied = 0
  for (const span of spans) {
    if (!missing.delete(span.name)) continue
    result += text.slice(copied, span.valueStart) + JSON.stringify(members[span.name])
    copied = span.end
  }
  result += text.slice(copied)
  return missing.size === 0 ? result : insertFirst(result, [...missing], members, spans.length === 0)
}

/** `text` without a top-level member, everything else to the byte. Null where the text is too odd for that. */
export function withoutMember(text: string, name: string): string | null {
  const spans = memberSpans(text)
  if (spans === null) return null
  const at = spans.findIndex((span) => span.name === name)
  const span = spans[at]
  if (span === undefined) return text
  const next = spans[at + 1]
  if (next !== undefined) return text.slice(0, span.start) + text.slice(next.start)
  return text.slice(0, spans[at - 1]?.end ?? span.start) + text.slice(span.end)
}

function insertFirst(
  text: string,
  names: readonly string[],
  members: Readonly<Record<string, Json>>,
  isEmpty: boolean,
): string {
  const inserted = names.map((name) => `${JSON.stringify(name)}:${JSON.stringify(members[name])}`).join(',')
  const at = text.indexOf('{') + 1
  return `${text.slice(0, at)}${inserted}${isEmpty ? '' : ','}${text.slice(at)}`
}

function readMember(text: string, start: number): MemberSpan | null {
  if (text.charCodeAt(start) !== QUOTE) return null
  const nameEnd = text.indexOf('"', start + 1)
  if (nameEnd === -1) return null
  const name = text.slice(start + 1, nameEnd)
  if (name.includes('\\')) return null
  const colon = skipSpace(text, nameEnd + 1)
  if (text.charCodeAt(colon) !== COLON) return null
  const valueStart = skipSpace(text, colon + 1)
  const end = valueEnd(text, valueStart)
  return end === -1 ? null : { name, start, valueStart, end }
}

/** Where the value that begins at `start` ends; -1 if it doesn't. */
function valueEnd(text: string, start: number): number {
  const first = text.charCodeAt(start)
  if (first === QUOTE) return stringEnd(text, start)
  if (first === OPEN_BRACE || first === OPEN_BRACKET) return nestedEnd(text, start)
  let at = start
  while (at < text.length && !isScalarEnd(text.charCodeAt(at))) at += 1
  return at === start ? -1 : at
}

function isScalarEnd(code: number): boolean {
  return code === COMMA || code === CLOSE_BRACE || code === CLOSE_BRACKET || isSpace(code)
}

/** Behind the bracket that closes the one at `start`. Strings are jumped over, so that long texts cost little. */
function nestedEnd(text: string, start: number): number {
  let depth = 0
  let at = start
  while (at < text.length) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) {
      at = stringEnd(text, at)
      if (at === -1) return -1
      continue
    }
    if (code === OPEN_BRACE || code === OPEN_BRACKET) depth += 1
    else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) depth -= 1
    at += 1
    if (depth === 0) return at
  }
  return -1
}

/** Behind the quote that closes the string opening at `start`; -1 if none does. */
export function stringEnd(text: string, start: number): number {
  let quote = text.indexOf('"', start + 1)
  while (quote !== -1) {
    let slashes = 0
    while (text.charCodeAt(quote - 1 - slashes) === BACKSLASH) slashes += 1
    if (slashes % 2 === 0) return quote + 1
    quote = text.indexOf('"', quote + 1)
  }
  return -1
}

function skipSpace(text: string, from: number): number {
  let at = from
  while (isSpace(text.charCodeAt(at))) at += 1
  return at
}

function isSpace(code: number): boolean {
  return code === 32 || code === 10 || code === 13 || code === 9
}
