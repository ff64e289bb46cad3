// A provider's own refusal as a client may read it: its shape and its words, without what they give away of our account.
import { type Json, isJsonObject, parseJson } from '../core/json.ts'
import { redact } from '../dialects/redact.ts'
import { isJsonArray } from '../wire/read.ts'

/** Levels that are looked into; what lies deeper is left out. */
const DEPTH_MAX = 12

/** The body of a refusal without secrets, accounts and internal addresses: text by text where it is JSON. */
export function toldRefusal(body: string): string {
  const json = parseJson(body)
  return json === undefined ? redact(body) : JSON.stringify(told(json, 0))
}

function told(value: Json, depth: number): Json {
  if (typeof value === 'string') return redact(value)
  if (depth > DEPTH_MAX) return null
  if (isJsonArray(value)) return value.map((item) => told(item, depth + 1))
  if (!isJsonObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, told(member ?? null, depth + 1)]))
}
