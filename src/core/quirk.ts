// In what providers of one wire differ from the one whose wire it is: a closed list of names, so that a target's quirks are
// data and each is heeded in one place. What needs no action (odd chunks, usage in every chunk) is none: readers take it.
import type { Target } from './directory.ts'

/**
 * A peculiarity of the chat wire at some provider.
 * - `max-tokens`: knows `max_tokens` alone (Mistral refuses the newer name, https://docs.mistral.ai/api/).
 * - `max-completion-tokens`: refuses `max_tokens` (OpenAI's reasoning models,
 *   https://platform.openai.com/docs/api-reference/chat/create).
 * - `no-stream-options`: refuses `stream_options`; usage comes unasked or not at all (Mistral, older servers).
 * - `strict-fields`: refuses what it doesn't know; what changes nothing in a reply (`STRICT_HINTS`) is left out for it,
 *   and so are empty lists of tools (Mistral answers 422 `extra_forbidden`, Groq and Cerebras 400).
 * - `no-developer-role`: knows `system` alone (everyone but OpenAI and Azure).
 * - `tool-ids-9`: ids of tool calls are exactly nine letters and digits (Mistral, https://docs.mistral.ai/capabilities/function_calling/).
 * - `no-parallel-tool-calls`: knows no `parallel_tool_calls`.
 * - `no-json-schema`: keeps to JSON, but to no schema (DeepSeek, https://api-docs.deepseek.com/guides/json_mode).
 * - `reasoning-object`: `reasoning: {effort, max_tokens, enabled, exclude}` in place of `reasoning_effort` (OpenRouter,
 *   https://openrouter.ai/docs/use-cases/reasoning-tokens).
 * - `thinking-type`: `thinking: {type: enabled | disabled}` (z.ai, https://docs.z.ai/guides/llm/glm-4.6; DeepSeek, Moonshot).
 * - `enable-thinking`: `enable_thinking` and `thinking_budget` (Alibaba,
 *   https://help.aliyun.com/zh/model-studio/deep-thinking).
 * - `reasoning-content`: wants earlier reasoning back as `reasoning_content` (DeepSeek, Moonshot, z.ai).
 * - `reasoning-details`: wants it back as `reasoning_details`, signatures included (OpenRouter, Vercel).
 * - `extra-content`: signatures of calls stand in `extra_content` (Gemini's compatible API,
 *   https://ai.google.dev/gemini-api/docs/thought-signatures).
 * - `cache-control`: takes `cache_control` on parts and tools (OpenRouter,
 *   https://openrouter.ai/docs/features/prompt-caching).
 * - `no-top-k`: knows no `top_k` (OpenAI itself).
 * - `random-seed`: calls the seed `random_seed` (Mistral).
 * - `reasoning-beside`: counts reasoning beside the completion and leaves it out of the total, so that the numbers don't
 *   give it away (Perplexity's deep research, https://docs.perplexity.ai/getting-started/pricing).
 * - `gemini-reasoning-beside`: the same of Gemini's models alone (Vercel's gateway; its `cost` shows it: 57 prompt, 10
 *   completion and 37 reasoning tokens of gemini-2.5-flash cost $0.0001346).
 * - `prefix-member`: goes on from an assistant's message at the end that has `prefix: true` (Mistral, whose reply has the prefix in
 *   front, https://docs.mistral.ai/api/; DeepSeek's beta, https://api-docs.deepseek.com/guides/chat_prefix_completion).
 * - `continue-final-message`: goes on from one with `continue_final_message` and without `add_generation_prompt` (vLLM,
 *   https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html).
 * - `azure-deployments`: `/deployments/{deployment}/chat/completions?api-version=…` below the base URL, with `deployment`
 *   (else the model) and `apiVersion` of the target's settings
 *   (https://learn.microsoft.com/azure/ai-services/openai/reference). Without it, Azure's v1 path is OpenAI's.
 */
export type Quirk = (typeof QUIRKS)[number]

/** Every quirk that is heeded. */
export const QUIRKS = [
  'max-tokens',
  'max-completion-tokens',
  'no-stream-options',
  'strict-fields',
  'no-developer-role',
  'tool-ids-9',
  'no-parallel-tool-calls',
  'no-json-schema',
  'reasoning-object',
  'thinking-type',
  'enable-thinking',
  'reasoning-content',
  'reasoning-details',
  'extra-content',
  'cache-control',
  'no-top-k',
  'random-seed',
  'reasoning-beside',
  'gemini-reasoning-beside',
  'prefix-member',
  'continue-final-message',
  'azure-deployments',
] as const

/** Members of a request that change nothing in its reply: left out for a provider with `strict-fields`. */
export const STRICT_HINTS: readonly string[] = [
  'user',
  'safety_identifier',
  'prompt_cache_key',
  'prompt_cache_retention',
  'prediction',
  'metadata',
]

/** Whether the target has that quirk. */
export function hasQuirk(target: Target, quirk: Quirk): boolean {
  return target.quirks?.includes(quirk) === true
}

/** Whether the target's reports leave its reasoning out of the completion and out of the total. */
export function hidesReasoning(target: Target): boolean {
  if (hasQuirk(target, 'reasoning-beside')) return true
  return hasQuirk(target, 'gemini-reasoning-beside') && /gemini/i.test(target.model)
}
