// The few members of a messages request that the gateway acts on, checked and read without building anything: this runs
// on every request. Complaints are in Anthropic's words, with the field in front; what isn't known here is left to the
// provider to judge. https://platform.claude.com/docs/en/api/messages
import type { InvalidRequest } from '../../core/failure.ts'
import { isJsonObject } from '../../core/json.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import { err, ok } from '../../core/result.ts'
import type { Result } from '../../core/result.ts'
import { NESTING_MAX } from '../../wire/anthropic-messages-read-block.ts'
import { arrayOf, isJsonArray, numberOf, objectOf, stringOf } from '../../wire/read.ts'
import { isName } from '../chat/facts.ts'
import { messagesExtras } from '../prompt-extras.ts'
import type { RequestFacts } from '../protocol.ts'

/** Checks a messages request and reads its facts. The error names the first field that is wrong. */
export function messagesFacts(body: JsonObject): Result<RequestFacts, InvalidRequest> {
  const bound = body['max_tokens']
  return factsOf(body, bound === undefined || bound === null ? required('max_tokens') : null)
}

/** The same for a request that only asks how many tokens it has: it names no bound. */
export function countFacts(body: JsonObject): Result<RequestFacts, InvalidRequest> {
  return factsOf(body, null)
}

/** A complaint about one field, in the form that Anthropic has for them. */
export function complaint(field: string, message: string): InvalidRequest {
  return { kind: 'invalid-request', field, message: `${field}: ${message}` }
}

/** The complaint about a field that isn't there. */
export function required(field: string): InvalidRequest {
  return complaint(field, 'Field required')
}

function factsOf(body: JsonObject, wrongBound: InvalidRequest | null): Result<RequestFacts, InvalidRequest> {
  const invalid = checkModel(body['model']) ?? wrongBound ?? checkSettings(body) ?? checkMessages(body['messages'])
  if (invalid !== null) return err(invalid)
  return ok({
    model: String(body['model']),
    isStreamed: body['stream'] === true,
    wantsUsage: true,
    maxOutputTokens: numberOf(body['max_tokens']),
    choices: 1,
    endUser: stringOf(objectOf(body['metadata'])['user_id']),
    promptText: () => promptText(body),
    promptExtras: () => messagesExtras(body),
    ...leastOutputOf(body),
    cacheability: cacheabilityOf(body),
  })
}

/** Thinking has to leave room for an answer. */
function leastOutputOf(body: JsonObject): Pick<RequestFacts, 'leastOutputTokens'> {
  const budget = numberOf(objectOf(body['thinking'])['budget_tokens'])
  return budget === null ? {} : { leastOutputTokens: budget + 1 }
}

function checkModel(model: Json | undefined): InvalidRequest | null {
  if (model === undefined || model === null) return required('model')
  if (typeof model !== 'string') return complaint('model', 'Input should be a valid string')
  if (model.trim() === '') return complaint('model', 'String should have at least 1 character')
  return isName(model) ? null : complaint('model', 'String should be the name of a model')
}

function checkMessages(messages: Json | undefined): InvalidRequest | null {
  if (messages === undefined) return required('messages')
  if (!isJsonArray(messages)) return complaint('messages', 'Input should be a valid array')
  if (messages.length === 0) return complaint('messages', 'at least one message is required')
  for (let i = 0; i < messages.length; i += 1) {
    const message = messages[i]
    if (!isJsonObject(message)) return complaint(`messages.${i}`, 'Input should be an object')
    const role = message['role']
    if (role === undefined) return required(`messages.${i}.role`)
    if (role !== 'user' && role !== 'assistant' && role !== 'system') {
      return complaint(`messages.${i}.role`, "Input should be 'user' or 'assistant'")
    }
    const content = message['content']
    if (content === undefined) return required(`messages.${i}.content`)
    if (typeof content !== 'string' && !isJsonArray(content)) {
      return complaint(`messages.${i}.content`, 'Input should be a valid string or array')
    }
  }
  return null
}

interface Setting {
  readonly expected: string
  readonly isValid: (value: Json) => boolean
}

const ARRAY: Setting = { expected: 'a valid array', isValid: (value) => Array.isArray(value) }
const NUMBER: Setting = { expected: 'a valid number', isValid: (value) => typeof value === 'number' }
const OBJECT: Setting = { expected: 'an object', isValid: isJsonObject }

/** The settings that the gateway relies on, or that a translation reads. Null counts as not given. */
const SETTINGS: Readonly<Record<string, Setting>> = {
  max_tokens: {
    expected: 'an integer greater than or equal to 1',
    isValid: (value) => typeof value === 'number' && Number.isSafeInteger(value) && value > 0,
  },
  stream: { expected: 'a valid boolean', isValid: (value) => typeof value === 'boolean' },
  system: {
    expected: 'a valid string or array',
    isValid: (value) => typeof value === 'string' || Array.isArray(value),
  },
  temperature: NUMBER,
  top_p: NUMBER,
  top_k: NUMBER,
  tools: ARRAY,
  stop_sequences: ARRAY,
  thinking: OBJECT,
  tool_choice: OBJECT,
  metadata: OBJECT,
  output_config: OBJECT,
}

function checkSettings(body: JsonObject): InvalidRequest | null {
  for (const name in SETTINGS) {
    const value = body[name]
    const setting = SETTINGS[name]
    if (value === undefined || value === null || setting === undefined || setting.isValid(value)) continue
    return complaint(name, `Input should be ${setting.expected}`)
  }
  return null
}

/** Settings that make a reply more than an answer to its messages: never answered from the cache. */
const UNCACHEABLE = ['container', 'mcp_servers', 'context_management', 'thread']

function cacheabilityOf(body: JsonObject): 'deterministic' | 'cacheable' | 'never' {
  if (arrayOf(body['tools']).length > 0) return 'never'
  if (UNCACHEABLE.some((name) => (body[name] ?? null) !== null)) return 'never'
  if (arrayOf(body['messages']).some((message) => hasForeignContent(objectOf(message)['content']))) return 'never'
  return body['temperature'] === 0 ? 'deterministic' : 'cacheable'
}

/** True for content that isn't in the request itself (an address, a file id), or isn't to be looked at alone. */
function hasForeignContent(content: Json | undefined): boolean {
  return arrayOf(content).some((value) => {
    const block = objectOf(value)
    if (block['type'] === 'text' || block['type'] === 'thinking') return false
    const source = objectOf(block['source'])['type']
    return (block['type'] !== 'image' && block['type'] !== 'document') || (source !== 'base64' && source !== 'text')
  })
}

/** Everything a model will read, as far as it is text. Pictures and encrypted pieces are left out. */
function promptText(body: JsonObject): string {
  const texts: string[] = []
  collectText(body['system'], texts)
  for (const message of arrayOf(body['messages'])) collectText(objectOf(message)['content'], texts)
  if (isJsonArray(body['tools'])) texts.push(JSON.stringify(body['tools']))
  const format = objectOf(body['output_config'])['format'] ?? body['output_format']
  if (isJsonObject(format)) texts.push(JSON.stringify(format))
  return texts.join('\n')
}

function collectText(content: Json | undefined, texts: string[], depth = 0): void {
  if (typeof content === 'string') texts.push(content)
  // Nobody reads this; but it is sent, and has to be counted.
  if (depth > NESTING_MAX) return void texts.push(JSON.stringify(content ?? null))
  for (const value of arrayOf(content)) {
    const block = objectOf(value)
    for (const name of ['text', 'thinking', 'title', 'context']) {
      const text = block[name]
      if (typeof text === 'string') texts.push(text)
    }
    if (isJsonObject(block['input'])) texts.push(JSON.stringify(block['input']))
    const source = objectOf(block['source'])
    if (source['type'] === 'text' && typeof source['data'] === 'string') texts.push(source['data'])
    if (source['type'] === 'content') collectText(source['content'], texts, depth + 1)
    if (block['content'] !== undefined) collectText(block['content'], texts, depth + 1)
  }
}
