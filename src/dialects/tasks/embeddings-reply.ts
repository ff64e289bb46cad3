// An embeddings reply in OpenAI's shape, with the vectors as the client wants them: numbers, or base64 of floats.
import { type Json, type JsonObject, isJsonObject } from '../../core/json.ts'
import type { Usage } from '../../core/money/usage.ts'
import { promptTokens } from '../../core/money/usage.ts'
import { arrayOf, isJsonArray, objectOf } from '../../wire/read.ts'
import { encodeVector } from '../../wire/vector.ts'
import type { TaskReply, TaskRequest } from './codec.ts'

/** The texts of a request that has no tokens in it. */
export function inputTexts(body: JsonObject): readonly string[] {
  const { input } = body
  return typeof input === 'string' ? [input] : arrayOf(input).filter((item) => typeof item === 'string')
}

/** True where the inputs are tokens: no other wire than OpenAI's takes them. */
export function hasTokens(body: JsonObject): boolean {
  return arrayOf(body['input']).some((item) => typeof item !== 'string')
}

/** A list of numbers is one input, of tokens. */
function inputCount({ input }: JsonObject): number {
  return isJsonArray(input) && typeof input[0] !== 'number' ? input.length : 1
}

/** The reply with these vectors, one for each input; null when there are more or fewer, or one isn't a vector. */
export function embeddingsReply(
  vectors: readonly (Json | undefined)[],
  request: TaskRequest,
  usage: Usage | null,
): TaskReply | null {
  if (vectors.length !== inputTexts(request.body).length || !vectors.every(isVector)) return null
  const data = vectors.map((vector, index) => ({
    object: 'embedding',
    index,
    embedding: asWanted(vector, request.body),
  }))
  const count = usage === null ? null : promptTokens(usage)
  const counted = count === null ? {} : { usage: { prompt_tokens: count, total_tokens: count } }
  return { body: { object: 'list', data, model: request.model, ...counted }, usage }
}

/** A reply on OpenAI's wire whose provider gives numbers where base64 is wanted, or counts a total alone (Voyage,
 *  https://docs.voyageai.com/reference/embeddings-api), put right; itself otherwise. Text that nobody asked for stays: it
 *  need not be floats (Perplexity's are bytes, https://docs.perplexity.ai/api-reference/embeddings-post). Null where there
 *  are more vectors than inputs, or fewer: nobody could tell whose they are. */
export function asFormatted(given: JsonObject, { body }: TaskRequest): JsonObject | null {
  if (!isJsonArray(given['data']) || given['data'].length !== inputCount(body)) return null
  const { usage } = given
  const isTotalAlone = isJsonObject(usage) && usage['prompt_tokens'] === undefined && 'total_tokens' in usage
  const reply = isTotalAlone ? { ...given, usage: { prompt_tokens: usage['total_tokens'], ...usage } } : given
  const first = objectOf(given['data'][0])['embedding']
  if (body['encoding_format'] !== 'base64' || typeof first === 'string') return reply
  const data = given['data'].map((item) => {
    const entry = objectOf(item)
    return { ...entry, embedding: asWanted(entry['embedding'] ?? null, body) }
  })
  return { ...reply, data }
}

function isVector(value: Json | undefined): value is Json {
  return isJsonArray(value) && typeof value[0] === 'number'
}

function asWanted(vector: Json, body: JsonObject): Json {
  return body['encoding_format'] === 'base64' && isJsonArray(vector) ? encodeVector(vector.map(Number)) : vector
}
