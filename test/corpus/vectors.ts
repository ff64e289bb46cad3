// Recorded embeddings, read by the codec of their dialect and compared with every list of numbers that the raw reply holds.
import { isJsonObject, parseJson } from '../../src/core/json.ts'
import type { Json } from '../../src/core/json.ts'
import { taskCodec } from '../../src/dialects/tasks/index.ts'
import { arrayOf, isJsonArray, objectOf } from '../../src/wire/read.ts'
import { TARGET } from '../support/target.ts'
import type { Exchange } from './exchanges.ts'

const DIALECT_OF: Readonly<Record<string, string>> = {
  'openai.embeddings': 'openai-chat',
  'gemini.embedContent': 'gemini',
  'cohere.v1.embed': 'cohere',
  'cohere.v2.embed': 'cohere',
  'ollama.embed': 'ollama',
  'ollama.embeddings': 'ollama',
}

/** The dialect that reads an API's vectors; null where it answers with none. */
export function vectorsDialect(api: string): string | null {
  return DIALECT_OF[api] ?? null
}

/** Whether an API answers with vectors. */
export function isEmbeddings(api: string): boolean {
  return Object.hasOwn(DIALECT_OF, api)
}

/** What is wrong with how recorded vectors are read; null for nothing. An error needs no more than a message. */
export function vectorsObjection(exchange: Exchange): string | null {
  const raw = parseJson(exchange.body) ?? null
  if (exchange.status >= 400) return exchange.body.trim() === '' ? 'an error without a body' : null
  const dialect = DIALECT_OF[exchange.api]
  const codec = taskCodec('embeddings', { ...TARGET, ...dialectNamed(dialect ?? ''), model: exchange.model })
  if (codec === null) return `${String(dialect)} has no embeddings`
  const expected = vectorsIn(raw)
  const input = expected.map((_, index) => `text ${index}`)
  const body = { model: exchange.model, input, encoding_format: exchange.requestBody['encoding_format'] }
  const reply = codec.read(raw, { body, text: null, model: exchange.model })
  if (reply === null) return 'the reply is none'
  const read = arrayOf(reply.body['data']).map((item) => objectOf(item)['embedding'])
  const isSame = JSON.stringify(read) === JSON.stringify(expected)
  return isSame ? null : `read ${read.length} vectors, which are not the ${expected.length} of the reply`
}

function dialectNamed(name: string) {
  const found = (['openai-chat', 'gemini', 'cohere', 'ollama'] as const).find((known) => known === name)
  return { dialect: found ?? TARGET.dialect }
}

/** Every list of numbers, or text in its place (base64), in order. */
export function vectorsIn(value: Json): readonly Json[] {
  if (isJsonArray(value)) {
    const isVector = value.length > 0 && value.every((item) => typeof item === 'number')
    return isVector ? [value] : value.flatMap((item) => vectorsIn(item))
  }
  if (!isJsonObject(value)) return []
  return Object.entries(value).flatMap(([name, inner]) => {
    if (inner === undefined) return []
    return name === 'embedding' && typeof inner === 'string' ? [inner] : vectorsIn(inner)
  })
}
