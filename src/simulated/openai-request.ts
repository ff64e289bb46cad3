// Reads a Chat Completions request as OpenAI does, and refuses what OpenAI refuses, in its words
// (https://platform.openai.com/docs/api-reference/chat/create). Pure.
import { isJsonObject, type Json, type JsonObject } from '../core/json.ts'
import { err, ok, type Result } from '../core/result.ts'
import { readPrompt, type Prompt } from './prompt.ts'
import type { Ask, OfferedTool, Refusal } from './provider.ts'

const CHOICES_MAX = 128
const CALLS_MAX = 2

/** The request, or OpenAI's refusal of it. */
export function readChatRequest(body: JsonObject): Result<Ask, Refusal> {
  const { model, messages } = body
  if (typeof model !== 'string' || model === '') return err(refuse('you must provide a model parameter', null, null))
  const wrong = wrongMessages(messages) ?? wrongNumber(body, 'n', CHOICES_MAX) ?? wrongBounds(body)
  if (wrong) return err(wrong)
  const turns = Array.isArray(messages) ? messages.filter(isJsonObject) : []
  const tools = readTools(body['tools'])
  const prompt = readPrompt(turns, tools.length > 0 ? JSON.stringify(body['tools']) : '')
  const options = isJsonObject(body['stream_options']) ? body['stream_options'] : {}
  return ok({
    model,
    isStreamed: body['stream'] === true,
    wantsUsage: options['include_usage'] === true,
    isPadded: options['include_obfuscation'] !== false,
    choices: numberOr(body['n'], 1),
    maxTokens: numberOr(body['max_completion_tokens'] ?? body['max_tokens'], null),
    promptText: prompt.text,
    lastUserText: prompt.lastUserText,
    continues: prompt.continues,
    images: prompt.images,
    messages: prompt.messages,
    calls: chooseCalls(tools, body, prompt),
    hasPreamble: false,
    schema: readSchema(body['response_format']),
    reasoning: isReasoning(body['reasoning_effort']) ? 'hidden' : 'none',
  })
}

function wrongMessages(messages: Json | undefined): Refusal | null {
  if (messages === undefined) {
    return refuse("Missing required parameter: 'messages'.", 'missing_required_parameter', 'messages')
  }
  if (!Array.isArray(messages)) {
    const message = "Invalid type for 'messages': expected an array of objects, but got something else instead."
    return refuse(message, 'invalid_type', 'messages')
  }
  if (messages.length === 0) {
    const message =
      "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead."
    return refuse(message, 'empty_array', 'messages')
  }
  const index = messages.findIndex((message) => !isJsonObject(message) || typeof message['role'] !== 'string')
  if (index < 0) return null
  const param = `messages[${index}].role`
  return refuse(`Missing required parameter: '${param}'.`, 'missing_required_parameter', param)
}

function wrongBounds(body: JsonObject): Refusal | null {
  if (isSet(body['max_tokens']) && isSet(body['max_completion_tokens'])) {
    const message = "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported."
    return refuse(message, 'invalid_parameter_combination', 'max_tokens')
  }
  return wrongNumber(body, 'max_tokens', Infinity) ?? wrongNumber(body, 'max_completion_tokens', Infinity)
}

function wrongNumber(body: JsonObject, param: string, most: number): Refusal | null {
  const value = body[param]
  if (!isSet(value)) return null
  if (typeof value !== 'number' || !Number.isInteger(value)) {
    return refuse(`Invalid type for '${param}': expected an integer.`, 'invalid_type', param)
  }
  if (value < 1) {
    const message = `Invalid '${param}': integer below minimum value. Expected a value >= 1, but got ${value} instead.`
    return refuse(message, 'integer_below_min_value', param)
  }
  if (value <= most) return null
  const message = `Invalid '${param}': integer above maximum value. Expected a value <= ${most}, but got ${value} instead.`
  return refuse(message, 'integer_above_max_value', param)
}

function readTools(tools: Json | undefined): readonly OfferedTool[] {
  if (!Array.isArray(tools)) return []
  return tools.flatMap((tool) => {
    const declared = isJsonObject(tool) ? tool['function'] : undefined
    if (!isJsonObject(declared) || typeof declared['name'] !== 'string') return []
    return [{ name: declared['name'], parameters: declared['parameters'] ?? {} }]
  })
}

/** Tools are called whenever they may be, until their results are there; two at once where that is allowed. */
function chooseCalls(tools: readonly OfferedTool[], body: JsonObject, prompt: Prompt): readonly OfferedTool[] {
  const choice = body['tool_choice']
  if (choice === 'none') return []
  const named = isJsonObject(choice) && isJsonObject(choice['function']) ? choice['function']['name'] : undefined
  if (typeof named === 'string') return tools.filter((tool) => tool.name === named).slice(0, 1)
  if (prompt.endsWithToolResult && choice !== 'required') return []
  return tools.slice(0, body['parallel_tool_calls'] === false ? 1 : CALLS_MAX)
}

function readSchema(format: Json | undefined): Json | null {
  if (!isJsonObject(format)) return null
  if (format['type'] === 'json_object') return { type: 'object', properties: { answer: { type: 'string' } } }
  if (format['type'] !== 'json_schema' || !isJsonObject(format['json_schema'])) return null
  return format['json_schema']['schema'] ?? {}
}

function isReasoning(effort: Json | undefined): boolean {
  return typeof effort === 'string' && effort !== 'none' && effort !== 'minimal'
}

function refuse(message: string, code: string | null, param: string | null): Refusal {
  return { status: 400, message, code, param }
}

function isSet(value: Json | undefined): boolean {
  return value !== undefined && value !== null
}

function numberOr<T>(value: Json | undefined, fallback: T): number | T {
  return typeof value === 'number' ? value : fallback
}
