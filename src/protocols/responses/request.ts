// Reads a responses request into the neutral form: only for the translated lane. Whatever has no place there stays in `extra`
// under its own name, so that a dialect can take it up or declare it a gap; nothing is dropped in silence. What a
// provider would have to have stored (`previous_response_id`, `store: true` and their like) is of that kind.
// https://platform.openai.com/docs/api-reference/responses/create
import type { InvalidRequest } from '../../core/failure.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import type { NeutralRequest, ReasoningRequest, ResponseFormat, SettingName } from '../../core/neutral.ts'
import { ok } from '../../core/result.ts'
import type { Result } from '../../core/result.ts'
import { RESPONSES_WIRE } from '../../wire/openai-responses.ts'
import { arrayOf, numberOf, objectOf, stringOf } from '../../wire/read.ts'
import { responsesFacts } from './facts.ts'
import { readContent } from './content.ts'
import { readFormat } from './format.ts'
import { readInput } from './input.ts'
import { RESPONSES_REQUEST } from './strays.ts'
import { readTools } from './tools.ts'
import { straysIn } from '../strays.ts'
import { type Form, isFlag, isNumber, isText, unknownMembers, unreadable } from '../unreadable.ts'

/** The whole request in neutral form. The error names the field that can't be read. */
export function readResponsesRequest(body: JsonObject): Result<NeutralRequest, InvalidRequest> {
  const facts = responsesFacts(body)
  if (!facts.ok) return facts
  const input = readInput(body['input'])
  if (!input.ok) return input
  const instructions = readContent(textOrNothing(body['instructions']), 'instructions')
  if (!instructions.ok) return instructions
  const tools = readTools(body)
  if (!tools.ok) return tools
  const system = { role: 'system' as const, parts: instructions.value }
  const { extra, ...rest } = tools.value
  return ok({
    wire: RESPONSES_WIRE,
    model: facts.value.model,
    stream: facts.value.isStreamed,
    includeUsage: true,
    messages: instructions.value.length === 0 ? input.value : [system, ...input.value],
    ...rest,
    ...readSettings(body),
    fieldNames: typeof body['user'] === 'string' ? FIELD_NAMES : { ...FIELD_NAMES, endUser: 'safety_identifier' },
    extra: { ...readExtra(body), ...extra },
    ...straysIn(body, RESPONSES_REQUEST),
  })
}

/** Where this protocol's names differ from the chat protocol's. */
const FIELD_NAMES: Readonly<Partial<Record<SettingName, string>>> = {
  responseFormat: 'text.format',
  verbosity: 'text.verbosity',
  maxOutputTokens: 'max_output_tokens',
  reasoning: 'reasoning',
  logprobs: 'top_logprobs',
}

/** Instructions as a list of items are another form of input, which only the provider knows. */
function textOrNothing(value: Json | undefined): Json {
  return typeof value === 'string' && value !== '' ? value : null
}

/** Members that the neutral form has a place for, or that ask for nothing of the model's. */
const KNOWN = new Set([
  'model',
  'input',
  'stream',
  'stream_options',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'text',
  'reasoning',
  'include',
  'max_output_tokens',
  'temperature',
  'top_p',
  'top_logprobs',
  'metadata',
  'user',
  'safety_identifier',
  'prompt_cache_key',
  'service_tier',
  'tidegate',
])

/** Settings that ask for nothing at these values. */
const NEUTRAL_VALUES: Readonly<Record<string, Json>> = {
  store: false,
  background: false,
  truncation: 'disabled',
  frequency_penalty: 0,
  presence_penalty: 0,
}

/** Further details of the output that are given wherever there are any, or that change nothing of what it says. */
const GIVEN_INCLUDES: readonly Json[] = [
  'reasoning.encrypted_content',
  'message.output_text.logprobs',
  'web_search_call.action.sources',
]

function readExtra(body: JsonObject): JsonObject {
  const extra: Record<string, Json> = {}
  for (const [name, value] of Object.entries(body)) {
    if (value === undefined || value === null || KNOWN.has(name)) continue
    if (Object.hasOwn(NEUTRAL_VALUES, name) && NEUTRAL_VALUES[name] === value) continue
    if (name === 'instructions' && typeof value === 'string') continue
    extra[name] = value
  }
  // Both, where they differ: only one has a place.
  const identifier = stringOf(body['user']) === null ? null : stringOf(body['safety_identifier'])
  if (identifier !== null) extra['safety_identifier'] = identifier
  const include = arrayOf(body['include']).filter((name) => !GIVEN_INCLUDES.includes(name))
  if (include.length > 0) extra['include'] = include
  return {
    ...extra,
    ...unreadable(body, FORMS),
    ...unknownMembers(body, 'text', ['verbosity', ...(formatOf(body) === null ? [] : ['format'])]),
    ...unknownMembers(body, 'reasoning', ['effort', 'summary', 'generate_summary']),
  }
}

/** In which form settings can be read; the others are checked with the facts. */
const FORMS: Readonly<Record<string, Form>> = {
  temperature: isNumber,
  top_p: isNumber,
  top_logprobs: (value) => (numberOf(value) ?? -1) >= 0,
  parallel_tool_calls: isFlag,
  user: isText,
  service_tier: isText,
  prompt_cache_key: isText,
}

type Settings = Omit<NeutralRequest, 'model' | 'stream' | 'includeUsage' | 'messages' | 'tools' | 'extra'>

function readSettings(body: JsonObject): Settings {
  const format = formatOf(body)
  const reasoning = readReasoning(objectOf(body['reasoning']))
  const parallel = body['parallel_tool_calls']
  const tier = stringOf(body['service_tier'])
  const top = numberOf(body['top_logprobs']) ?? 0
  const hasLogprobs = top > 0 || arrayOf(body['include']).includes('message.output_text.logprobs')
  return {
    ...(format === null ? {} : { responseFormat: format }),
    ...(reasoning === null ? {} : { reasoning }),
    ...(typeof parallel === 'boolean' ? { parallelToolCalls: parallel } : {}),
    ...(hasLogprobs ? { logprobs: { top } } : {}),
    ...(tier === null || tier === 'auto' ? {} : { serviceTier: tier }),
    ...(Object.keys(objectOf(body['metadata'])).length === 0 ? {} : { metadata: objectOf(body['metadata']) }),
    ...given('maxOutputTokens', numberOf(body['max_output_tokens'])),
    ...given('temperature', numberOf(body['temperature'])),
    ...given('topP', numberOf(body['top_p'])),
    ...given('verbosity', stringOf(objectOf(body['text'])['verbosity'])),
    ...given('promptCacheKey', stringOf(body['prompt_cache_key'])),
    ...given('endUser', stringOf(body['user']) ?? stringOf(body['safety_identifier'])),
  }
}

function given<Name extends string, Value>(name: Name, value: Value | null): { [K in Name]?: Value } {
  const result: { [K in Name]?: Value } = {}
  if (value !== null) result[name] = value
  return result
}

function readReasoning(value: JsonObject): ReasoningRequest | null {
  const effort = stringOf(value['effort'])
  const summary = stringOf(value['summary']) ?? stringOf(value['generate_summary'])
  return effort === null && summary === null ? null : { ...given('effort', effort), ...given('summary', summary) }
}

function formatOf(body: JsonObject): ResponseFormat | null {
  return readFormat(objectOf(objectOf(body['text'])['format']))
}
