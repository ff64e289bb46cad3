// The Anthropic messages wire: what its usage, stop reasons and service tiers mean. Cached tokens stand beside the input
// here, not inside it. https://platform.claude.com/docs/en/api/messages
import { isJsonObject } from '../core/json.ts'
import type { Json, JsonObject } from '../core/json.ts'
import type { FinishReason } from '../core/neutral.ts'
import { NO_USAGE, USAGE_BUCKETS, withTier, withUnits } from '../core/money/usage.ts'
import type { Usage } from '../core/money/usage.ts'
import { arrayOf, countOf, isCount, isJsonArray, objectOf, stringOf } from './read.ts'

/** The version of the API that is asked for; it names a behaviour, not a release. */
export const ANTHROPIC_VERSION = '2023-06-01'

/** Usage in disjoint buckets; null where `value` holds no counts. Thinking is part of the output. Where the conversation
 *  was compacted, the whole report leaves that out, and its iterations have it all. */
export function readMessagesUsage(value: Json | undefined): Usage | null {
  if (!isJsonObject(value)) return null
  const iterations = arrayOf(value['iterations']).map((iteration) => objectOf(iteration))
  if (!iterations.some((iteration) => iteration['type'] === 'compaction')) return readCounts(value)
  // Others are of other models, with prices of their own.
  const own = iterations.filter(({ type }) => type === 'compaction' || type === 'message')
  return own.reduce<Usage | null>((sum, iteration) => added(sum, readCounts(iteration)), null)
}

function added(a: Usage | null, b: Usage | null): Usage | null {
  if (a === null || b === null) return a ?? b
  const sum = { ...a }
  for (const bucket of USAGE_BUCKETS) sum[bucket] += b[bucket]
  return b.units === undefined ? sum : withUnits(sum, b.units)
}

function readCounts(value: JsonObject): Usage | null {
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
  if (usage.input + usage.cacheRead + usage.cacheWrite + usage.cacheWriteLong + output === 0) return null
  const searches = countOf(objectOf(value['server_tool_use'])['web_search_requests'])
  return withTier(withUnits(usage, { searches }), stringOf(value['service_tier']))
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
    if (isCount(value)) merged[name] = Math.max(countOf(value), countOf(before))
    else if (isJsonArray(value)) merged[name] = value
    else if (isJsonObject(value)) merged[name] = mergeMessagesUsage(objectOf(before), value)
  }
  return merged
}

/** Usage as a reply reports it. Everything that is input but neither read from nor written to the cache is `input_tokens`. */
export function writeMessagesUsage(usage: Usage | null): JsonObject {
  const { input, cacheRead, cacheWrite, cacheWriteLong, output, reasoning, audioInput, audioOutput } = usage ?? NO_USAGE
  return {
    input_tokens: input + audioInput,
    cache_creation_input_tokens: cacheWrite + cacheWriteLong,
    cache_read_input_tokens: cacheRead,
    cache_creation: { ephemeral_5m_input_tokens: cacheWrite, ephemeral_1h_input_tokens: cacheWriteLong },
    output_tokens: output + reasoning + audioOutput,
    ...(reasoning === 0 ? {} : { output_tokens_details: { thinking_tokens: reasoning } }),
  }
}

/** A provider's stop reason. Unknown ones mean that it stopped by itself. */
export function readStopReason(value: string): FinishReason {
  switch (value) {
    case 'max_tokens':
    case 'model_context_window_exceeded':
      return 'length'
    case 'tool_use':
      return 'tool-calls'
    case 'refusal':
      return 'filtered'
    case 'pause_turn':
      return 'paused'
    default:
      return 'stop'
  }
}

const STOP_REASONS: Readonly<Record<FinishReason, string>> = {
  stop: 'end_turn',
  length: 'max_tokens',
  'tool-calls': 'tool_use',
  filtered: 'refusal',
  paused: 'pause_turn',
}

/** The stop reason of a choice, with the sequence that ended it, if one did. */
export function writeStopReason(finish: FinishReason | null, stopSequence: string | null): JsonObject {
  const isStopped = finish === 'stop' && stopSequence !== null
  return {
    stop_reason: isStopped ? 'stop_sequence' : STOP_REASONS[finish ?? 'stop'],
    stop_sequence: isStopped ? stopSequence : null,
  }
}

/** The tier that a reply was served in, in the neutral form's words (OpenAI's); null for none given. */
export function readServiceTier(usage: Json | undefined): string | null {
  const tier = stringOf(objectOf(usage)['service_tier'])
  return tier === 'standard' ? 'default' : tier
}

const REPLY_TIERS: Readonly<Record<string, string>> = {
  default: 'standard',
  standard: 'standard',
  priority: 'priority',
  batch: 'batch',
}

/** The tier of a reply in this wire's words; null for one that it has no word for. */
export function writeServiceTier(tier: string | undefined): string | null {
  return REPLY_TIERS[tier ?? ''] ?? null
}
