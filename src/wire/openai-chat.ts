// The OpenAI chat wire: what its usage and finish reasons mean, both ways. Protocol and dialect share it, so that what
// one reads the other writes. https://platform.openai.com/docs/api-reference/chat
import { isJsonObject } from '../core/json.ts'
import type { Json, JsonObject } from '../core/json.ts'
import type { FinishReason } from '../core/neutral.ts'
import { completionTokens, promptTokens } from '../core/usage.ts'
import type { Usage } from '../core/usage.ts'
import { countOf, objectOf } from './read.ts'

/** What ends a chat stream that ended well. */
export const DONE_DATA = '[DONE]'

/**
 * Usage in disjoint buckets, or null where `value` holds no counts. Cached, written and audio tokens are part of the
 * prompt; reasoning and audio are part of the completion. Where the total shows that reasoning was counted beside the
 * completion (xAI), it is kept beside it. Parts that exceed their whole are cut down to it.
 */
export function readChatUsage(value: Json | undefined): Usage | null {
  if (!isJsonObject(value)) return null
  const prompt = countOf(value['prompt_tokens'])
  const completion = countOf(value['completion_tokens'])
  const total = countOf(value['total_tokens'])
  // A total alone says nothing of what it is the total of.
  if (prompt === 0 && completion === 0) return null
  return { ...readPrompt(value, prompt), ...readCompletion(value, completion, total - prompt) }
}

type PromptBuckets = Pick<Usage, 'input' | 'cacheRead' | 'cacheWrite' | 'cacheWriteLong' | 'audioInput'>

function readPrompt(usage: JsonObject, prompt: number): PromptBuckets {
  const details = objectOf(usage['prompt_tokens_details'])
  const cacheRead = Math.min(prompt, countOf(details['cached_tokens']) || firstCount(usage, CACHE_READ_NAMES))
  const written = Math.min(
    prompt - cacheRead,
    countOf(details['cache_write_tokens']) ||
      countOf(details['cache_creation_tokens']) ||
      countOf(usage['cache_creation_input_tokens']),
  )
  const cacheWriteLong = Math.min(written, countOf(objectOf(usage['cache_creation'])['ephemeral_1h_input_tokens']))
  const cacheWrite = written - cacheWriteLong
  const audioInput = Math.min(
    prompt - cacheRead - written,
    countOf(details['audio_tokens']) || countOf(usage['audio_prompt_tokens']),
  )
  return { input: prompt - cacheRead - written - audioInput, cacheRead, cacheWrite, cacheWriteLong, audioInput }
}

/** What providers call cached tokens where they don't say it as OpenAI does: DeepSeek, Moonshot, Mistral, Databricks. */
const CACHE_READ_NAMES = ['prompt_cache_hit_tokens', 'cached_tokens', 'num_cached_tokens', 'cache_read_input_tokens']

function firstCount(usage: JsonObject, names: readonly string[]): number {
  for (const name of names) if (countOf(usage[name]) > 0) return countOf(usage[name])
  return 0
}

type CompletionBuckets = Pick<Usage, 'output' | 'reasoning' | 'audioOutput'>

function readCompletion(usage: JsonObject, completion: number, besidePrompt: number): CompletionBuckets {
  const details = objectOf(usage['completion_tokens_details'])
  const reported = countOf(details['reasoning_tokens']) || countOf(usage['reasoning_tokens'])
  const isBeside = reported > 0 && besidePrompt === completion + reported
  const reasoning = isBeside ? reported : Math.min(completion, reported)
  const left = isBeside ? completion : completion - reasoning
  const audioOutput = Math.min(left, countOf(details['audio_tokens']))
  return { output: left - audioOutput, reasoning, audioOutput }
}

/** Usage as this wire puts it: parts inside their wholes. */
export function writeChatUsage(usage: Usage): JsonObject {
  const prompt = promptTokens(usage)
  const completion = completionTokens(usage)
  const long = usage.cacheWriteLong
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: {
      cached_tokens: usage.cacheRead,
      cache_write_tokens: usage.cacheWrite + usage.cacheWriteLong,
      audio_tokens: usage.audioInput,
    },
    completion_tokens_details: { reasoning_tokens: usage.reasoning, audio_tokens: usage.audioOutput },
    ...(long === 0
      ? {}
      : { cache_creation: { ephemeral_5m_input_tokens: usage.cacheWrite, ephemeral_1h_input_tokens: long } }),
  }
}

/** A provider's finish reason. Unknown and empty ones mean that it stopped by itself. */
export function readChatFinish(value: string): FinishReason {
  switch (value.toLowerCase()) {
    case 'length':
    case 'max_tokens':
    case 'max_output_tokens':
    case 'model_length':
      return 'length'
    case 'tool_calls':
    case 'tool_use':
    case 'function_call':
      return 'tool-calls'
    case 'content_filter':
    case 'safety':
    case 'recitation':
    case 'refusal':
      return 'filtered'
    default:
      return 'stop'
  }
}

/** The wire's word for a finish reason. */
export function writeChatFinish(reason: FinishReason): string {
  switch (reason) {
    case 'stop':
    case 'paused':
      return 'stop'
    case 'length':
      return 'length'
    case 'tool-calls':
      return 'tool_calls'
    case 'filtered':
      return 'content_filter'
  }
}

const TIERS: Readonly<Record<string, string>> = {
  auto: 'auto',
  default: 'default',
  standard: 'default',
  flex: 'flex',
  scale: 'scale',
  priority: 'priority',
}

/** The tier that a reply was made in, in this wire's words; undefined for one that it has no word for. */
export function writeServiceTier(tier: string | undefined): string | undefined {
  return tier === undefined ? undefined : TIERS[tier.toLowerCase()]
}
