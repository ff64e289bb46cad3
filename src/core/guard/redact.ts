// Takes out of texts what nobody is to read later: credentials, e-mail addresses, card numbers, what an operator describes,
// and members of JSON by name. Works on whole strings, never on pieces of a stream; in time that grows with the text alone.
import { type Json, type JsonObject, isJsonObject } from '../json.ts'
import { type SafePattern, type Span, findPattern, readPattern } from './safe-pattern.ts'

/** What is taken out. */
export type RedactRule =
  | 'keys'
  | 'emails'
  | 'cards'
  /** Text of this form: see `SafePattern`. */
  | { readonly pattern: string }
  /** The value of every member of this name, whatever its case. */
  | { readonly member: string }

/** What a tenant wants kept of its prompts and replies. */
export interface BodyPolicy {
  /** Of so many requests in a hundred. */
  readonly samplePercent: number
  readonly redact: readonly RedactRule[]
  readonly ttlDays: number
}

/** Stands where something was. */
const HIDDEN = '[redacted]'
/** Levels of JSON that are looked into; what is deeper is hidden whole. */
const DEPTH_MAX = 64

/** Credentials by how they begin: of providers, of this gateway, of code hosts and clouds; and signed tokens. */
const KEYS =
  /(?<![A-Za-z0-9])(?:sk|pk|rk|tg|tga|gsk|xai|hf|pplx|nvapi|r8|ghp|gho|ghu|ghs|github_pat|glpat|xox[abprs]|AKIA|ASIA|AIza|ya29|eyJ)[-_.A-Za-z0-9]{12,}/g
const BEARER = /(?<=\b[Bb]earer )[-_.~+/=A-Za-z0-9]{8,}/g
/** Groups of digits, at least as many as a card has. */
const DIGITS = /\d(?:[ -]?\d){12,}/g
const CARD_DIGITS_MIN = 13
const CARD_DIGITS_MAX = 19
const LOCAL = /[A-Za-z0-9.!#$%&'*+/=?^_`{|}~\-\u0080-\uffff]/
const DOMAIN = /[A-Za-z0-9.\-\u0080-\uffff]/
const LOCAL_MAX = 64
const DOMAIN_MAX = 253

export interface Redactor {
  text(text: string): string
  /** The same for every string of a value; members that are named lose theirs whole. */
  json(value: Json): Json
}

/** Hides by `rules`. A pattern that can't be read hides nothing: whoever takes rules in has to refuse it. */
export function redactor(rules: readonly RedactRule[]): Redactor {
  const patterns = rules.flatMap((rule): SafePattern[] => {
    const pattern = typeof rule === 'object' && 'pattern' in rule ? readPattern(rule.pattern) : null
    return pattern === null ? [] : [pattern]
  })
  const members = new Set(
    rules.flatMap((rule) => (typeof rule === 'object' && 'member' in rule ? [rule.member.toLowerCase()] : [])),
  )
  const text = (given: string): string => {
    const spans = [
      ...(rules.includes('keys') ? [...matches(KEYS, given), ...matches(BEARER, given)] : []),
      ...(rules.includes('cards') ? matches(DIGITS, given).flatMap((span) => cards(given, span)) : []),
      ...(rules.includes('emails') ? emails(given) : []),
      ...patterns.flatMap((pattern) => findPattern(pattern, given)),
    ]
    return without(given, spans)
  }
  const json = (value: Json, depth: number): Json => {
    if (typeof value === 'string') return text(value)
    if (typeof value !== 'object' || value === null) return value
    if (depth > DEPTH_MAX) return HIDDEN
    if (!isJsonObject(value)) return value.map((item) => json(item, depth + 1))
    const entries = Object.entries(value).map(([name, member]): readonly [string, Json] => {
      return [text(name), members.has(name.toLowerCase()) ? HIDDEN : json(member ?? null, depth + 1)]
    })
    const shown: JsonObject = Object.fromEntries(entries)
    return shown
  }
  return { text, json: (value) => json(value, 0) }
}

function without(text: string, spans: readonly Span[]): string {
  if (spans.length === 0) return text
  let shown = ''
  let end = 0
  let isOpen = false
  for (const [from, to] of spans.toSorted((a, b) => a[0] - b[0])) {
    if (!isOpen || from > end) shown += text.slice(end, from) + HIDDEN
    isOpen = true
    end = Math.max(end, to)
  }
  return shown + text.slice(end)
}

function matches(pattern: RegExp, text: string): readonly Span[] {
  return [...text.matchAll(pattern)].map((match) => [match.index, match.index + match[0].length])
}

/** Found from the `@` outwards: a text without one costs a look. */
function emails(text: string): readonly Span[] {
  const found: Span[] = []
  let floor = 0
  for (let at = text.indexOf('@'); at !== -1; at = text.indexOf('@', at + 1)) {
    let from = at
    while (from > floor && at - from < LOCAL_MAX && LOCAL.test(text[from - 1] ?? '')) from -= 1
    let to = at + 1
    while (to < text.length && to - at <= DOMAIN_MAX && DOMAIN.test(text[to] ?? '')) to += 1
    while (to > at + 1 && /[.-]/.test(text[to - 1] ?? '')) to -= 1
    if (from < at && text.slice(at + 1, to).includes('.')) {
      found.push([from, to])
      floor = to
    }
  }
  return found
}

/** Groups that together are a card, whatever numbers stand beside them. */
function cards(text: string, [from, to]: Span): readonly Span[] {
  const groups = matches(/\d+/g, text.slice(from, to)).map(([start, end]): Span => [from + start, from + end])
  const found: Span[] = []
  for (const [at, [start]] of groups.entries()) {
    let digits = ''
    for (const [groupFrom, end] of groups.slice(at, at + CARD_DIGITS_MAX)) {
      digits += text.slice(groupFrom, Math.min(end, groupFrom + CARD_DIGITS_MAX + 1))
      if (digits.length > CARD_DIGITS_MAX) break
      if (digits.length >= CARD_DIGITS_MIN && hasCheckDigit(digits)) found.push([start, end])
    }
  }
  return found
}

/** As cards end, by Luhn. */
function hasCheckDigit(digits: string): boolean {
  let sum = 0
  for (let at = 0; at < digits.length; at++) {
    const digit = Number(digits[digits.length - 1 - at])
    const doubled = at % 2 === 1 ? digit * 2 : digit
    sum += doubled > 9 ? doubled - 9 : doubled
  }
  return sum % 10 === 0
}
