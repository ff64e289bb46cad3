// Writes a neutral request in the responses form. Stateless: nothing is stored at the provider, so reasoning is asked for in
// encrypted form, for the client to send back. Relies on the gaps having been asked for first.
// https://platform.openai.com/docs/guides/reasoning#encrypted-reasoning-items
import type { Target } from '../../core/directory.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import type { NeutralRequest, ReasoningRequest, ResponseFormat } from '../../core/neutral.ts'
import { RESPONSES_MAKER } from '../../wire/openai-responses-reasoning.ts'
import { arrayOf } from '../../wire/read.ts'
import { withoutUndefined } from '../../wire/write.ts'
import { CARRIED_EXTRAS, isOwnExtra } from './gaps.ts'
import { writeInput } from './input.ts'
import { writeToolChoice, writeTools } from './tools.ts'

/** The request body, with `model` and the output bound as given (null: none). */
export function writeResponsesRequest(
  request: NeutralRequest,
  target: Target,
  model: string,
  maxOutputTokens: number | null,
): JsonObject {
  const { instructions, input } = writeInput(request.messages)
  const include = writeInclude(request, target)
  return withoutUndefined({
    ...extras(request),
    model,
    instructions,
    input,
    stream: request.stream ? true : undefined,
    store: false,
    include: include.length === 0 ? undefined : include,
    tools: writeTools(request),
    tool_choice: writeToolChoice(request) ?? request.extra['tool_choice'],
    parallel_tool_calls: request.parallelToolCalls,
    text: writeText(request),
    max_output_tokens: maxOutputTokens ?? undefined,
    temperature: request.temperature,
    top_p: request.topP,
    top_logprobs: request.logprobs === undefined || request.logprobs.top === 0 ? undefined : request.logprobs.top,
    reasoning: writeReasoning(request),
    metadata: request.metadata,
    service_tier: request.serviceTier,
    prompt_cache_key: request.promptCacheKey,
    user: request.endUser,
  })
}

function extras(request: NeutralRequest): JsonObject {
  return Object.fromEntries(Object.entries(request.extra).filter(([name]) => CARRIED_EXTRAS.has(name)))
}

/** Members that came as `setting.member`. */
function membersOf(request: NeutralRequest, setting: string): JsonObject {
  const prefix = `${setting}.`
  const members = Object.entries(request.extra).filter(([name]) => name.startsWith(prefix) && isOwnExtra(request, name))
  return Object.fromEntries(members.map(([name, value]) => [name.slice(prefix.length), value]))
}

function writeInclude(request: NeutralRequest, target: Target): readonly Json[] {
  return [
    ...(mayReason(request, target) ? ['reasoning.encrypted_content'] : []),
    ...(request.logprobs === undefined ? [] : ['message.output_text.logprobs']),
    ...(isOwnExtra(request, 'include') ? arrayOf(request.extra['include']) : []),
  ]
}

/** Models that don't reason refuse to be asked for reasoning in any form; of one that isn't known, the request tells. */
function mayReason(request: NeutralRequest, target: Target): boolean {
  const known = target.capabilities?.reasoning
  if (known !== undefined) return known
  if (request.reasoning !== undefined) return true
  return request.messages.some(({ parts }) =>
    parts.some((part) => part.kind === 'reasoning' && (part.redacted ?? part.signature)?.maker === RESPONSES_MAKER),
  )
}

function writeText(request: NeutralRequest): JsonObject | undefined {
  const { responseFormat: format, verbosity } = request
  const text = withoutUndefined({
    ...membersOf(request, 'text'),
    ...(format === undefined ? {} : { format: writeFormat(format) }),
    verbosity,
  })
  return Object.keys(text).length === 0 ? undefined : text
}

function writeFormat(format: ResponseFormat): JsonObject {
  if (format.kind === 'text') return { type: 'text' }
  if (format.kind === 'json-object') return { type: 'json_object' }
  const { name, schema, strict, description } = format
  return withoutUndefined({ type: 'json_schema', name, schema, strict, description })
}

/** Up to how many tokens of thinking an effort is meant to be. */
const EFFORTS: readonly (readonly [tokens: number, effort: string])[] = [
  [1024, 'minimal'],
  [4096, 'low'],
  [16_384, 'medium'],
]

/** A budget of tokens becomes the effort that comes next to it: this API counts none. */
function writeReasoning(request: NeutralRequest): JsonObject | undefined {
  const asked: ReasoningRequest = request.reasoning ?? {}
  const { maxTokens, mode } = asked
  const byBudget =
    maxTokens === undefined ? undefined : (EFFORTS.find(([tokens]) => maxTokens <= tokens)?.[1] ?? 'high')
  const isShown = asked.summary === undefined ? maxTokens !== undefined || mode === 'on' : asked.summary !== 'none'
  const reasoning = withoutUndefined({
    ...membersOf(request, 'reasoning'),
    effort: asked.effort ?? (mode === 'off' ? undefined : byBudget),
    summary: isShown && mode !== 'off' ? (asked.summary ?? 'auto') : undefined,
  })
  return Object.keys(reasoning).length === 0 ? undefined : reasoning
}
