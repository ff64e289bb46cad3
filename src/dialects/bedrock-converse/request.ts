// Writes a neutral request in the Converse form. Relies on the gaps having been asked for first: what is a gap and was
// allowed is left out or brought down to what the API takes. What only some models take goes into
// `additionalModelRequestFields`, by family. https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
import { isShortMetadata } from '../../core/reply/hints.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import type { NeutralMessage, NeutralRequest, NeutralTool } from '../../core/neutral.ts'
import { familyOf, type ModelFamily } from '../../wire/bedrock-converse.ts'
import { objectOf } from '../../wire/read.ts'
import { withoutUndefined } from '../../wire/write.ts'
import { type BlockContext, cachePoint, createBlockContext, writeBlocks } from './content.ts'
import { CARRIED_EXTRAS, serviceTierOf } from './gaps.ts'
import { converseThinking, type Thinking } from './thinking.ts'
import { isForStrictModels } from '../closed-schema.ts'

/** The request body. `bound` is on everything the model writes, reasoning included; null leaves it to the model. */
export function writeConverseRequest(
  request: NeutralRequest,
  model: string,
  bound: number | null,
  assumedBound: number,
): JsonObject {
  const family = familyOf(model)
  const thinking = converseThinking(request, model, bound, assumedBound)
  const context = createBlockContext(family === 'anthropic' || family === 'nova')
  const stop = request.stop?.filter((sequence) => sequence.trim() !== '') ?? []
  const tier = serviceTierOf(request)
  const inference = withoutUndefined({
    maxTokens: bound ?? (thinking?.needsBound === true ? assumedBound : undefined),
    ...writeSampling(request, thinking),
    stopSequences: stop.length === 0 ? undefined : stop,
  })
  const system = writeSystem(request.messages, context)
  const asksForSequence = family === 'anthropic' && stop.length > 0
  return withoutUndefined({
    ...(asksForSequence ? { additionalModelResponseFieldPaths: ['/stop_sequence'] } : {}),
    ...withoutUndefined(carriedExtras(request)),
    messages: writeMessages(request.messages, context),
    system: system.length === 0 ? undefined : system,
    inferenceConfig: Object.keys(inference).length === 0 ? undefined : inference,
    toolConfig: writeToolConfig(request, family, thinking),
    additionalModelRequestFields: writeAdditional(request, family, thinking),
    outputConfig: writeFormat(request),
    requestMetadata: isShortMetadata(request.metadata) ? request.metadata : undefined,
    serviceTier: tier === null ? undefined : { type: tier },
  })
}

function carriedExtras(request: NeutralRequest): JsonObject {
  return Object.fromEntries(CARRIED_EXTRAS.map((name) => [name, request.extra[name]]))
}

function writeSampling(request: NeutralRequest, thinking: Thinking | null): JsonObject {
  const { temperature, topP } = request
  const isFree = thinking?.fixesSampling !== true
  return {
    temperature: temperature === undefined || !isFree ? undefined : Math.min(1, Math.max(0, temperature)),
    topP: isFree || (topP ?? 0) >= 0.95 ? topP : undefined,
  }
}

/** What only this family of models takes, under what the client gave itself. */
function writeAdditional(
  request: NeutralRequest,
  family: ModelFamily,
  thinking: Thinking | null,
): JsonObject | undefined {
  const given = objectOf(request.extra['additionalModelRequestFields'])
  const fields: Record<string, Json | undefined> = { ...thinking?.fields }
  if (request.topK !== undefined && family === 'nova') fields['inferenceConfig'] = { topK: request.topK }
  else if (request.topK !== undefined) fields['top_k'] = request.topK
  const all = withoutUndefined({ ...fields, ...given })
  return Object.keys(all).length === 0 ? undefined : all
}

/** All system messages, wherever they stood: the API has one place for them. */
function writeSystem(messages: readonly NeutralMessage[], context: BlockContext): readonly JsonObject[] {
  return messages
    .filter((message) => message.role === 'system')
    .flatMap((message) => message.parts.flatMap((part) => writeBlocks(part, context)))
    .filter((block) => ['text', 'guardContent', 'cachePoint'].some((name) => name in block))
}

/** Turns in alternation: neighbours of one role become one, tool results in front, as models demand. */
function writeMessages(messages: readonly NeutralMessage[], context: BlockContext): readonly JsonObject[] {
  const turns: { role: string; content: JsonObject[] }[] = []
  for (const message of messages) {
    if (message.role === 'system') continue
    const results = message.parts.filter((part) => part.kind === 'tool-result')
    const others = message.parts.filter((part) => part.kind !== 'tool-result')
    const content = [...results, ...others].flatMap((part) => writeBlocks(part, context))
    if (content.length === 0) continue
    const last = turns.at(-1)
    if (last?.role === message.role) last.content.push(...content)
    else turns.push({ role: message.role, content })
  }
  return turns.map(({ role, content }) => ({ role, content: role === 'user' ? resultsFirst(content) : content }))
}

/** Results, each with the cache point behind it, before whatever else the turn says. */
function resultsFirst(blocks: readonly JsonObject[]): readonly JsonObject[] {
  const results: JsonObject[] = []
  const others: JsonObject[] = []
  let list = others
  for (const block of blocks) {
    if (block['cachePoint'] === undefined) list = block['toolResult'] === undefined ? others : results
    list.push(block)
  }
  return [...results, ...others]
}

/** Tools; also those that only the conversation names, because the API takes no calls without tools. */
function writeToolConfig(
  request: NeutralRequest,
  family: ModelFamily,
  thinking: Thinking | null,
): JsonObject | undefined {
  const called = calledTools(request.messages)
  if (request.toolChoice?.kind === 'none' && called.size === 0) return undefined
  const known = new Set(request.tools.map((tool) => tool.name))
  const tools = [
    ...request.tools.flatMap((tool) => writeTool(tool, family)),
    ...hostedTools(request),
    ...[...called].filter((name) => !known.has(name) && known.size === 0).map((name) => formerTool(name)),
  ]
  if (tools.length === 0) return undefined
  const choice = request.tools.length === 0 ? undefined : writeToolChoice(request, thinking)
  return withoutUndefined({ tools, toolChoice: choice })
}

function calledTools(messages: readonly NeutralMessage[]): ReadonlySet<string> {
  const parts = messages.flatMap((message) => message.parts)
  return new Set(parts.flatMap((part) => (part.kind === 'tool-call' ? [part.name] : [])))
}

function hostedTools(request: NeutralRequest): readonly JsonObject[] {
  return (request.hostedTools ?? []).flatMap(({ wire, value }) => (wire === 'bedrock-converse' ? [value] : []))
}

function writeTool(tool: NeutralTool, family: ModelFamily): readonly JsonObject[] {
  const { name, description, parameters, strict, cacheMark } = tool
  const spec = withoutUndefined({
    name,
    description: description === '' ? undefined : description,
    inputSchema: { json: { type: 'object', ...parameters } },
    strict: strict === true ? true : undefined,
  })
  return cacheMark === undefined || family !== 'anthropic'
    ? [{ toolSpec: spec }]
    : [{ toolSpec: spec }, cachePoint(cacheMark)]
}

/** A tool that was called earlier and isn't offered any more. */
function formerTool(name: string): JsonObject {
  const description = 'This tool was available earlier in the conversation. It can no longer be called.'
  return { toolSpec: { name, description, inputSchema: { json: { type: 'object' } } } }
}

function writeToolChoice(request: NeutralRequest, thinking: Thinking | null): JsonObject | undefined {
  const choice = request.toolChoice
  if (choice === undefined) return undefined
  if (choice.kind === 'auto' || choice.kind === 'none' || thinking?.fixesSampling === true) return { auto: {} }
  return choice.kind === 'required' ? { any: {} } : { tool: { name: choice.name } }
}

function writeFormat(request: NeutralRequest): JsonObject | undefined {
  const format = request.responseFormat
  if (format?.kind !== 'json-schema' || !isForStrictModels(format)) return undefined
  const { name, description, schema } = format
  const jsonSchema = withoutUndefined({ name, description, schema: JSON.stringify(schema) })
  return { textFormat: { type: 'json_schema', structure: { jsonSchema } } }
}
