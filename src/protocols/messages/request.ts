// Reads a messages request into the neutral form: only for the translated lane. What only Anthropic's wire knows goes
// along in its own words, for a provider of that wire; what has no place at all stays in `extra` under its own name.
import type { InvalidRequest } from '../../core/failure.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import type { HostedTool, NeutralMessage, NeutralRequest, NeutralTool, SettingName } from '../../core/neutral.ts'
import { err, ok } from '../../core/result.ts'
import type { Result } from '../../core/result.ts'
import { NESTING_MAX, readCacheMark, readContent } from '../../wire/anthropic-messages-read-block.ts'
import { arrayOf, isJsonArray, numberOf, objectOf, stringOf } from '../../wire/read.ts'
import { withoutUndefined } from '../../wire/write.ts'
import { complaint, countFacts, messagesFacts, required } from './facts.ts'
import { isUnknownThinking, readOutput, readReasoning, readToolChoice } from './settings.ts'
import { MESSAGES_REQUEST } from './strays.ts'
import type { RequestFacts } from '../protocol.ts'
import { straysIn } from '../strays.ts'
import { type Form, isNumber, isText, isTexts, unreadable } from '../unreadable.ts'

/** The whole request in neutral form. The error names the field that can't be read. */
export function readMessagesRequest(body: JsonObject): Result<NeutralRequest, InvalidRequest> {
  return readWith(messagesFacts(body), body)
}

/** The same for a request that only asks how many tokens it has. */
export function readCountRequest(body: JsonObject): Result<NeutralRequest, InvalidRequest> {
  return readWith(countFacts(body), body)
}

function readWith(
  facts: Result<RequestFacts, InvalidRequest>,
  body: JsonObject,
): Result<NeutralRequest, InvalidRequest> {
  if (!facts.ok) return facts
  const messages = readMessages(body)
  if (!messages.ok) return messages
  const tools = readTools(arrayOf(body['tools']))
  if (!tools.ok) return tools
  return ok({
    wire: 'anthropic-messages',
    model: facts.value.model,
    stream: facts.value.isStreamed,
    includeUsage: true,
    messages: messages.value,
    ...tools.value,
    ...readSettings(body),
    fieldNames: fieldNamesFor(body),
    extra: readExtra(body),
    ...straysIn(body, MESSAGES_REQUEST),
  })
}

/** What this wire calls the settings. */
const FIELD_NAMES: Readonly<Partial<Record<SettingName, string>>> = {
  parallelToolCalls: 'tool_choice.disable_parallel_tool_use',
  responseFormat: 'output_config.format',
  maxOutputTokens: 'max_tokens',
  stop: 'stop_sequences',
  reasoning: 'thinking',
  endUser: 'metadata.user_id',
}

function fieldNamesFor(body: JsonObject): Readonly<Partial<Record<SettingName, string>>> {
  if ((body['thinking'] ?? null) === null) return { ...FIELD_NAMES, reasoning: 'output_config.effort' }
  return FIELD_NAMES
}

/** Members that the neutral form has a place for, or that say nothing of what is asked. Null means not given. */
const KNOWN = new Set([
  'model',
  'messages',
  'system',
  'max_tokens',
  'stream',
  'tools',
  'tool_choice',
  'temperature',
  'top_p',
  'top_k',
  'stop_sequences',
  'thinking',
  'output_config',
  'output_format',
  'service_tier',
  'metadata',
  'anthropic_version',
  'tidegate',
])

function readExtra(body: JsonObject): JsonObject {
  const extra: Record<string, Json> = {}
  for (const [name, value] of Object.entries(body)) {
    if (value !== undefined && value !== null && !KNOWN.has(name)) extra[name] = value
  }
  const output = unread(objectOf(body['output_config']), { effort: isText, format: isFormat })
  if (Object.keys(output).length > 0) extra['output_config'] = output
  const metadata = unread(objectOf(body['metadata']), { user_id: isText })
  if (Object.keys(metadata).length > 0) extra['metadata'] = objectOf(body['metadata'])
  if (isUnknownThinking(body)) extra['thinking'] = objectOf(body['thinking'])
  return { ...extra, ...unreadable(body, FORMS) }
}

/** In which form settings can be read; the others are checked with the facts. */
const FORMS: Readonly<Record<string, Form>> = {
  temperature: isNumber,
  top_p: isNumber,
  top_k: isNumber,
  stop_sequences: isTexts,
  service_tier: isText,
  output_format: isFormat,
  tool_choice: (value) => readToolChoice(objectOf(value)).toolChoice !== undefined,
}

function isFormat(value: Json): boolean {
  return readOutput({ output_format: value }) !== null
}

/** Members of a setting that are not `known`, or not in that form. */
function unread(setting: JsonObject, known: Readonly<Record<string, Form>>): JsonObject {
  const others = Object.entries(setting).filter(
    ([name, value]) => (value ?? null) !== null && known[name] === undefined,
  )
  return { ...Object.fromEntries(others), ...unreadable(setting, known) }
}

type Settings = Omit<NeutralRequest, 'model' | 'stream' | 'includeUsage' | 'messages' | 'tools' | 'extra'>

function readSettings(body: JsonObject): Settings {
  const stop = arrayOf(body['stop_sequences']).filter((sequence) => typeof sequence === 'string')
  const tier = stringOf(body['service_tier'])
  const reasoning = readReasoning(body)
  const responseFormat = readOutput(body)
  return {
    ...readToolChoice(objectOf(body['tool_choice'])),
    ...numbers(body),
    ...(stop.length === 0 ? {} : { stop }),
    ...(reasoning === null ? {} : { reasoning }),
    ...(responseFormat === null ? {} : { responseFormat }),
    // `auto` is what it is anyway; the other word is OpenAI's `default`.
    ...(tier === null || tier === 'auto' ? {} : { serviceTier: tier === 'standard_only' ? 'default' : tier }),
    ...endUser(stringOf(objectOf(body['metadata'])['user_id'])),
  }
}

function endUser(id: string | null): { readonly endUser?: string } {
  return id === null ? {} : { endUser: id }
}

function numbers(body: JsonObject): Settings {
  const maxOutputTokens = numberOf(body['max_tokens'])
  const temperature = numberOf(body['temperature'])
  const topP = numberOf(body['top_p'])
  const topK = numberOf(body['top_k'])
  return {
    ...(maxOutputTokens === null ? {} : { maxOutputTokens }),
    ...(temperature === null ? {} : { temperature }),
    ...(topP === null ? {} : { topP }),
    ...(topK === null ? {} : { topK }),
  }
}

function readMessages(body: JsonObject): Result<readonly NeutralMessage[], InvalidRequest> {
  const turns: NeutralMessage[] = []
  const system = readContent(body['system'] ?? undefined)
  if (system.length > 0) turns.push({ role: 'system', parts: system })
  for (const [at, value] of arrayOf(body['messages']).entries()) {
    const message = objectOf(value)
    const invalid = checkBlocks(message['content'], `messages.${at}.content`)
    if (invalid !== null) return err(invalid)
    const { role } = message
    const known = role === 'assistant' || role === 'system' ? role : 'user'
    turns.push({ role: known, parts: readContent(message['content']) })
  }
  return ok(turns)
}

/** What a block can't do without, by its type. */
const REQUIRED: Readonly<Record<string, readonly string[]>> = {
  text: ['text'],
  image: ['source'],
  document: ['source'],
  tool_use: ['id', 'name'],
  tool_result: ['tool_use_id'],
  thinking: ['thinking'],
  redacted_thinking: ['data'],
}

function checkBlocks(content: Json | undefined, field: string, depth = 0): InvalidRequest | null {
  if (!isJsonArray(content)) return null
  if (depth > NESTING_MAX) return complaint('messages', 'Blocks stand too deep in each other')
  for (const [at, value] of content.entries()) {
    const block = objectOf(value)
    const type = stringOf(block['type'])
    if (type === null) return required(`${field}.${at}.type`)
    for (const name of (Object.hasOwn(REQUIRED, type) ? REQUIRED[type] : []) ?? []) {
      const member = block[name]
      if (member === undefined || member === null) return required(`${field}.${at}.${type}.${name}`)
      if (name !== 'source' && typeof member !== 'string') {
        return complaint(`${field}.${at}.${type}.${name}`, 'Input should be a valid string')
      }
    }
    const inside = `${field}.${at}.tool_result.content`
    const invalid = type === 'tool_result' ? checkBlocks(block['content'], inside, depth + 1) : null
    if (invalid !== null) return invalid
  }
  return null
}

type Tools = Pick<NeutralRequest, 'tools' | 'hostedTools'>

/** Functions of the client's, and tools that the provider runs. */
function readTools(values: readonly Json[]): Result<Tools, InvalidRequest> {
  const tools: NeutralTool[] = []
  const hosted: HostedTool[] = []
  for (const [at, value] of values.entries()) {
    const tool = objectOf(value)
    const type = stringOf(tool['type']) ?? 'custom'
    const name = stringOf(tool['name'])
    if (type !== 'custom') {
      const kind = type.startsWith('web_search') ? 'web-search' : 'other'
      hosted.push({ kind, wire: 'anthropic-messages', type, value: tool })
    } else if (name === null) return err(required(`tools.${at}.custom.name`))
    else tools.push(readTool(name, tool))
  }
  return ok({ tools, ...(hosted.length === 0 ? {} : { hostedTools: hosted }) })
}

function readTool(name: string, tool: JsonObject): NeutralTool {
  const { name: _, description, input_schema: schema, strict, cache_control: __, ...more } = tool
  const mark = readCacheMark(tool)
  const said = withoutUndefined(more)
  return {
    name,
    ...(typeof description === 'string' ? { description } : {}),
    parameters: schema === undefined || schema === null ? null : objectOf(schema),
    ...(typeof strict === 'boolean' ? { strict } : {}),
    ...(mark === undefined ? {} : { cacheMark: mark }),
    ...(Object.keys(said).length === 0 ? {} : { more: { wire: 'anthropic-messages', value: said } }),
  }
}
