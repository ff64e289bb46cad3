// A large body is looked into, not taken apart: parsed without its long strings, which go on as they were written.
// Everything else of the path reads the short body and doesn't notice.
import { estimateBySamples, estimateTokens } from '../../core/estimate/estimate.ts'
import { type JsonObject, isJsonObject, parseJson } from '../../core/json.ts'
import type { RequestFacts } from '../../protocols/protocol.ts'
import { type Cut, abridge, isStandIn, restore, valueWithin } from '../../wire/abridge.ts'

/** A body without its long strings. */
export interface ShortBody {
  readonly text: string
  readonly body: JsonObject
  readonly cuts: readonly Cut[]
}

/** Shorter texts are parsed faster than looked into. */
const LARGE_CHARS_MIN = 8_192

/** The short body of `text`; null where there is no use for one, or the text is not a JSON object. */
export function shortBody(text: string): ShortBody | null {
  const short = text.length < LARGE_CHARS_MIN ? null : abridge(text)
  if (short === null) return null
  const body = parseJson(short.text)
  if (!isJsonObject(body)) return null
  // A model or a user of that length is to be seen as it is.
  for (const value of Object.values(body)) if (typeof value === 'string' && isStandIn(value)) return null
  return { text: short.text, body, cuts: short.cuts }
}

/** A short text that has been edited, with the long strings in their places again; null where that can't be done. */
export function lengthen(text: string, short: ShortBody): string | null {
  return restore(text, short.cuts)
}

/** Likely tokens of a request's prompt. */
export function promptTokens(facts: RequestFacts, short: ShortBody | null): number {
  let text = facts.promptText()
  if (short === null) return estimateTokens(text)
  // Not every long string is for the model to read: a picture isn't.
  const read = short.cuts.filter(({ standIn }) => text.includes(standIn))
  for (const { standIn } of read) text = text.replace(standIn, '')
  return estimateTokens(text) + (read.length === 0 ? 0 : tokensOf(read))
}

/** Characters of a literal that make one of its value, at most. */
const ESCAPE_CHARS_MAX = 6

/** The first `chars` characters of a request's prompt, the same whether its body was taken apart or not. */
export function promptBeginning(facts: RequestFacts, short: ShortBody | null, chars: number): string {
  let text = facts.promptText()
  if (short === null) return text.slice(0, chars)
  for (const { standIn, raw } of short.cuts) {
    const at = text.indexOf(standIn)
    if (at === -1 || at >= chars) continue
    const value = valueWithin(raw, 0, ESCAPE_CHARS_MAX * chars)
    // What comes behind a value that is long enough doesn't matter.
    text = text.slice(0, at) + value + text.slice(at + standIn.length)
  }
  return text.slice(0, chars)
}

/** How long a string of a request's body is: of one that was cut out, as it was written. */
export function charsIn(short: ShortBody | null): (text: string) => number {
  if (short === null) return (text) => text.length
  return (text) => short.cuts.find(({ standIn }) => standIn === text)?.raw.length ?? text.length
}

function tokensOf(cuts: readonly Cut[]): number {
  let chars = 0
  for (const { raw } of cuts) chars += raw.length
  return estimateBySamples(chars, (from, count) => {
    let start = from
    for (const { raw } of cuts) {
      if (start < raw.length) return valueWithin(raw, start, count)
      start -= raw.length
    }
    return ''
  })
}
