// `tidegate.provider_options.<provider>` in a body: members that only this provider knows, merged into what is sent to it, on
// either lane. For whoever needs what no protocol has a word for. Nothing of this runs for a body without `tidegate`.
import type { InvalidRequest } from '../core/failure.ts'
import { type Json, type JsonObject, isJsonObject, parseJson } from '../core/json.ts'
import type { OutgoingCall } from '../ports.ts'

/** What the gateway routes, relays and counts by is not the provider's options' to change. */
const RESERVED = new Set([
  'model',
  'models',
  'fallbacks',
  'stream',
  'stream_options',
  'messages',
  'input',
  'contents',
  'prompt',
  'n',
  'tidegate',
])

/** Bounds of the output, which budgets rely on, wherever they stand. */
const BOUNDS = new Set([
  'max_tokens',
  'max_completion_tokens',
  'max_output_tokens',
  'maxOutputTokens',
  'maxTokens',
  'max_new_tokens',
  'num_predict',
  'candidateCount',
  'best_of',
])

/** What is wrong with the gateway's own member of a body; null when nothing is. */
export async function checkOwnMember(body: JsonObject): Promise<InvalidRequest | null> {
  const own = body['tidegate'] ?? null
  if (own === null) return null
  if (!isJsonObject(own)) return wrong('tidegate', 'expected an object')
  const options = own['provider_options'] ?? null
  if (options === null) return null
  const field = 'tidegate.provider_options'
  if (!isJsonObject(options)) return wrong(field, 'expected an object by provider')
  const { findProvider } = await import('../catalog/providers.ts')
  for (const [provider, members] of Object.entries(options)) {
    const name = `${field}.${provider}`
    if (findProvider(provider) === undefined) return wrong(name, 'no such provider is known')
    if (!isJsonObject(members)) return wrong(name, 'expected an object')
    const reserved = reservedIn(members, true)
    if (reserved !== null) return wrong(`${name}.${reserved}`, 'this member is set by the request itself')
  }
  return null
}

/** The call with the options for `provider` merged into its body, and without the gateway's own member and those that are
 *  `dropped`. */
export function withProviderOptions(
  call: OutgoingCall,
  body: JsonObject,
  provider: string,
  dropped: readonly string[] = [],
): OutgoingCall {
  const text = typeof call.body === 'string' ? call.body : new TextDecoder().decode(call.body)
  const parsed = parseJson(text)
  if (!isJsonObject(parsed)) return call
  const sent = Object.fromEntries(
    Object.entries(parsed).filter(([name]) => name !== 'tidegate' && !dropped.includes(name)),
  )
  const own = body['tidegate']
  const options = isJsonObject(own) ? own['provider_options'] : null
  const members = isJsonObject(options) ? options[provider] : null
  return { ...call, body: JSON.stringify(isJsonObject(members) ? merged(sent, members) : sent) }
}

/** `members` over `base`: objects member by member, anything else in place of what was there. */
function merged(base: JsonObject, members: JsonObject): JsonObject {
  const result = new Map<string, Json | undefined>(Object.entries(base))
  for (const [name, value] of Object.entries(members)) {
    const before = result.get(name)
    result.set(name, isJsonObject(before) && isJsonObject(value) ? merged(before, value) : value)
  }
  // From entries, not by assignment: a member may have any name, `__proto__` included.
  return Object.fromEntries(result)
}

/** The path of the first member that can't be set; null for none. */
function reservedIn(members: JsonObject, isTop: boolean): string | null {
  for (const [name, value] of Object.entries(members)) {
    if (BOUNDS.has(name) || (isTop && RESERVED.has(name))) return name
    const inner = isJsonObject(value) ? reservedIn(value, false) : null
    if (inner !== null) return `${name}.${inner}`
  }
  return null
}

function wrong(field: string, reason: string): InvalidRequest {
  return { kind: 'invalid-request', field, message: `Invalid '${field}': ${reason}.` }
}
