// Reads a chat request into the neutral form: only for the translated lane. Whatever has no place there stays in `extra`
// under its own name, so that a dialect can take it up or declare it a gap; nothing is dropped in silence.
import type { InvalidRequest } from '../core/failure.ts'
import { isJsonObject } from '../core/json.ts'
import type { Json, JsonObject } from '../core/json.ts'
import type { NeutralRequest, NeutralTool, ResponseFormat, ToolChoice } from '../core/neutral.ts'
import { err, ok } from '../core/result.ts'
import type { Result } from '../core/result.ts'
import { arrayOf, isJsonArray, numberOf, objectOf, stringOf } from '../wire/read.ts'
import { chatFacts, invalidRequest, outputBoundOf } from './chat-facts.ts'
import { readMessages } from './chat-messages.ts'

/** The whole request in neutral form. The error names the field that can't be read. */
export function readChatRequest(body: JsonObject): Result<NeutralRequest, InvalidRequest> {
  const facts = chatFacts(body)
  if (!facts.ok) return facts
  const messages = readMessages(arrayOf(body['messages']))
  if (!messages.ok) return messages
  const tools = readTools(arrayOf(body['tools']))
  if (!tools.ok) return tools
  return ok({
    model: facts.value.model,
    stream: facts.value.isStreamed,
    includeUsage: facts.value.wantsUsage,
    messages: messages.value,
    tools: tools.value,
    ...readSettings(body),
    extra: readExtra(body),
  })
}

/** Settings that the neutral form has a place for. Null means not given. */
const KNOWN = new Set([
  'model',
  'messages',
  'stream',
  'stream_options',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'response_format',
  'max_tokens',
  'max_completion_tokens',
  'temperature',
  'top_p',
  'stop',
  'seed',
  'n',
  'reasoning_effort',
  'user',
  'tidegate',
])

/** Settings that ask for nothing at these values: there is nothing to carry. */
const NEUTRAL_VALUES: Readonly<Record<string, Json>> = {
  logprobs: false,
  store: false,
  frequency_penalty: 0,
  presence_penalty: 0,
  service_tier: 'auto',
}

function readExtra(body: JsonObject): JsonObject {
  const extra: Record<string, Json> = {}
  for (const [name, value] of Object.entries(body)) {
    if (value === undefined || value === null || KNOWN.has(name)) continue
    if (Object.hasOwn(NEUTRAL_VALUES, name) && NEUTRAL_VALUES[name] === value) continue
    extra[name] = value
  }
  const choice = body['tool_choice']
  if (isJsonObject(choice) && readToolChoice(choice) === null) extra['tool_choice'] = choice
  const format = body['response_format']
  if (isJsonObject(format) && readFormat(format) === null) extra['response_format'] = format
  const tools = arrayOf(body['tools']).filter((tool) => !isFunctionTool(objectOf(tool)))
  if (tools.length > 0) extra['tools'] = tools
  return extra
}

type Settings = Omit<NeutralRequest, 'model' | 'stream' | 'includeUsage' | 'messages' | 'tools' | 'extra'>

function readSettings(body: JsonObject): Settings {
  const toolChoice = readToolChoice(body['tool_choice'])
  const responseFormat = readFormat(body['response_format'])
  const parallel = body['parallel_tool_calls']
  const stop = readStop(body['stop'])
  const effort = stringOf(body['reasoning_effort'])
  return {
    ...(toolChoice === null ? {} : { toolChoice }),
    ...(responseFormat === null ? {} : { responseFormat }),
    ...(typeof parallel === 'boolean' ? { parallelToolCalls: parallel } : {}),
    ...(stop.length === 0 ? {} : { stop }),
    ...numberSetting('maxOutputTokens', outputBoundOf(body)),
    ...numberSetting('temperature', numberOf(body['temperature'])),
    ...numberSetting('topP', numberOf(body['top_p'])),
    ...numberSetting('seed', numberOf(body['seed'])),
    ...numberSetting('n', numberOf(body['n'])),
    ...(effort === null ? {} : { reasoning: { effort } }),
    ...stringSetting('endUser', stringOf(body['user'])),
  }
}

function numberSetting<Name extends string>(name: Name, value: number | null): { [K in Name]?: number } {
  return value === null ? {} : setting(name, value)
}

function stringSetting<Name extends string>(name: Name, value: string | null): { [K in Name]?: string } {
  return value === null ? {} : setting(name, value)
}

function setting<Name extends string, Value>(name: Name, value: Value): { [K in Name]?: Value } {
  const result: { [K in Name]?: Value } = {}
  result[name] = value
  return result
}

function readStop(stop: Json | undefined): readonly string[] {
  if (typeof stop === 'string') return [stop]
  return arrayOf(stop).flatMap((value) => (typeof value === 'string' ? [value] : []))
}

function readToolChoice(choice: Json | undefined): ToolChoice | null {
  if (choice === 'auto' || choice === 'none' || choice === 'required') return { kind: choice }
  const name = stringOf(objectOf(objectOf(choice)['function'])['name'])
  return name === null ? null : { kind: 'tool', name }
}

function readFormat(format: Json | undefined): ResponseFormat | null {
  const value = objectOf(format)
  if (value['type'] === 'text') return { kind: 'text' }
  if (value['type'] === 'json_object') return { kind: 'json-object' }
  const schema = objectOf(value['json_schema'])
  if (value['type'] !== 'json_schema' || !isJsonObject(schema['schema'])) return null
  const name = stringOf(schema['name']) ?? 'response'
  return { kind: 'json-schema', name, schema: schema['schema'], strict: schema['strict'] === true }
}

/** Tools of other kinds (a search, a custom grammar) have no neutral form: they stay in `extra`. */
function isFunctionTool(tool: JsonObject): boolean {
  return tool['type'] === undefined || tool['type'] === 'function'
}

function readTools(values: readonly Json[]): Result<readonly NeutralTool[], InvalidRequest> {
  const tools: NeutralTool[] = []
  for (let i = 0; i < values.length; i += 1) {
    const value = objectOf(values[i])
    if (!isFunctionTool(value)) continue
    const tool = objectOf(value['function'])
    const name = stringOf(tool['name'])
    if (name === null) {
      return err(
        invalidRequest(`tools[${i}].function.name`, `Missing required parameter: 'tools[${i}].function.name'.`),
      )
    }
    tools.push(readTool(name, tool))
  }
  return ok(tools)
}

function readTool(name: string, tool: JsonObject): NeutralTool {
  const description = stringOf(tool['description'])
  const parameters = tool['parameters']
  return {
    name,
    ...(description === null ? {} : { description }),
    parameters: isJsonObject(parameters) && !isJsonArray(parameters) ? parameters : null,
    ...(typeof tool['strict'] === 'boolean' ? { strict: tool['strict'] } : {}),
  }
}
