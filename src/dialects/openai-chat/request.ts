// Writes a neutral request in the OpenAI chat form: the translated lane towards OpenAI-compatible providers. What a client
// of this very wire said beyond the neutral form (`extra`) goes on as it is.
import type { Target } from '../../core/directory.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import type { HostedTool, NeutralRequest, NeutralTool, ResponseFormat, ToolChoice } from '../../core/neutral.ts'
import { STRICT_HINTS, hasQuirk } from '../../core/quirk.ts'
import { arrayOf, objectOf, stringOf } from '../../wire/read.ts'
import { withoutUndefined } from '../../wire/write.ts'
import { type MessageForm, marked, messageForm, writeChatMessages } from './messages.ts'
import { writeReasoningSettings } from './thinking.ts'

/** The request body, with `model` and the output bound as given (null: none). Relies on the gaps having been asked for:
 *  what is a gap and was allowed is left out. */
export function writeChatRequest(
  request: NeutralRequest,
  target: Target,
  model: string,
  maxOutputTokens: number | null,
): JsonObject {
  const form = messageForm(request, target)
  const has = (quirk: Parameters<typeof hasQuirk>[1]): boolean => hasQuirk(target, quirk)
  const isStrict = has('strict-fields')
  const settings = withoutUndefined({
    model,
    messages: writeChatMessages(request.messages, form),
    stream: request.stream ? true : undefined,
    stream_options: request.stream && !has('no-stream-options') ? { include_usage: true } : undefined,
    ...writeToolSettings(request, form, has('no-parallel-tool-calls')),
    response_format: writeFormat(request.responseFormat, has('no-json-schema')),
    [has('max-tokens') ? 'max_tokens' : 'max_completion_tokens']: maxOutputTokens ?? undefined,
    temperature: request.temperature,
    top_p: request.topP,
    top_k: request.topK,
    stop: request.stop,
    [has('random-seed') ? 'random_seed' : 'seed']: request.seed,
    n: request.n,
    frequency_penalty: request.frequencyPenalty,
    presence_penalty: request.presencePenalty,
    logit_bias: request.logitBias,
    logprobs: request.logprobs === undefined ? undefined : true,
    top_logprobs: (request.logprobs?.top ?? 0) > 0 ? request.logprobs?.top : undefined,
    verbosity: request.verbosity,
    ...writeReasoningSettings(request, target),
    service_tier: request.serviceTier,
    metadata: isStrict ? undefined : request.metadata,
    prompt_cache_key: isStrict ? undefined : request.promptCacheKey,
    user: isStrict ? undefined : request.endUser,
  })
  return prefixed({ ...(form.isSame ? ownWords(request.extra, isStrict) : {}), ...settings }, has)
}

/** The body with what a provider wants to be told where the last message is the beginning of the reply. */
function prefixed(body: JsonObject, has: (quirk: Parameters<typeof hasQuirk>[1]) => boolean): JsonObject {
  const messages = arrayOf(body['messages'])
  const last = objectOf(messages.at(-1))
  if (last['role'] !== 'assistant' || last['tool_calls'] !== undefined) return body
  if (has('prefix-member')) return { ...body, messages: [...messages.slice(0, -1), { ...last, prefix: true }] }
  if (!has('continue-final-message')) return body
  return { add_generation_prompt: false, continue_final_message: true, ...body }
}

/** What only this wire knows; without hints where they would be refused. */
function ownWords(extra: JsonObject, isStrict: boolean): JsonObject {
  if (!isStrict) return extra
  return Object.fromEntries(Object.entries(extra).filter(([name]) => name !== 'store' && !STRICT_HINTS.includes(name)))
}

function writeToolSettings(request: NeutralRequest, form: MessageForm, isNeverParallel: boolean): JsonObject {
  const hosted = (request.hostedTools ?? []).map((tool) => writeHosted(tool))
  const tools = [
    ...request.tools.map((tool) => marked(writeTool(tool), tool.cacheMark, form.hasMarks)),
    ...hosted.flatMap((tool) => (tool?.tool === undefined ? [] : [tool.tool])),
  ]
  const search = hosted.find((tool) => tool?.search !== undefined)?.search
  // OpenAI refuses the setting where there are no tools, and clients of other wires send it all the same.
  const hasParallel = !isNeverParallel && (form.isSame || tools.length > 0)
  return {
    tools: tools.length === 0 ? undefined : tools,
    web_search_options: search,
    tool_choice: request.toolChoice === undefined ? undefined : writeToolChoice(request.toolChoice, request),
    parallel_tool_calls: hasParallel ? request.parallelToolCalls : undefined,
  }
}

function writeTool(tool: NeutralTool): JsonObject {
  const more = Object.entries(tool.more?.wire === 'openai-chat' ? tool.more.value : {})
  const inside = more
    .filter(([name]) => name.startsWith(INSIDE))
    .map(([name, value]) => [name.slice(INSIDE.length), value])
  return {
    ...Object.fromEntries(more.filter(([name]) => !name.startsWith(INSIDE))),
    type: 'function',
    function: withoutUndefined({
      ...Object.fromEntries(inside),
      name: tool.name,
      description: tool.description,
      parameters: tool.parameters ?? undefined,
      strict: tool.strict,
    }),
  }
}

/** How members of the function itself are called among those that only this wire knows of a tool. */
const INSIDE = 'function.'

/** A tool of another kind in the words of this wire: one among the tools, or a search, which is a setting. Null where
 *  this wire has none for it. */
export function writeHosted(tool: HostedTool): { readonly tool?: JsonObject; readonly search?: JsonObject } | null {
  const { value, type, wire, kind } = tool
  if (wire === 'openai-chat') return type === 'web_search_options' ? { search: value } : { tool: value }
  if (kind === 'web-search') return writeSearch(value)
  return wire === 'openai-responses' && type === 'custom' ? { tool: writeCustom(value) } : null
}

/** A search without bounds that this wire doesn't know. */
function writeSearch(value: JsonObject): { readonly search: JsonObject } | null {
  const bounds = ['allowed_domains', 'blocked_domains', 'exclude_domains', 'filters', 'max_uses']
  if (bounds.some((bound) => (value[bound] ?? null) !== null)) return null
  const { type: _, ...approximate } = objectOf(value['user_location'])
  const size = stringOf(value['search_context_size']) ?? undefined
  const place = Object.keys(approximate).length === 0 ? undefined : { type: 'approximate', approximate }
  return { search: withoutUndefined({ search_context_size: size, user_location: place }) }
}

/** https://platform.openai.com/docs/guides/function-calling#custom-tools */
function writeCustom(value: JsonObject): JsonObject {
  const { name, description, format } = value
  const { type, syntax, definition } = objectOf(format)
  const grammar = type === 'grammar' ? { type, grammar: { syntax, definition } } : format
  return { type: 'custom', custom: withoutUndefined({ name, description, format: grammar }) }
}

function writeToolChoice(choice: ToolChoice, request: NeutralRequest): Json {
  if (choice.kind !== 'tool') return choice.kind
  const { name } = choice
  const isCustom = (request.hostedTools ?? []).some(
    ({ type, value }) => type === 'custom' && (value['name'] ?? objectOf(value['custom'])['name']) === name,
  )
  return isCustom ? { type: 'custom', custom: { name } } : { type: 'function', function: { name } }
}

function writeFormat(format: ResponseFormat | undefined, hasNoSchema: boolean): JsonObject | undefined {
  if (format === undefined) return undefined
  if (format.kind === 'text') return { type: 'text' }
  if (format.kind === 'json-object' || hasNoSchema) return { type: 'json_object' }
  const { name, description, schema, strict } = format
  return { type: 'json_schema', json_schema: withoutUndefined({ name, description, schema, strict }) }
}
