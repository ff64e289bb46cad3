// Writes a neutral request in the form of Cohere's chat, version 2. Relies on the gaps having been asked for first.
// Documents stand beside the conversation, where the model cites them from. https://docs.cohere.com/reference/chat
import type { Json, JsonObject } from '../../core/json.ts'
import type { NeutralMessage, NeutralPart, NeutralRequest, NeutralTool } from '../../core/neutral.ts'
import { urlOfMedia } from '../../wire/media-url.ts'
import { arrayOf } from '../../wire/read.ts'
import { withoutUndefined } from '../../wire/write.ts'
import { COHERE_EXTRAS } from './gaps.ts'
import { textOfDocument, textOfParts } from '../prompt-text.ts'

/** The request body. `maxTokens`: the bound on the reply, or null for none. */
export function writeCohereRequest(request: NeutralRequest, model: string, maxTokens: number | null): JsonObject {
  const tools = toolsOf(request)
  const isStrict = tools.some((tool) => tool.strict === true)
  return withoutUndefined({
    ...Object.fromEntries(COHERE_EXTRAS.map((name) => [name, request.extra[name]])),
    model,
    messages: request.messages.flatMap((message) => writeMessage(message)),
    stream: request.stream,
    documents: writeDocuments(request),
    tools: tools.length === 0 ? undefined : tools.map((tool) => writeTool(tool)),
    strict_tools: isStrict ? true : request.extra['strict_tools'],
    tool_choice: tools.length === 0 ? undefined : writeToolChoice(request),
    response_format: writeFormat(request),
    thinking: writeThinking(request),
    max_tokens: maxTokens ?? undefined,
    temperature: request.temperature,
    p: request.topP,
    k: request.topK,
    seed: request.seed,
    stop_sequences: request.stop,
    frequency_penalty: request.frequencyPenalty,
    presence_penalty: request.presencePenalty,
    logprobs: request.logprobs === undefined ? undefined : true,
  })
}

/** The tools to offer. Of a tool that must be called only that one is: the wire can't name it. */
function toolsOf(request: NeutralRequest): readonly NeutralTool[] {
  const choice = request.toolChoice
  return choice?.kind === 'tool' ? request.tools.filter((tool) => tool.name === choice.name) : request.tools
}

function writeToolChoice(request: NeutralRequest): string | undefined {
  switch (request.toolChoice?.kind) {
    case 'none':
      return 'NONE'
    case 'required':
    case 'tool':
      return 'REQUIRED'
    default:
      return undefined
  }
}

function writeTool({ name, description, parameters }: NeutralTool): JsonObject {
  const schema = parameters ?? { type: 'object', properties: {} }
  return { type: 'function', function: withoutUndefined({ name, description, parameters: schema }) }
}

function writeMessage(message: NeutralMessage): readonly JsonObject[] {
  const results = message.parts.flatMap((part) => (part.kind === 'tool-result' ? [writeResult(part)] : []))
  const rest = message.parts.filter((part) => part.kind !== 'tool-result')
  if (message.role === 'assistant') return [...results, writeAssistant(rest)]
  const content = rest.flatMap((part) => writePart(part))
  if (content.length === 0 && (results.length > 0 || rest.length > 0)) return results
  return [...results, { role: message.role, content: shortest(content) }]
}

function writeAssistant(parts: readonly NeutralPart[]): JsonObject {
  const content = parts.flatMap((part) => writePart(part))
  const calls = parts.flatMap((part) => (part.kind === 'tool-call' ? [writeCall(part)] : []))
  return withoutUndefined({
    role: 'assistant',
    content: content.length === 0 && calls.length > 0 ? undefined : shortest(content),
    tool_calls: calls.length === 0 ? undefined : calls,
  })
}

function writeCall(part: Extract<NeutralPart, { readonly kind: 'tool-call' }>): JsonObject {
  const { id, name, argumentsText } = part
  return { id, type: 'function', function: { name, arguments: argumentsText.trim() === '' ? '{}' : argumentsText } }
}

/** A result is text, or documents, which the model can cite. */
function writeResult(part: Extract<NeutralPart, { readonly kind: 'tool-result' }>): JsonObject {
  const content = part.content.flatMap((inner): readonly JsonObject[] =>
    inner.kind === 'document' ? [{ type: 'document', document: writeDocument(inner) }] : writePart(inner),
  )
  const marked = part.isError ? [{ type: 'text', text: 'Error:' }, ...content] : content
  return { role: 'tool', tool_call_id: part.callId, content: shortest(marked) }
}

function writePart(part: NeutralPart): readonly JsonObject[] {
  switch (part.kind) {
    case 'text':
    case 'refusal':
      return part.text === '' ? [] : [{ type: 'text', text: part.text }]
    case 'reasoning':
      return part.text === '' ? [] : [{ type: 'thinking', thinking: part.text }]
    case 'image': {
      const url = urlOfMedia(part.source)
      return url === null
        ? []
        : [{ type: 'image_url', image_url: withoutUndefined({ url, detail: detailOf(part.detail) }) }]
    }
    default:
      return []
  }
}

/** How closely to look: what else clients say is a hint that the wire refuses. */
function detailOf(detail: string | undefined): string | undefined {
  return detail === 'auto' || detail === 'low' || detail === 'high' ? detail : undefined
}

/** A single text as a string, which every model takes. */
function shortest(content: readonly JsonObject[]): Json {
  const only = content.length === 1 ? content[0] : undefined
  if (content.length === 0) return ''
  return only?.['type'] === 'text' ? (only['text'] ?? '') : content
}

/** Documents of the messages behind those that the client gave in Cohere's own way. */
function writeDocuments(request: NeutralRequest): Json | undefined {
  const given = arrayOf(request.extra['documents'])
  const found = request.messages.flatMap(({ parts }) =>
    parts.flatMap((part) => (part.kind === 'document' ? [writeDocument(part)] : [])),
  )
  const documents = [...given, ...found.map((document, n) => ({ id: `doc:${given.length + n}`, ...document }))]
  return documents.length === 0 ? request.extra['documents'] : documents
}

function writeDocument(part: Extract<NeutralPart, { readonly kind: 'document' }>): JsonObject {
  const { source, title, context } = part
  const text =
    source.kind === 'parts' ? textOfParts(source.parts) : (textOfDocument({ kind: 'document', source }) ?? '')
  return { data: withoutUndefined({ title, context, text }) }
}

function writeFormat(request: NeutralRequest): JsonObject | undefined {
  const format = request.responseFormat
  if (format === undefined || format.kind === 'text') return undefined
  return withoutUndefined({
    type: 'json_object',
    json_schema: format.kind === 'json-schema' ? format.schema : undefined,
  })
}

/** How much thinking an effort buys at most, in tokens; more than `medium` is not bounded. */
const THINKING_TOKENS: Readonly<Record<string, number>> = { minimal: 512, low: 2048, medium: 8192 }

function writeThinking(request: NeutralRequest): JsonObject | undefined {
  const { reasoning } = request
  if (reasoning === undefined) return undefined
  const { effort, mode, maxTokens } = reasoning
  if (mode === 'off' || effort === 'none') return { type: 'disabled' }
  if (effort === undefined && mode === undefined && maxTokens === undefined) return undefined
  const budget = maxTokens ?? (effort === undefined ? undefined : THINKING_TOKENS[effort])
  return withoutUndefined({ type: 'enabled', token_budget: budget })
}
