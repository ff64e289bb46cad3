// The few members of a chat request that the gateway acts on, checked and read without building anything: this runs on
// every request. What it doesn't know it leaves to the provider to judge.
import type { InvalidRequest } from '../../core/failure.ts'
import { isJsonObject } from '../../core/json.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import { err, ok } from '../../core/result.ts'
import type { Result } from '../../core/result.ts'
import { arrayOf, isJsonArray, numberOf, objectOf, stringOf } from '../../wire/read.ts'
import { chatExtras } from '../prompt-extras.ts'
import type { RequestFacts } from '../protocol.ts'

/** Checks a chat request and reads its facts. The error names the first field that is wrong. */
export function chatFacts(body: JsonObject): Result<RequestFacts, InvalidRequest> {
  const invalid = checkModel(body) ?? checkMessages(body['messages']) ?? checkSettings(body)
  if (invalid !== null) return err(invalid)
  const choices = numberOf(body['n']) ?? 1
  return ok({
    model: String(body['model']),
    isStreamed: body['stream'] === true,
    wantsUsage: objectOf(body['stream_options'])['include_usage'] === true,
    maxOutputTokens: outputBoundOf(body),
    choices,
    endUser: stringOf(body['user']) ?? stringOf(body['safety_identifier']),
    promptText: () => promptText(body),
    promptExtras: () => chatExtras(body),
    cacheability: cacheabilityOf(body, choices),
  })
}

/** A complaint about one field, in the words that OpenAI uses where it has any. */
export function invalidRequest(field: string | null, message: string): InvalidRequest {
  return { kind: 'invalid-request', field, message }
}

/** The client's output bound under either of its names; the lower where both are given; null for none. Tokens. */
export function outputBoundOf(body: JsonObject): number | null {
  const older = numberOf(body['max_tokens'])
  const newer = numberOf(body['max_completion_tokens'])
  if (older === null || newer === null) return newer ?? older
  return Math.min(older, newer)
}

/** A complaint about `model`; null for none. */
export function checkModel(body: JsonObject): InvalidRequest | null {
  const model = body['model']
  if (model === undefined || model === null) return invalidRequest('model', "Missing required parameter: 'model'.")
  if (typeof model !== 'string') return wrongType('model', 'a string', model)
  return isName(model) ? null : invalidRequest('model', "Invalid 'model': the name of a model is expected.")
}

/** Whether a text may be a model's name: not blank, and of one line. */
export function isName(model: string): boolean {
  return model.trim() !== '' && !/\p{Cc}/u.test(model)
}

function checkMessages(messages: Json | undefined): InvalidRequest | null {
  if (messages === undefined) return invalidRequest('messages', "Missing required parameter: 'messages'.")
  if (!isJsonArray(messages)) return wrongType('messages', 'an array', messages)
  if (messages.length === 0) {
    return invalidRequest('messages', "Invalid 'messages': empty array. Expected at least one message.")
  }
  for (let i = 0; i < messages.length; i += 1) {
    const message = messages[i]
    if (!isJsonObject(message)) return wrongType(`messages[${i}]`, 'an object', message)
    const role = message['role']
    if (role === undefined) return missing(`messages[${i}].role`)
    if (typeof role !== 'string' || role === '') return wrongType(`messages[${i}].role`, 'a role', role)
  }
  return null
}

interface Setting {
  readonly expected: string
  readonly isValid: (value: Json) => boolean
}

const BOOLEAN: Setting = { expected: 'a boolean', isValid: (value) => typeof value === 'boolean' }
const OBJECT: Setting = { expected: 'an object', isValid: isJsonObject }
const ARRAY: Setting = { expected: 'an array', isValid: (value) => Array.isArray(value) }
const NUMBER: Setting = { expected: 'a number', isValid: (value) => typeof value === 'number' }
const COUNT: Setting = {
  expected: 'a positive integer',
  isValid: (value) => typeof value === 'number' && Number.isSafeInteger(value) && value > 0,
}

/** The settings that the gateway relies on, or that a translation reads. Null counts as not given. */
const SETTINGS: Readonly<Record<string, Setting>> = {
  stream: BOOLEAN,
  stream_options: OBJECT,
  max_tokens: COUNT,
  max_completion_tokens: COUNT,
  n: { expected: 'an integer from 1 to 128', isValid: (value) => COUNT.isValid(value) && Number(value) <= 128 },
  temperature: NUMBER,
  top_p: NUMBER,
  tools: ARRAY,
}

/** A complaint about a setting that the gateway relies on; null for none. */
export function checkSettings(body: JsonObject): InvalidRequest | null {
  for (const name in SETTINGS) {
    const value = body[name]
    const setting = SETTINGS[name]
    if (value === undefined || value === null || setting === undefined || setting.isValid(value)) continue
    return wrongType(name, setting.expected, value)
  }
  const usage = objectOf(body['stream_options'])['include_usage']
  const isFlag = usage === undefined || usage === null || typeof usage === 'boolean'
  return isFlag ? null : wrongType('stream_options.include_usage', 'a boolean', usage)
}

function missing(field: string): InvalidRequest {
  return invalidRequest(field, `Missing required parameter: '${field}'.`)
}

/** A complaint about a value of another type. */
export function wrongType(field: string, expected: string, value: Json | undefined): InvalidRequest {
  const received = value === null ? 'null' : isJsonArray(value) ? 'an array' : describe(value)
  return invalidRequest(field, `Invalid type for '${field}': expected ${expected}, but got ${received} instead.`)
}

function describe(value: Json | undefined): string {
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  return typeof value === 'string' ? 'a string' : 'an object'
}

/** Settings that make a reply more than text, or a request more than a question: never answered from the cache. */
const UNCACHEABLE = [
  'functions',
  'audio',
  'store',
  'logprobs',
  'top_logprobs',
  'web_search_options',
  'background',
  'stream_cache',
  'modalities',
]

function cacheabilityOf(body: JsonObject, choices: number): 'deterministic' | 'cacheable' | 'never' {
  if (choices > 1 || arrayOf(body['tools']).length > 0) return 'never'
  if (UNCACHEABLE.some((name) => isAsked(body[name]))) return 'never'
  if (arrayOf(body['messages']).some((message) => hasForeignContent(objectOf(message)['content']))) return 'never'
  const isDeterministic = body['temperature'] === 0 || typeof body['seed'] === 'number'
  return isDeterministic ? 'deterministic' : 'cacheable'
}

function isAsked(value: Json | undefined): boolean {
  if (value === undefined || value === null || value === false || value === 0) return false
  return !(isJsonArray(value) && value.every((item) => item === 'text'))
}

/** True for content that isn't in the request itself (an address, a file id) or isn't text or a picture. */
function hasForeignContent(content: Json | undefined): boolean {
  return arrayOf(content).some((value) => {
    const part = objectOf(value)
    if (part['type'] === 'text' || part['type'] === 'refusal' || part['type'] === 'thinking') return false
    const url = objectOf(part['image_url'])['url']
    return part['type'] !== 'image_url' || typeof url !== 'string' || !url.startsWith('data:')
  })
}

/** Everything a model will read: texts of all messages, calls, tool definitions and schemas. Pictures are left out. */
function promptText(body: JsonObject): string {
  const texts: string[] = []
  for (const value of arrayOf(body['messages'])) collectText(objectOf(value), texts)
  for (const name of ['tools', 'functions', 'response_format']) {
    if (isJsonArray(body[name]) || isJsonObject(body[name])) texts.push(JSON.stringify(body[name]))
  }
  return texts.join('\n')
}

function collectText(message: JsonObject, texts: string[]): void {
  const content = message['content']
  if (typeof content === 'string') texts.push(content)
  for (const part of arrayOf(content)) {
    const text = objectOf(part)['text'] ?? objectOf(part)['refusal']
    if (typeof text === 'string') texts.push(text)
  }
  if (isJsonArray(message['tool_calls'])) texts.push(JSON.stringify(message['tool_calls']))
  const reasoning = message['reasoning_content']
  if (typeof reasoning === 'string') texts.push(reasoning)
}
