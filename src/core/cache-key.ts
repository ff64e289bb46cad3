// What makes two requests the same for the reply cache: everything that can change the answer, in a canonical order, and
// nothing else. Strings stay byte-exact: two prompts that differ in a blank can need different answers.
import canonicalize from 'canonicalize'
import { type Json, type JsonObject, isJsonObject } from './json.ts'

/** Members that don't change what is answered. */
const IRRELEVANT = new Set([
  'user',
  'metadata',
  'store',
  'stream',
  'stream_options',
  'tidegate',
  'safety_identifier',
  'prompt_cache_key',
])

/** Bump when the stored form or this text changes meaning. */
const CACHE_KEY_VERSION = 1

/**
 * The canonical text (RFC 8785) of a request, for hashing. `scope` keeps tenants apart; `routing` names what would have
 * answered, so that a changed route is not served from an old one's replies.
 */
export function cacheKeyText(
  body: JsonObject,
  scope: { readonly tenantId: string; readonly protocol: string; readonly routing: string },
): string {
  const members = Object.entries(body).filter(([name, value]) => !IRRELEVANT.has(name) && (value ?? null) !== null)
  const own = body['tidegate']
  const options = isJsonObject(own) ? own['provider_options'] : undefined
  if (isJsonObject(options)) members.push(['tidegate', { provider_options: options }])
  const { tenantId, protocol, routing } = scope
  // From entries, not by assignment: a member may have any name, `__proto__` included.
  return canonicalText({ v: CACHE_KEY_VERSION, tenantId, protocol, routing, request: Object.fromEntries(members) })
}

/** RFC 8785 refuses half an emoji (texts cut by length end in one) and endless numbers; such a text is ours alone. */
function canonicalText(value: JsonObject): string {
  try {
    return canonicalize(value) ?? ''
  } catch {
    return JSON.stringify(value, (_, inner: Json) => {
      if (typeof inner === 'number' && !Number.isFinite(inner)) return { '\ud800': String(inner) }
      if (!isJsonObject(inner)) return inner
      return Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)))
    })
  }
}
