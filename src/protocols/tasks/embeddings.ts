// Embeddings: texts, or tokens, to vectors, in OpenAI's shape.
// https://platform.openai.com/docs/api-reference/embeddings/create (read 2026-11-21)
import type { InvalidRequest } from '../../core/failure.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import { arrayOf, countOf, isJsonArray, objectOf } from '../../wire/read.ts'
import { failChat, failChatInStream } from '../chat/failure.ts'
import type { BatchInputs, Task } from '../task.ts'
import { checkCount, complaint, requireText, taskFacts, textsOf } from './task-facts.ts'

/** Most inputs of one request, as OpenAI has it. */
const INPUTS_MAX = 2_048

export const embeddings: Task = {
  name: 'embeddings',
  endpoint: '/v1/embeddings',
  accepts: 'json',
  isRelayed: false,
  facts(body) {
    const invalid =
      requireText(body, 'model') ?? checkInput(body['input']) ?? checkCount(body, 'dimensions') ?? checkFormat(body)
    const texts = (): readonly string[] => textsOf(body['input'])
    return taskFacts(body, invalid, { texts, promptTokens: tokensIn(body['input']), maxOutputTokens: 0 })
  },
  batches: { split, join, inputs, together, apart },
  fail: failChat,
  failInStream: failChatInStream,
}

function checkInput(input: Json | undefined): InvalidRequest | null {
  if (input === undefined || input === null) return complaint('input', "Missing required parameter: 'input'.")
  if (typeof input === 'string') return input === '' ? complaint('input', "'input' cannot be an empty string.") : null
  if (!isJsonArray(input)) {
    return complaint('input', "Invalid type for 'input': expected a string, strings, or tokens.")
  }
  if (input.length === 0) return complaint('input', "Invalid 'input': an empty array. At least one input is expected.")
  if (input.every(isToken)) return null
  if (input.length > INPUTS_MAX) {
    return complaint('input', `Invalid 'input': array too long. At most ${INPUTS_MAX} inputs are accepted.`)
  }
  const wrong = input.findIndex((item) => typeof item !== 'string' && !isTokens(item))
  return wrong === -1
    ? null
    : complaint(`input[${wrong}]`, `Invalid type for 'input[${wrong}]': expected a string or an array of tokens.`)
}

function checkFormat(body: JsonObject): InvalidRequest | null {
  const format = body['encoding_format'] ?? 'float'
  if (format === 'float' || format === 'base64') return null
  return complaint('encoding_format', "Invalid value for 'encoding_format': expected 'float' or 'base64'.")
}

function isToken(value: Json): boolean {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function isTokens(value: Json): boolean {
  return isJsonArray(value) && value.length > 0 && value.every(isToken)
}

function tokensIn(input: Json | undefined): number {
  const items = arrayOf(input)
  if (typeof items[0] === 'number') return items.length
  return items.reduce((sum: number, item) => sum + arrayOf(item).length, 0)
}

/** One text and one list of tokens are single inputs. */
function split(body: JsonObject, sizeMax: number): readonly JsonObject[] {
  const input = arrayOf(body['input'])
  if (input.length <= sizeMax || typeof input[0] === 'number') return [body]
  const pieces: JsonObject[] = []
  for (let at = 0; at < input.length; at += sizeMax) pieces.push({ ...body, input: input.slice(at, at + sizeMax) })
  return pieces
}

function join(replies: readonly JsonObject[]): JsonObject {
  const [first] = replies
  if (first === undefined || replies.length === 1) return first ?? {}
  const data = replies.flatMap(inOrder).map((item, index) => ({ ...item, index }))
  const hasUsage = replies.every((reply) => reply['usage'] !== undefined)
  return { ...first, data, ...(hasUsage ? { usage: summed(replies) } : {}) }
}

/** A provider may answer in another order than it was asked. */
function inOrder(reply: JsonObject): readonly JsonObject[] {
  return arrayOf(reply['data'])
    .map((item) => objectOf(item))
    .toSorted((a, b) => countOf(a['index']) - countOf(b['index']))
}

function summed(replies: readonly JsonObject[]): JsonObject {
  const total = (name: string): number =>
    replies.reduce((sum, reply) => sum + countOf(objectOf(reply['usage'])[name]), 0)
  return { prompt_tokens: total('prompt_tokens'), total_tokens: total('total_tokens') }
}

/** Characters that a token stands for where inputs are measured. */
const CHARS_PER_TOKEN = 4

/** A request with options for the gateway, or for one provider alone, is its own. */
function inputs({ input, tidegate, ...shared }: JsonObject): BatchInputs | null {
  if (tidegate !== undefined) return null
  if (typeof input === 'string') return { shared, inputs: [input], kind: 'text', chars: input.length }
  const items = arrayOf(input)
  if (typeof items[0] === 'number') return ofTokens(shared, [items])
  if (items.every((item) => typeof item === 'string')) {
    return { shared, inputs: items, kind: 'text', chars: items.reduce((sum, { length }) => sum + length, 0) }
  }
  return items.every(isJsonArray) ? ofTokens(shared, items) : null
}

function ofTokens(shared: JsonObject, lists: readonly (readonly Json[])[]): BatchInputs {
  const chars = lists.reduce((sum, { length }) => sum + length * CHARS_PER_TOKEN, 0)
  return { shared, inputs: lists, kind: 'tokens', chars }
}

function together(shared: JsonObject, all: readonly Json[]): JsonObject {
  return { ...shared, input: all }
}

/** Places count where there are any: then every input has to have its own. */
function apart(reply: JsonObject, counts: readonly number[]): readonly JsonObject[] | null {
  const { usage: _, ...rest } = reply
  const items = arrayOf(reply['data']).map((item) => objectOf(item))
  if (items.length !== counts.reduce((sum, count) => sum + count, 0)) return null
  const hasPlaces = items.some(({ index }) => index !== undefined)
  if (hasPlaces && new Set(items.map(({ index }) => index)).size !== items.length) return null
  const ordered = hasPlaces ? inOrder(reply) : items
  if (hasPlaces && ordered.some(({ index }, at) => index !== at)) return null
  let from = 0
  return counts.map((count) => {
    const data = ordered.slice(from, from + count).map((item, index) => ({ ...item, index }))
    from += count
    return { ...rest, data }
  })
}
