// The Anthropic messages wire: what its usage and stop reasons mean. Cached tokens stand beside the input here, not
// inside it. https://docs.anthropic.com/en/api/messages
import { isJsonObject } from '../core/json.ts'
import type { Json, JsonObject } from '../core/json.ts'
import type { FinishReason } from '../core/neutral.ts'
import type { Usage } from '../core/usage.ts'
import { countOf, objectOf } from './read.ts'

/** The version of the API that is asked for; it names a behaviour, not a release. */
export const ANTHROPIC_VERSION = '2023-06-01'

/** Usage in disjoint buckets; null where `value` holds no counts. Thinking is part of the output. */
export function readMessagesUsage(value: Json | undefined): Usage | null {
  if (!isJsonObject(value)) return null
  const output = countOf(value['output_tokens'])
  const reasoning = Math.min(output, countOf(objectOf(value['output_tokens_details'])['thinking_tokens']))
  const usage: Usage = {
    input: countOf(value['input_tokens']),
    cacheRead: countOf(value['cache_read_input_tokens']),
    ...readCacheWrites(value),
    output: output - reasoning,
    reasoning,
    audioInput: 0,
    audioOutput: 0,
  }
  return usage.input + usage.cacheRead + usage.cacheWrite + usage.cacheWriteLong + output === 0 ? null : usage
}

/** The total written is the sum of both lifetimes; what isn't told apart is of the shorter one. */
function readCacheWrites(usage: JsonObject): Pick<Usage, 'cacheWrite' | 'cacheWriteLong'> {
  const creation = objectOf(usage['cache_creation'])
  const long = countOf(creation['ephemeral_1h_input_tokens'])
  const short = countOf(creation['ephemeral_5m_input_tokens'])
  const total = Math.max(countOf(usage['cache_creation_input_tokens']), long + short)
  return { cacheWrite: total - long, cacheWriteLong: long }
}

/**
 * Two reports of one stream as one: counts are cumulative, so the higher counts. A report that lacks a count, or has 0
 * for it where an earlier one had more, says nothing new about it.
 */
export function mergeMessagesUsage(earlier: JsonObject, later: Json | undefined): JsonObject {
  const merged: Record<string, Json | undefined> = { ...earlier }
  for (const [name, value] of Object.entries(objectOf(later))) {
    const before = merged[name]
    if (typeof value === 'number') merged[name] = Math.max(value, countOf(before))
    else if (isJsonObject(value)) merged[name] = mergeMessagesUsage(objectOf(before), value)
  }
  return merged
}

/** A provider's stop reason. Unknown ones, and a pause of a server tool, mean that it stopped by itself. */
export function readStopReason(value: string): FinishReason {
  switch (value) {
    case 'max_tokens':
    case 'model_context_window_exceeded':
      return 'length'
    case 'tool_use':
      return 'tool-calls'
    case 'refusal':
      return 'filtered'
    default:
      return 'stop'
  }
}
