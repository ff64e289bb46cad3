// The OpenAI chat wire: what its usage and finish reasons mean, both ways. Protocol and dialect share it, so that what
// one reads the other writes. https://platform.openai.com/docs/api-reference/chat
import { isJsonObject } from '../core/json.ts'
import type { Json, JsonObject } from '../core/json.ts'
import type { FinishReason } from '../core/neutral.ts'
import { completionTokens, promptTokens, withUnits } from '../core/money/usage.ts'
import type { Usage } from '../core/money/usage.ts'
import { countOf, objectOf } from './read.ts'

/** What ends a chat stream that ended well. */
export const DONE_DATA = '[DONE]'

/**
 * Usage in disjoint buckets, or null where `value` holds no counts. Cached, written and audio tokens are part of the
 * prompt; reasoning and audio are part of the completion. Where the total shows that one of them was counted beside its
 * whole (`countedBeside`), it is kept beside it. `hidesReasoning`: this provider counts reasoning beside the completion
 * and leaves it out of the total too. Parts that exceed their whole are cut down to it.
 */
export function readChatUsage(value: Json | undefined, hidesReasoning = false): Usage | null {
  if (!isJsonObject(value)) return null
  const given = countOf(value['prompt_tokens'])
  const completion = countOf(value['completion_tokens'])
  // A total alone says nothing of what it is the total of.
  if (given === 0 && completion === 0) return null
  const rest = countOf(value['total_tokens']) - given - completion
  const beside = countedBeside(value, rest)
  const prompt = given + (beside === 'audio' || beside === 'cached' ? rest : 0)
  const reasoning = beside === 'reasoning' ? rest : hidesReasoning && rest <= 0 ? reasoningOf(value) : 0
  const tokens = { ...readPrompt(value, prompt), ...readCompletion(value, completion, reasoning) }
  return withUnits(tokens, { searches: searchesOf(value) })
}

/** Searches of the web that the provider made and counts: OpenRouter, Perplexity, xAI (which counts sources).
 *  https://docs.perplexity.ai/getting-started/pricing, https://docs.x.ai/docs/guides/live-search (read 2026-11-21) */
function searchesOf(usage: JsonObject): number {
  const tools = objectOf(usage['server_tool_use'] ?? usage['server_tool_use_details'])
  return (
    countOf(tools['web_search_requests']) || countOf(usage['num_search_queries']) || countOf(usage['num_sources_used'])
  )
}

/**
 * What the tokens are that the total has beyond prompt and completion; null for none, and where the numbers fit nothing.
 * - The reasoning that is reported: xAI; Gemini's models behind DeepInfra (https://github.com/vercel/ai/pull/12214).
 * - The sound of the prompt (Mistral's Voxtral), or what was cached of it.
 * - Reasoning of which nothing else is said: Gemini's compatible API (https://github.com/mozilla-ai/any-llm/issues/1290).
 */
function countedBeside(usage: JsonObject, rest: number): 'reasoning' | 'audio' | 'cached' | null {
  if (rest <= 0) return null
  const reasoning = reasoningOf(usage)
  if (rest === reasoning) return 'reasoning'
  if (rest === audioOf(usage)) return 'audio'
  if (rest === cachedOf(usage) + writtenOf(usage)) return 'cached'
  return reasoning === 0 ? 'reasoning' : null
}

type PromptBuckets = Pick<Usage, 'input' | 'cacheRead' | 'cacheWrite' | 'cacheWriteLong' | 'audioInput'>

function readPrompt(usage: JsonObject, prompt: number): PromptBuckets {
  const cacheRead = Math.min(prompt, cachedOf(usage))
  const written = Math.min(prompt - cacheRead, writtenOf(usage))
  const cacheWriteLong = Math.min(written, countOf(objectOf(usage['cache_creation'])['ephemeral_1h_input_tokens']))
  const cacheWrite = written - cacheWriteLong
  const audioInput = Math.min(prompt - cacheRead - written, audioOf(usage))
  return { input: prompt - cacheRead - written - audioInput, cacheRead, cacheWrite, cacheWriteLong, audioInput }
}

/** What providers call cached tokens where they don't say it as OpenAI does: DeepSeek, Moonshot, Mistral, Databricks. */
const CACHE_READ_NAMES = ['prompt_cache_hit_tokens', 'cached_tokens', 'num_cached_tokens', 'cache_read_input_tokens']

function cachedOf(usage: JsonObject): number {
  return countOf(objectOf(usage['prompt_tokens_details'])['cached_tokens']) || firstCount(usage, CACHE_READ_NAMES)
}

function writtenOf(usage: JsonObject): number {
  const details = objectOf(usage['prompt_tokens_details'])
  const written = countOf(details['cache_write_tokens']) || countOf(details['cache_creation_tokens'])
  return written || countOf(usage['cache_creation_input_tokens'])
}

function audioOf(usage: JsonObject): number {
  return countOf(objectOf(usage['prompt_tokens_details'])['audio_tokens']) || countOf(usage['audio_prompt_tokens'])
}

function firstCount(usage: JsonObject, names: readonly string[]): number {
  for (const name of names) if (countOf(usage[name]) > 0) return countOf(usage[name])
  return 0
}

type CompletionBuckets = Pick<Usage, 'output' | 'reasoning' | 'audioOutput'>

/** `beside`: reasoning tokens beside the completion; zero where they are part of it. */
function readCompletion(usage: JsonObject, completion: number, beside: number): CompletionBuckets {
  const inside = beside > 0 ? 0 : Math.min(completion, reasoningOf(usage))
  const left = completion - inside
  const audioOutput = Math.min(left, countOf(objectOf(usage['completion_tokens_details'])['audio_tokens']))
  return { output: left - audioOutput, reasoning: beside + inside, audioOutput }
}

function reasoningOf(usage: JsonObject): number {
  const details = objectOf(usage['completion_tokens_details'])
  return countOf(details['reasoning_tokens']) || countOf(usage['reasoning_tokens'])
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
    case 'max_length':
    case 'model_length':
    case 'token_limit':
    case 'model_context_window_exceeded':
      return 'length'
    case 'tool_calls':
    case 'tool_use':
    case 'function_call':
      return 'tool-calls'
    case 'content_filter':
    case 'content_filtered':
    case 'safety':
    case 'recitation':
    case 'blocklist':
    case 'prohibited_content':
    case 'sensitive':
    case 'guardrail_intervened':
    case 'refusal':
      return 'filtered'
    default:
      return 'stop'
  }
}

/** Reasons that are none to end for: the provider gave up. `insufficient_system_resource` is DeepSeek's, `network_error`
 *  Z.AI's. https://api-docs.deepseek.com/api/create-chat-completion, https://docs.z.ai/api-reference/llm/chat-completion
 *  (read 2026-11-21) */
export const BROKEN_FINISHES: ReadonlySet<unknown> = new Set(['error', 'insufficient_system_resource', 'network_error'])

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
