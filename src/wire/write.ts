// Writing JSON: objects with members that may be absent, and text that stands in JSON which is there already.
import type { Json, JsonObject } from '../core/json.ts'

/** The object without the members that are undefined. */
export function withoutUndefined(object: JsonObject): JsonObject {
  const result: Record<string, Json> = {}
  for (const [name, value] of Object.entries(object)) if (value !== undefined) result[name] = value
  return result
}

const QUOTE = 34
const BACKSLASH = 92
const SPACE = 32
const SURROGATES_START = 0xd800
const SURROGATES_END = 0xdfff
/** A serialiser is faster at long texts. */
const SHORT_CHARS = 40

/** What `JSON.stringify` puts between the quotes for a text. Short texts with nothing to escape, as nearly all of a
 *  stream are, come back as they are. */
export function escapedText(text: string): string {
  return text.length <= SHORT_CHARS && isPlain(text) ? text : JSON.stringify(text).slice(1, -1)
}

function isPlain(text: string): boolean {
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (code < SPACE || code === QUOTE || code === BACKSLASH) return false
    if (code >= SURROGATES_START && code <= SURROGATES_END) return false
  }
  return true
}
