// Reads a chat request into the neutral form: only for the translated lane. Whatever has no place there stays in `extra`
// under its own name, so that a dialect can take it up or declare it a gap; nothing is dropped in silence.
import type { InvalidRequest } from '../../core/failure.ts'
import { isJsonObject } from '../../core/json.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import type { NeutralRequest, ResponseFormat } from '../../core/neutral.ts'
import { ok } from '../../core/result.ts'
import type { Result } from '../../core/result.ts'
import { arrayOf, numberOf, objectOf, stringOf } from '../../wire/read.ts'
import { chatFacts, outputBoundOf } from './facts.ts'
import { readMessages } from './messages.ts'
import { readReasoningSettings } from './reasoning.ts'
import { CHAT_REQUEST } from './strays.ts'
import { readHostedTools, readToolChoice, readTools } from './tools.ts'
import { straysIn } from '../strays.ts'
import { type Form, isFlag, isNumber, isObject, isText, isTexts, unreadable } from '../unreadable.ts'

/** The whole request in neutral form. The error names the field that can't be read. */
export function readChatRequest(body: JsonObject): Result<NeutralRequest, InvalidRequest> {
  const facts = chatFacts(body)
  if (!facts.ok) return facts
  const messages = readMessages(arrayOf(body['messages']))
  if (!messages.ok) return messages
  const tools = readTools(arrayOf(body['tools']))
  if (!tools.ok) return tools
  return ok({
    wire: 'openai-chat',
    model: facts.value.model,
    stream: facts.value.isStreamed,
    includeUsage: facts.value.wantsUsage,
    messages: messages.value,
    tools: tools.value,
    ...readToolSettings(body),
    ...readSampling(body),
    ...readBounds(body),
    ...readBookkeeping(body),
    ...(typeof body['user'] === 'string' ? {} : { fieldNames: { endUser: 'safety_identifier' } }),
    extra: readExtra(body),
    ...straysIn(body, CHAT_REQUEST),
  })
}

/** Settings that the neutral form has a place for. Null means not given. */
const KNOWN = new Set([
  'model',
  'messages',
  'stream',
  'stream_options',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'web_search_options',
  'response_format',
  'max_tokens',
  'max_completion_tokens',
  'temperature',
  'top_p',
  'top_k',
  'stop',
  'seed',
  'random_seed',
  'n',
  'frequency_penalty',
  'presence_penalty',
  'logit_bias',
  'logprobs',
  'top_logprobs',
  'verbosity',
  'reasoning_effort',
  'reasoning',
  'thinking',
  'enable_thinking',
  'thinking_budget',
  'include_reasoning',
  'service_tier',
  'metadata',
  'prompt_cache_key',
  'user',
  'safety_identifier',
  'tidegate',
])

function readExtra(body: JsonObject): JsonObject {
  const extra: Record<string, Json> = {}
  for (const [name, value] of Object.entries(body)) {
    if (value === undefined || value === null || KNOWN.has(name)) continue
    // Nothing is asked for.
    if (name === 'store' && value === false) continue
    extra[name] = value
  }
  // Both, where they differ: only one has a place.
  const identifier = stringOf(body['user']) === null ? null : stringOf(body['safety_identifier'])
  if (identifier !== null) extra['safety_identifier'] = identifier
  return { ...extra, ...unreadable(body, FORMS) }
}

/** In which form the settings of either OpenAI protocol can be read. */
export const SAMPLING_FORMS: Readonly<Record<string, Form>> = {
  temperature: isNumber,
  top_p: isNumber,
  top_k: isNumber,
  seed: isNumber,
  frequency_penalty: isNumber,
  presence_penalty: isNumber,
  logit_bias: isObject,
  stop: isTexts,
  service_tier: isText,
  metadata: isObject,
  prompt_cache_key: isText,
  user: isText,
}

const FORMS: Readonly<Record<string, Form>> = {
  ...SAMPLING_FORMS,
  random_seed: isNumber,
  logprobs: isFlag,
  top_logprobs: (value) => (numberOf(value) ?? -1) >= 0,
  verbosity: isText,
  reasoning_effort: isText,
  reasoning: isObject,
  thinking: (value) => isObject(value) && THINKING_TYPES.has(objectOf(value)['type'] ?? 'enabled'),
  enable_thinking: isFlag,
  thinking_budget: isNumber,
  include_reasoning: isFlag,
  safety_identifier: isText,
  parallel_tool_calls: isFlag,
  web_search_options: isObject,
  tool_choice: (value) => readToolChoice(value) !== null,
  response_format: (value) => readFormat(value) !== null,
}

const THINKING_TYPES: ReadonlySet<Json> = new Set(['enabled', 'disabled', 'adaptive'])

type Settings = Partial<Omit<NeutralRequest, 'extra'>>

function readToolSettings(body: JsonObject): Settings {
  const toolChoice = readToolChoice(body['tool_choice'])
  const parallel = body['parallel_tool_calls']
  const hostedTools = readHostedTools(body)
  return {
    ...(hostedTools.length === 0 ? {} : { hostedTools }),
    ...(toolChoice === null ? {} : { toolChoice }),
    ...(typeof parallel === 'boolean' ? { parallelToolCalls: parallel } : {}),
  }
}

/** How tokens are drawn, and how much thinking goes before them. */
export function readSampling(body: JsonObject): Settings {
  const top = numberOf(body['top_logprobs'])
  const reasoning = readReasoningSettings(body)
  return {
    ...setting('temperature', numberOf(body['temperature'])),
    ...setting('topP', numberOf(body['top_p'])),
    ...setting('topK', numberOf(body['top_k'])),
    ...setting('seed', numberOf(body['seed']) ?? numberOf(body['random_seed'])),
    ...setting('n', numberOf(body['n'])),
    ...setting('frequencyPenalty', numberOf(body['frequency_penalty']) || null),
    ...setting('presencePenalty', numberOf(body['presence_penalty']) || null),
    ...setting('logitBias', filledObject(body['logit_bias'])),
    ...(body['logprobs'] === true || (top ?? 0) > 0 ? { logprobs: { top: top ?? 0 } } : {}),
    ...setting('reasoning', reasoning),
    ...setting('verbosity', stringOf(body['verbosity'])),
  }
}

function readBounds(body: JsonObject): Settings {
  const stop = readStop(body['stop'])
  return {
    ...setting('responseFormat', readFormat(body['response_format'])),
    ...setting('maxOutputTokens', outputBoundOf(body)),
    ...(stop.length === 0 ? {} : { stop }),
  }
}

/** What is asked of the provider's house, not of its model. */
export function readBookkeeping(body: JsonObject): Settings {
  const tier = stringOf(body['service_tier'])
  return {
    ...setting('serviceTier', tier === 'auto' ? null : tier),
    ...setting('metadata', filledObject(body['metadata'])),
    ...setting('promptCacheKey', stringOf(body['prompt_cache_key'])),
    ...setting('endUser', stringOf(body['user']) ?? stringOf(body['safety_identifier'])),
  }
}

function filledObject(value: Json | undefined): JsonObject | null {
  return isJsonObject(value) && Object.keys(value).length > 0 ? value : null
}

function setting<Name extends string, Value>(name: Name, value: Value | null): { [K in Name]?: Value } {
  const result: { [K in Name]?: Value } = {}
  if (value !== null) result[name] = value
  return result
}

/** Stop sequences, given as one or as a list. */
export function readStop(stop: Json | undefined): readonly string[] {
  if (typeof stop === 'string') return [stop]
  return arrayOf(stop).flatMap((value) => (typeof value === 'string' ? [value] : []))
}

function readFormat(format: Json | undefined): ResponseFormat | null {
  const value = objectOf(format)
  if (value['type'] === 'text') return { kind: 'text' }
  if (value['type'] === 'json_object') return { kind: 'json-object' }
  const schema = objectOf(value['json_schema'])
  if (value['type'] !== 'json_schema' || !isJsonObject(schema['schema'])) return null
  const description = stringOf(schema['description'])
  return {
    kind: 'json-schema',
    name: stringOf(schema['name']) ?? 'response',
    schema: schema['schema'],
    strict: schema['strict'] === true,
    ...(description === null ? {} : { description }),
  }
}
