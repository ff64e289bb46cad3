// Writes a neutral request for Ollama's chat, and says what it has no place for. Its settings stand in `options` under
// names of their own; `format` takes a schema as it is; a stream is the default, so that a whole reply has to be asked for.
// https://docs.ollama.com/api/chat
import type { Gap } from '../../core/failure.ts'
import { isJsonObject, parseJson } from '../../core/json.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import type { NeutralMessage, NeutralPart, NeutralRequest, NeutralTool, SettingName } from '../../core/neutral.ts'
import { settingGap, uncarried } from '../../core/reply/request-gaps.ts'
import { withoutUndefined } from '../../wire/write.ts'
import { onceEach, partGaps, strictToolGaps, type PartPlace } from '../part-gaps.ts'
import { textOfDocument, textOfResult, textOfTurn, toolNameOf } from '../prompt-text.ts'

const CARRIED: ReadonlySet<SettingName> = new Set([
  'toolChoice',
  'parallelToolCalls',
  'responseFormat',
  'maxOutputTokens',
  'temperature',
  'topP',
  'topK',
  'stop',
  'seed',
  'reasoning',
  'frequencyPenalty',
  'presencePenalty',
  'logprobs',
])

/** Options of Ollama's that clients of other wires give by the same name. */
const OPTIONS = ['min_p', 'typical_p', 'repeat_penalty', 'repeat_last_n', 'num_ctx', 'num_keep', 'mirostat'] as const
const EXTRAS: ReadonlySet<string> = new Set([...OPTIONS, 'repetition_penalty', 'keep_alive'])

/** Everything in the request that can't be carried; a field is named once. */
export function ollamaGaps(request: NeutralRequest): readonly Gap[] {
  const gaps = [...uncarried(request, CARRIED, EXTRAS), ...partGaps(request, objectionTo), ...strictToolGaps(request)]
  const choice = request.toolChoice?.kind
  if (choice === 'required' || choice === 'tool') {
    gaps.push(settingGap(request, 'toolChoice', 'this model decides itself whether it calls a tool'))
  }
  if (request.parallelToolCalls === false && request.tools.length > 0) {
    gaps.push(settingGap(request, 'parallelToolCalls', 'this model may call several tools at once'))
  }
  return onceEach(gaps)
}

function objectionTo(part: NeutralPart, _place: PartPlace): string | null {
  switch (part.kind) {
    case 'image':
      return part.source.kind === 'base64' ? null : 'this model fetches no pictures: send the bytes'
    case 'document':
      if (part.isCited === true) return 'this model does not cite'
      return textOfDocument(part) === null ? 'this model reads no documents but plain text' : null
    case 'tool-call':
      return argumentsOf(part.argumentsText) === null ? 'this model takes nothing but a JSON object' : null
    case 'audio':
    case 'video':
    case 'other':
      return 'this model cannot be sent it'
    default:
      return null
  }
}

/** The request body. `maxTokens`: the bound on the reply, or null for none. */
export function writeOllamaRequest(request: NeutralRequest, model: string, maxTokens: number | null): JsonObject {
  const { extra } = request
  return withoutUndefined({
    model,
    messages: request.messages.flatMap((message) => writeMessage(message, request.messages)),
    stream: request.stream,
    tools: writeTools(request),
    format: writeFormat(request),
    think: writeThink(request),
    logprobs: request.logprobs === undefined ? undefined : true,
    top_logprobs: (request.logprobs?.top ?? 0) > 0 ? request.logprobs?.top : undefined,
    keep_alive: extra['keep_alive'],
    options: writeOptions(request, maxTokens),
  })
}

function writeOptions(request: NeutralRequest, maxTokens: number | null): JsonObject | undefined {
  const { extra } = request
  const options = withoutUndefined({
    ...Object.fromEntries(OPTIONS.map((name) => [name, extra[name]])),
    repeat_penalty: extra['repeat_penalty'] ?? extra['repetition_penalty'],
    num_predict: maxTokens ?? undefined,
    temperature: request.temperature,
    top_p: request.topP,
    top_k: request.topK,
    seed: request.seed,
    stop: request.stop,
    frequency_penalty: request.frequencyPenalty,
    presence_penalty: request.presencePenalty,
  })
  return Object.keys(options).length === 0 ? undefined : options
}

/** Results of tools are messages of their own, in front of what was said with them. */
function writeMessage(message: NeutralMessage, all: readonly NeutralMessage[]): readonly JsonObject[] {
  const results = message.parts.flatMap((part) => (part.kind === 'tool-result' ? [writeResult(part, all)] : []))
  const rest = message.parts.filter((part) => part.kind !== 'tool-result')
  return rest.length === 0 && results.length > 0 ? results : [...results, writeTurn(message.role, rest)]
}

function writeTurn(role: NeutralMessage['role'], parts: readonly NeutralPart[]): JsonObject {
  const thinking = parts.flatMap((part) => (part.kind === 'reasoning' && part.text !== '' ? [part.text] : [])).join('')
  const calls = parts.flatMap((part) => (part.kind === 'tool-call' ? [writeCall(part)] : []))
  return withoutUndefined({
    role,
    content: textOfTurn(parts),
    thinking: thinking === '' ? undefined : thinking,
    images: imagesOf(parts),
    tool_calls: calls.length === 0 ? undefined : calls,
  })
}

function writeResult(
  part: Extract<NeutralPart, { readonly kind: 'tool-result' }>,
  all: readonly NeutralMessage[],
): JsonObject {
  return withoutUndefined({
    role: 'tool',
    content: textOfResult({ ...part, content: [{ kind: 'text', text: textOfTurn(part.content) }] }),
    images: imagesOf(part.content),
    tool_name: toolNameOf(all, part.callId, part.name) ?? undefined,
    tool_call_id: part.callId,
  })
}

function imagesOf(parts: readonly NeutralPart[]): Json | undefined {
  const images = parts.flatMap((part) =>
    part.kind === 'image' && part.source.kind === 'base64' ? [part.source.data] : [],
  )
  return images.length === 0 ? undefined : images
}

function writeCall(part: Extract<NeutralPart, { readonly kind: 'tool-call' }>): JsonObject {
  const { id, name, argumentsText } = part
  return { id, function: { name, arguments: argumentsOf(argumentsText) ?? { arguments: argumentsText } } }
}

/** Arguments as the object that the wire wants; null for what is none. */
function argumentsOf(text: string): JsonObject | null {
  const value = parseJson(text)
  if (isJsonObject(value)) return value
  return text.trim() === '' ? {} : null
}

/** There is no choice of tools on this wire: `none` is said by offering none. */
function writeTools(request: NeutralRequest): Json | undefined {
  if (request.tools.length === 0 || request.toolChoice?.kind === 'none') return undefined
  return request.tools.map((tool) => writeTool(tool))
}

function writeTool({ name, description, parameters }: NeutralTool): JsonObject {
  const schema = parameters ?? { type: 'object', properties: {} }
  return { type: 'function', function: withoutUndefined({ name, description, parameters: schema }) }
}

function writeFormat(request: NeutralRequest): Json | undefined {
  const format = request.responseFormat
  if (format?.kind === 'json-object') return 'json'
  return format?.kind === 'json-schema' ? format.schema : undefined
}

const LEVELS: Readonly<Record<string, string>> = { minimal: 'low', low: 'low', medium: 'medium' }

/** Models with levels take them; the others take any level for "yes". */
function writeThink(request: NeutralRequest): Json | undefined {
  const { reasoning } = request
  if (reasoning === undefined) return undefined
  const { effort, mode } = reasoning
  if (mode === 'off' || effort === 'none') return false
  if (effort !== undefined) return LEVELS[effort] ?? 'high'
  return mode === undefined && reasoning.maxTokens === undefined ? undefined : true
}
