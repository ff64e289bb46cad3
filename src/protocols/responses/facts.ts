// The few members of a responses request that the gateway acts on, checked and read without building anything: this runs
// on every request. What it doesn't know it leaves to the provider to judge.
import type { InvalidRequest } from '../../core/failure.ts'
import { isJsonObject } from '../../core/json.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import { err, ok } from '../../core/result.ts'
import type { Result } from '../../core/result.ts'
import { arrayOf, isJsonArray, numberOf, objectOf, stringOf } from '../../wire/read.ts'
import { checkModel, invalidRequest, wrongType } from '../chat/facts.ts'
import { responsesExtras } from '../prompt-extras.ts'
import type { RequestFacts } from '../protocol.ts'

/** Checks a responses request and reads its facts. The error names the first field that is wrong. */
export function responsesFacts(body: JsonObject): Result<RequestFacts, InvalidRequest> {
  const invalid = checkModel(body) ?? checkInput(body) ?? checkSettings(body)
  if (invalid !== null) return err(invalid)
  return ok({
    model: String(body['model']),
    isStreamed: body['stream'] === true,
    // The last event of a stream has the usage, asked for or not.
    wantsUsage: true,
    maxOutputTokens: numberOf(body['max_output_tokens']),
    choices: 1,
    endUser: stringOf(body['user']) ?? stringOf(body['safety_identifier']),
    promptText: () => promptText(body),
    promptExtras: () => responsesExtras(body),
    cacheability: cacheabilityOf(body),
  })
}

/** Members that refer to what the provider has stored. */
const STORED = ['previous_response_id', 'conversation', 'prompt'] as const

/** The input may be missing where something stored stands for it. */
function checkInput(body: JsonObject): InvalidRequest | null {
  const input = body['input']
  if (input === undefined || input === null) {
    const isStored = STORED.some((name) => body[name] !== undefined && body[name] !== null)
    return isStored ? null : invalidRequest('input', "Missing required parameter: 'input'.")
  }
  if (typeof input === 'string') return null
  if (!isJsonArray(input)) return wrongType('input', 'a string or an array of items', input)
  const wrong = input.findIndex((item) => !isJsonObject(item))
  return wrong === -1 ? null : wrongType(`input[${wrong}]`, 'an object', input[wrong])
}

interface Setting {
  readonly expected: string
  readonly isValid: (value: Json) => boolean
}

const BOOLEAN: Setting = { expected: 'a boolean', isValid: (value) => typeof value === 'boolean' }
const OBJECT: Setting = { expected: 'an object', isValid: isJsonObject }
const ARRAY: Setting = { expected: 'an array', isValid: (value) => Array.isArray(value) }
const NUMBER: Setting = { expected: 'a number', isValid: (value) => typeof value === 'number' }

/** The settings that the gateway relies on, or that a translation reads. Null counts as not given. */
const SETTINGS: Readonly<Record<string, Setting>> = {
  stream: BOOLEAN,
  store: BOOLEAN,
  background: BOOLEAN,
  max_output_tokens: {
    expected: 'a positive integer',
    isValid: (value) => typeof value === 'number' && Number.isSafeInteger(value) && value > 0,
  },
  temperature: NUMBER,
  top_p: NUMBER,
  tools: ARRAY,
  include: ARRAY,
  text: OBJECT,
  reasoning: OBJECT,
  metadata: OBJECT,
  instructions: { expected: 'a string', isValid: (value) => typeof value === 'string' || Array.isArray(value) },
}

function checkSettings(body: JsonObject): InvalidRequest | null {
  for (const [name, setting] of Object.entries(SETTINGS)) {
    const value = body[name]
    if (value === undefined || value === null || setting.isValid(value)) continue
    return wrongType(name, setting.expected, value)
  }
  return null
}

/** A reply that the provider keeps (the default here) can be referred to by its id, and one from the cache could not. */
function cacheabilityOf(body: JsonObject): RequestFacts['cacheability'] {
  if (body['store'] !== false || body['background'] === true) return 'never'
  if (arrayOf(body['tools']).length > 0 || STORED.some((name) => (body[name] ?? null) !== null)) return 'never'
  if (arrayOf(body['include']).includes('message.output_text.logprobs')) return 'never'
  if (arrayOf(body['input']).some((item) => !isPlainItem(objectOf(item)))) return 'never'
  return body['temperature'] === 0 ? 'deterministic' : 'cacheable'
}

/** True for a message that holds everything it says: text, and pictures that are in the request itself. */
function isPlainItem(item: JsonObject): boolean {
  if (item['type'] !== undefined && item['type'] !== 'message') return false
  return arrayOf(item['content']).every((value) => {
    const part = objectOf(value)
    if (part['type'] !== 'input_image') return typeof part['text'] === 'string' || typeof part['refusal'] === 'string'
    return stringOf(part['image_url'])?.startsWith('data:') === true
  })
}

/** Everything a model will read: instructions, texts of all items, calls and their results, tools and schemas. */
function promptText(body: JsonObject): string {
  const texts: string[] = []
  for (const name of ['instructions', 'input']) {
    const value = body[name]
    if (typeof value === 'string') texts.push(value)
    for (const item of arrayOf(value)) collectText(objectOf(item), texts)
  }
  const format = objectOf(body['text'])['format']
  for (const value of [body['tools'], format]) {
    if (isJsonArray(value) || isJsonObject(value)) texts.push(JSON.stringify(value))
  }
  return texts.join('\n')
}

const TEXTS = ['text', 'refusal', 'arguments', 'input'] as const
const LISTS = ['content', 'output', 'summary'] as const

function collectText(item: JsonObject, texts: string[]): void {
  for (const name of TEXTS) if (typeof item[name] === 'string') texts.push(item[name])
  for (const name of LISTS) {
    const value = item[name]
    if (typeof value === 'string') texts.push(value)
    for (const inner of arrayOf(value)) {
      for (const text of TEXTS) {
        const said = objectOf(inner)[text]
        if (typeof said === 'string') texts.push(said)
      }
    }
  }
}
