// Writes a neutral request in the Anthropic messages form. Relies on the gaps having been asked for first: what is a gap
// and was allowed is left out or brought down to what the API takes.
import { isJsonObject, parseJson } from '../core/json.ts'
import type { Json, JsonObject } from '../core/json.ts'
import type { NeutralMessage, NeutralPart, NeutralRequest, NeutralTool } from '../core/neutral.ts'
import { withoutUndefined } from '../wire/write.ts'
import { asksForThinking, CARRIED_EXTRAS } from './anthropic-messages-gaps.ts'

/** The request body. `maxTokens` is the bound on everything the model writes, thinking included: the API requires one. */
export function writeMessagesRequest(request: NeutralRequest, model: string, maxTokens: number): JsonObject {
  const thinking = writeThinking(request, maxTokens)
  const temperature = request.temperature === undefined ? undefined : Math.min(1, Math.max(0, request.temperature))
  const stop = request.stop?.filter((sequence) => sequence.trim() !== '') ?? []
  return withoutUndefined({
    ...carriedExtras(request),
    model,
    max_tokens: maxTokens,
    system: writeSystem(request.messages),
    messages: writeMessages(request.messages),
    stream: request.stream ? true : undefined,
    tools: request.tools.length === 0 ? undefined : request.tools.map((tool) => writeTool(tool)),
    tool_choice: writeToolChoice(request, thinking !== undefined),
    temperature: thinking === undefined ? temperature : undefined,
    top_p: thinking === undefined || (request.topP ?? 0) >= 0.95 ? request.topP : undefined,
    stop_sequences: stop.length === 0 ? undefined : stop,
    thinking: thinking ?? request.extra['thinking'],
    output_config: writeFormat(request),
    metadata: request.endUser === undefined ? undefined : { user_id: request.endUser },
  })
}

function carriedExtras(request: NeutralRequest): JsonObject {
  return Object.fromEntries(CARRIED_EXTRAS.map((name) => [name, request.extra[name]]))
}

/** The API's own minimum of thinking. */
const THINKING_TOKENS_MIN = 1024
/** How much thinking an effort buys at most, in tokens; what is left of the bound stays for the answer. */
const THINKING_TOKENS: Readonly<Record<string, number>> = { low: 2048, medium: 8192, high: 24_576, xhigh: 32_768 }

/**
 * Thinking for the effort asked for. None where the bound leaves no room, or where the conversation is in the middle of
 * a tool call that was made without signed thinking: the API takes no thinking that starts in mid-turn.
 */
function writeThinking(request: NeutralRequest, maxTokens: number): JsonObject | undefined {
  const effort = request.reasoning?.effort
  if (!asksForThinking(effort) || isInUnsignedTurn(request.messages)) return undefined
  const wanted = THINKING_TOKENS[effort] ?? THINKING_TOKENS['medium'] ?? THINKING_TOKENS_MIN
  const budget = Math.min(wanted, Math.floor(maxTokens * 0.8))
  return budget < THINKING_TOKENS_MIN ? undefined : { type: 'enabled', budget_tokens: budget }
}

function isInUnsignedTurn(messages: readonly NeutralMessage[]): boolean {
  const isContinued = messages.at(-1)?.parts.some((part) => part.kind === 'tool-result') ?? false
  if (!isContinued) return false
  const turn = messages.findLast((message) => message.role === 'assistant')
  return (
    turn?.parts.some((part) => part.kind === 'reasoning' && (part.signature ?? part.redacted) !== undefined) !== true
  )
}

/** All system messages, wherever they stood: the API has one place for them. */
function writeSystem(messages: readonly NeutralMessage[]): Json | undefined {
  const texts = messages
    .filter((message) => message.role === 'system')
    .flatMap((message) =>
      message.parts.flatMap((part) => (part.kind === 'text' && part.text !== '' ? [part.text] : [])),
    )
  if (texts.length < 2) return texts[0]
  return texts.map((text) => ({ type: 'text', text }))
}

/** Turns in alternation: neighbours of one role become one, tool results in front, as the API demands. */
function writeMessages(messages: readonly NeutralMessage[]): readonly JsonObject[] {
  const ids = createIdMap()
  const turns: { role: string; content: JsonObject[] }[] = []
  for (const message of messages) {
    if (message.role === 'system') continue
    const blocks = message.parts.flatMap((part) => writePart(part, ids))
    if (blocks.length === 0) continue
    const last = turns.at(-1)
    if (last?.role === message.role) last.content.push(...blocks)
    else turns.push({ role: message.role, content: blocks })
  }
  return turns.map(({ role, content }) => ({ role, content: writeContent(inOrder(content)) }))
}

function inOrder(blocks: readonly JsonObject[]): readonly JsonObject[] {
  const results = blocks.filter((block) => block['type'] === 'tool_result')
  return results.length === 0 ? blocks : [...results, ...blocks.filter((block) => block['type'] !== 'tool_result')]
}

/** A single text as a string, which is the shorter way to say it. */
function writeContent(blocks: readonly JsonObject[]): Json {
  const only = blocks.length === 1 ? blocks[0] : undefined
  return only?.['type'] === 'text' ? (only['text'] ?? '') : blocks
}

function writePart(part: NeutralPart, ids: (id: string) => string): readonly JsonObject[] {
  switch (part.kind) {
    case 'text':
    case 'refusal':
      return part.text === '' ? [] : [{ type: 'text', text: part.text }]
    case 'image':
      return [writeImage(part)]
    case 'reasoning':
      return writeReasoning(part)
    case 'tool-call':
      return [{ type: 'tool_use', id: ids(part.id), name: part.name, input: readArguments(part.argumentsText) }]
    case 'tool-result': {
      const content = part.content.flatMap((inner) => writePart(inner, ids))
      const error = part.isError ? { is_error: true } : {}
      return [{ type: 'tool_result', tool_use_id: ids(part.callId), content: writeContent(content), ...error }]
    }
    case 'audio':
    case 'video':
    case 'document':
    case 'other':
      return []
  }
}

function writeImage(part: Extract<NeutralPart, { kind: 'image' }>): JsonObject {
  const { source } = part
  if (source.kind === 'url') return { type: 'image', source: { type: 'url', url: source.url } }
  if (source.kind === 'file') return { type: 'image', source: { type: 'file', file_id: source.id } }
  return { type: 'image', source: { type: 'base64', media_type: source.mediaType, data: source.data } }
}

/** Only signed thinking can be sent back; the API rejects any other. */
function writeReasoning(part: Extract<NeutralPart, { kind: 'reasoning' }>): readonly JsonObject[] {
  if (part.redacted !== undefined) return [{ type: 'redacted_thinking', data: part.redacted.value }]
  if (part.signature === undefined) return []
  return [{ type: 'thinking', thinking: part.text, signature: part.signature.value }]
}

function readArguments(text: string): JsonObject {
  const value = parseJson(text)
  if (isJsonObject(value)) return value
  return text.trim() === '' ? {} : { arguments: text }
}

/** Gives every id a form that the API takes (letters, digits, `_`, `-`): the same for the same id, never one for two. */
function createIdMap(): (id: string) => string {
  const given = new Map<string, string>()
  const used = new Set<string>()
  return function mapId(id) {
    const known = given.get(id)
    if (known !== undefined) return known
    const base = id.replaceAll(/[^a-zA-Z0-9_-]/g, '_') || 'call'
    let mapped = base
    for (let n = 2; used.has(mapped); n += 1) mapped = `${base}_${n}`
    given.set(id, mapped)
    used.add(mapped)
    return mapped
  }
}

function writeTool(tool: NeutralTool): JsonObject {
  return withoutUndefined({
    name: tool.name,
    description: tool.description,
    input_schema: { type: 'object', ...tool.parameters },
    strict: tool.strict === true ? true : undefined,
  })
}

function writeToolChoice(request: NeutralRequest, isThinking: boolean): JsonObject | undefined {
  if (request.tools.length === 0) return undefined
  const isSingle = request.parallelToolCalls === false
  const parallel = isSingle ? { disable_parallel_tool_use: true } : {}
  const choice = request.toolChoice
  if (choice === undefined) return isSingle ? { type: 'auto', ...parallel } : undefined
  if (choice.kind === 'none') return { type: 'none' }
  if (choice.kind === 'auto' || isThinking) return { type: 'auto', ...parallel }
  return choice.kind === 'required' ? { type: 'any', ...parallel } : { type: 'tool', name: choice.name, ...parallel }
}

function writeFormat(request: NeutralRequest): JsonObject | undefined {
  const format = request.responseFormat
  if (format?.kind !== 'json-schema' || !format.strict) return undefined
  return { format: { type: 'json_schema', schema: format.schema } }
}
