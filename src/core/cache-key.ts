// What makes two requests the same for the reply cache: everything that can change the answer, in a canonical order, and
// nothing else. Strings stay byte-exact: two prompts that differ in a blank can need different answers.
import canonicalize from 'canonicalize'
import type { Json, JsonObject } from './json.ts'

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
  const relevant: Record<string, Json> = {}
  for (const [name, value] of Object.entries(body)) {
    if (!IRRELEVANT.has(name) && value !== undefined && value !== null) relevant[name] = value
  }
  const { tenantId, protocol, routing } = scope
  return canonicalize({ v: CACHE_KEY_VERSION, tenantId, protocol, routing, request: relevant }) ?? ''
}
