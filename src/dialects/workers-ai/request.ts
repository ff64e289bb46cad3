// Writes a neutral request for Workers AI's text generation. Its settings have OpenAI's names for the most part; what the
// documentation of its models doesn't list is a gap. https://developers.cloudflare.com/workers-ai/models/
import type { Gap } from '../../core/failure.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import type { NeutralMessage, NeutralPart, NeutralRequest, NeutralTool, SettingName } from '../../core/neutral.ts'
import { settingGap, uncarried } from '../../core/reply/request-gaps.ts'
import { urlOfMedia } from '../../wire/media-url.ts'
import { withoutUndefined } from '../../wire/write.ts'
import { onceEach, partGaps, strictToolGaps, type PartPlace } from '../part-gaps.ts'
import { objectionOfText, textOfResult, textOfTurn, toolNameOf } from '../prompt-text.ts'

const CARRIED: ReadonlySet<SettingName> = new Set([
  'toolChoice',
  'parallelToolCalls',
  'responseFormat',
  'maxOutputTokens',
  'temperature',
  'topP',
  'topK',
  'seed',
  'frequencyPenalty',
  'presencePenalty',
])
const EXTRAS = ['repetition_penalty', 'lora', 'raw'] as const

/** Everything in the request that can't be carried; a field is named once. */
export function workersAiGaps(request: NeutralRequest): readonly Gap[] {
  const gaps = [...uncarried(request, CARRIED, new Set(EXTRAS)), ...partGaps(request, objectionTo)]
  const choice = request.toolChoice?.kind
  if (choice === 'required' || choice === 'tool') {
    gaps.push(settingGap(request, 'toolChoice', 'this model decides itself whether it calls a tool'))
  }
  if (request.parallelToolCalls === false && request.tools.length > 0) {
    gaps.push(settingGap(request, 'parallelToolCalls', 'this model may call several tools at once'))
  }
  return onceEach([...gaps, ...strictToolGaps(request)])
}

function objectionTo(part: NeutralPart, place: PartPlace): string | null {
  if (part.kind === 'tool-call' || part.kind === 'tool-result') return null
  if (part.kind !== 'image') return objectionOfText(part)
  if (place !== 'user') return 'pictures go into user messages'
  return part.source.kind === 'file' ? 'this model cannot be sent a file of another provider' : null
}

/** The request body. `maxTokens`: the bound on the reply, or null for none. */
export function writeWorkersAiRequest(request: NeutralRequest, maxTokens: number | null): JsonObject {
  return withoutUndefined({
    ...Object.fromEntries(EXTRAS.map((name) => [name, request.extra[name]])),
    messages: request.messages.flatMap((message) => writeMessage(message, request.messages)),
    stream: request.stream ? true : undefined,
    tools: writeTools(request),
    response_format: writeFormat(request),
    max_tokens: maxTokens ?? undefined,
    temperature: request.temperature,
    top_p: request.topP,
    top_k: request.topK,
    seed: request.seed,
    frequency_penalty: request.frequencyPenalty,
    presence_penalty: request.presencePenalty,
  })
}

function writeMessage(message: NeutralMessage, all: readonly NeutralMessage[]): readonly JsonObject[] {
  const results = message.parts.flatMap((part) =>
    part.kind === 'tool-result'
      ? [
          withoutUndefined({
            role: 'tool',
            name: toolNameOf(all, part.callId, part.name) ?? undefined,
            tool_call_id: part.callId,
            content: textOfResult(part),
          }),
        ]
      : [],
  )
  const rest = message.parts.filter((part) => part.kind !== 'tool-result')
  if (rest.length === 0 && results.length > 0) return results
  const calls = rest.flatMap((part) => (part.kind === 'tool-call' ? [writeCall(part)] : []))
  const tool_calls = calls.length === 0 ? undefined : calls
  return [...results, withoutUndefined({ role: message.role, content: writeContent(rest), tool_calls })]
}

/** A string, which every model takes; a list only where there are pictures. */
function writeContent(parts: readonly NeutralPart[]): Json {
  if (!parts.some((part) => part.kind === 'image')) return textOfTurn(parts)
  return parts.flatMap((part): readonly JsonObject[] => {
    const url = part.kind === 'image' ? urlOfMedia(part.source) : null
    if (url !== null) return [{ type: 'image_url', image_url: { url } }]
    const text = textOfTurn([part])
    return text === '' ? [] : [{ type: 'text', text }]
  })
}

function writeCall(part: Extract<NeutralPart, { readonly kind: 'tool-call' }>): JsonObject {
  return { id: part.id, type: 'function', function: { name: part.name, arguments: part.argumentsText } }
}

/** `none` is said by offering no tool. */
function writeTools(request: NeutralRequest): Json | undefined {
  if (request.tools.length === 0 || request.toolChoice?.kind === 'none') return undefined
  return request.tools.map((tool) => writeTool(tool))
}

function writeTool({ name, description, parameters }: NeutralTool): JsonObject {
  const schema = parameters ?? { type: 'object', properties: {} }
  return { type: 'function', function: withoutUndefined({ name, description, parameters: schema }) }
}

function writeFormat({ responseFormat: format }: NeutralRequest): JsonObject | undefined {
  if (format === undefined || format.kind === 'text') return undefined
  return format.kind === 'json-object' ? { type: 'json_object' } : { type: 'json_schema', json_schema: format.schema }
}
