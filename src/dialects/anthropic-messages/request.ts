// Writes a neutral request in the Anthropic messages form. Relies on the gaps having been asked for first: what is a gap
// and was allowed is left out or brought down to what the API takes.
import type { Json, JsonObject } from '../../core/json.ts'
import type { NeutralMessage, NeutralRequest } from '../../core/neutral.ts'
import { type BlockReader, writeContent, writePart } from '../../wire/anthropic-messages-write-block.ts'
import { isJsonArray, objectOf } from '../../wire/read.ts'
import { withoutUndefined } from '../../wire/write.ts'
import { carriedExtras, writeTier } from './gaps.ts'
import { type Thinking, writeThinking } from './thinking.ts'
import { writeToolChoice, writeTools } from './tools.ts'
import { isForStrictModels } from '../closed-schema.ts'

/** The request body. `maxTokens` is the bound on everything the model writes, thinking included: the API requires one. */
export function writeMessagesRequest(request: NeutralRequest, model: string, maxTokens: number): JsonObject {
  const extras = Object.fromEntries(carriedExtras(request).map((name) => [name, request.extra[name]]))
  const thinking = writeThinking(request, model, maxTokens)
  const stop = request.stop?.filter((sequence) => sequence.trim() !== '') ?? []
  const output = writeOutput(request, thinking)
  const { system, turns } = divided(request)
  const settings = withoutUndefined({
    model,
    max_tokens: maxTokens,
    system: writeSystem(system),
    messages: writeMessages(turns),
    stream: request.stream ? true : undefined,
    tools: writeTools(request),
    tool_choice: writeToolChoice(request, thinking.isOn),
    temperature: writeTemperature(request.temperature, thinking),
    top_p: !thinking.isOn || (request.topP ?? 0) >= 0.95 ? request.topP : undefined,
    top_k: request.topK ?? extras['top_k'],
    stop_sequences: stop.length === 0 ? undefined : stop,
    thinking: thinking.thinking ?? extras['thinking'],
    output_config: Object.keys(output).length === 0 ? undefined : output,
    service_tier: request.serviceTier === undefined ? undefined : (writeTier(request.serviceTier) ?? undefined),
    metadata:
      request.endUser === undefined
        ? extras['metadata']
        : { ...objectOf(extras['metadata']), user_id: request.endUser },
  })
  return { ...extras, ...settings }
}

/** From 0 to 1; while it thinks, a model takes nothing but 1. */
function writeTemperature(temperature: number | undefined, thinking: Thinking): number | undefined {
  if (temperature === undefined || (thinking.isOn && temperature < 1)) return undefined
  return Math.min(1, Math.max(0, temperature))
}

function writeOutput(request: NeutralRequest, { effort }: Thinking): JsonObject {
  const format = request.responseFormat
  const isSchema = format?.kind === 'json-schema' && isForStrictModels(format)
  const settings = { effort, format: isSchema ? { type: 'json_schema', schema: format.schema } : undefined }
  return { ...objectOf(request.extra['output_config']), ...withoutUndefined(settings) }
}

interface Divided {
  readonly system: readonly NeutralMessage[]
  readonly turns: readonly NeutralMessage[]
}

/** System messages and the rest. Most models have one place for the former, wherever they stood; who speaks this very
 *  wire, and puts one among the turns, knows a model that takes it there. */
function divided({ wire, messages }: NeutralRequest): Divided {
  const isSystem = ({ role }: NeutralMessage, at: number): boolean =>
    role === 'system' && (wire !== 'anthropic-messages' || at === 0)
  return {
    system: messages.filter(isSystem),
    turns: messages.filter((message, at) => !isSystem(message, at)),
  }
}

function writeSystem(messages: readonly NeutralMessage[]): Json | undefined {
  const reader: BlockReader = { kind: 'provider', id: (id) => id }
  const blocks = messages.flatMap((message) =>
    message.parts.filter((part) => part.kind === 'text').flatMap((part) => writePart(part, reader)),
  )
  return blocks.length === 0 ? undefined : writeContent(blocks)
}

/** Turns in alternation: neighbours of one role become one, tool results in front, as the API demands. */
function writeMessages(messages: readonly NeutralMessage[]): readonly JsonObject[] {
  const reader: BlockReader = { kind: 'provider', id: createIdMap() }
  const turns: { role: string; content: JsonObject[] }[] = []
  for (const message of messages) {
    const blocks = message.parts.flatMap((part) => writePart(part, reader))
    if (blocks.length === 0) continue
    const last = turns.at(-1)
    if (last?.role === message.role) last.content.push(...blocks)
    else turns.push({ role: message.role, content: blocks })
  }
  return turns.map(({ role, content }, at) => {
    const isPrefix = role === 'assistant' && at === turns.length - 1
    return { role, content: writeContent(isPrefix ? trimmed(content) : inOrder(content)) }
  })
}

function inOrder(blocks: readonly JsonObject[]): readonly JsonObject[] {
  const results = blocks.filter((block) => block['type'] === 'tool_result')
  return results.length === 0 ? blocks : [...results, ...blocks.filter((block) => block['type'] !== 'tool_result')]
}

/** The beginning of a reply that the model is to go on from: the API takes none that ends with a blank. */
function trimmed(blocks: readonly JsonObject[]): readonly JsonObject[] {
  const last = blocks.at(-1)
  const text = last?.['type'] === 'text' ? last['text'] : undefined
  if (typeof text !== 'string' || text.trim() === '' || text === text.trimEnd()) return blocks
  return [...blocks.slice(0, -1), { ...last, text: text.trimEnd() }]
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

/** True where the request names a file that was uploaded before: the API has to be told that it may. */
export function namesFile(value: Json | undefined): boolean {
  if (isJsonArray(value)) return value.some((item) => namesFile(item))
  const block = objectOf(value)
  if (objectOf(block['source'])['type'] === 'file') return true
  return block['content'] !== undefined && typeof block['content'] !== 'string' && namesFile(block['content'])
}
