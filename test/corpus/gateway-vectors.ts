// Recorded embeddings, asked for by the `openai` SDK.
import OpenAI from 'openai'
import { parseJson } from '../../src/core/json.ts'
import type { Json } from '../../src/core/json.ts'
import { isJsonArray, objectOf } from '../../src/wire/read.ts'
import type { ClientReading } from './compare-clients.ts'
import type { Exchange } from './exchanges.ts'
import { type Expected, expectedOf } from './naive.ts'
import { vectorsIn } from './vectors.ts'

export interface VectorsReading extends Pick<ClientReading, 'isError' | 'status' | 'usage'> {
  readonly vectors: readonly (readonly number[])[]
}

/** Asks for as many vectors as were recorded, in the SDK's usual way (in base64, which it reads). */
export async function askForVectors(
  exchange: Exchange,
  gateway: { readonly url: string; readonly key: string },
  model: string,
): Promise<VectorsReading> {
  const client = new OpenAI({ apiKey: gateway.key, baseURL: `${gateway.url}/v1`, maxRetries: 0, logLevel: 'off' })
  const input = recordedVectors(exchange).map((_, index) => `text ${index}`)
  try {
    const answer = await client.embeddings.create({ model, input: input.length === 0 ? ['text'] : input })
    const usage = { prompt: answer.usage?.prompt_tokens ?? 0, completion: 0 }
    const vectors = answer.data.map(({ embedding }) => embedding)
    return { vectors, usage: usage.prompt === 0 ? null : usage, isError: false, status: 200 }
  } catch (error) {
    const status = error instanceof OpenAI.APIError ? (error.status ?? 0) : 0
    return { vectors: [], usage: null, isError: true, status }
  }
}

/** What of the vectors, or of the error, isn't as recorded. */
export function vectorsDifference(
  exchange: Exchange,
  client: VectorsReading,
): { readonly expected: Expected; readonly difference: string | null } {
  if (exchange.status >= 400) {
    const { blame, ...expected } = expectedOf(exchange)
    const isRight = client.isError && (blame === 'client' ? client.status < 429 : client.status >= 429)
    return { expected: { ...expected, blame }, difference: isRight ? null : `${blame} came as ${client.status}` }
  }
  const vectors = recordedVectors(exchange)
  const prompt = countedIn(parseJson(exchange.body) ?? null)
  const usage = prompt === 0 ? null : { prompt, completion: 0 }
  const expected: Expected = { choices: [], usage, isError: false, blame: null, isRefused: false }
  if (client.isError) return { expected, difference: `an error: ${client.status}` }
  const inSingle = (list: readonly (readonly number[])[]) => JSON.stringify(list.map((one) => one.map(Math.fround)))
  if (inSingle(client.vectors) !== inSingle(vectors)) return { expected, difference: 'other vectors' }
  // Where the provider counts nothing, the client may get the gateway's own estimate.
  const isCounted = usage === null || JSON.stringify(client.usage) === JSON.stringify(usage)
  return {
    expected,
    difference: isCounted ? null : `usage ${JSON.stringify(client.usage)} for ${JSON.stringify(usage)}`,
  }
}

function recordedVectors(exchange: Exchange): readonly (readonly number[])[] {
  if (exchange.status >= 400) return []
  return vectorsIn(parseJson(exchange.body) ?? null).map((vector) => {
    if (typeof vector === 'string') {
      const bytes = Buffer.from(vector, 'base64')
      return Array.from({ length: bytes.length / 4 }, (_, index) => bytes.readFloatLE(index * 4))
    }
    return isJsonArray(vector) ? vector.map(Number) : []
  })
}

/** Prompt tokens, wherever a provider counts them. */
function countedIn(reply: Json): number {
  const body = objectOf(reply)
  const counts = [
    objectOf(body['usage'])['prompt_tokens'],
    objectOf(body['usage'])['total_tokens'],
    objectOf(objectOf(body['meta'])['billed_units'])['input_tokens'],
    objectOf(body['usageMetadata'])['promptTokenCount'],
    body['prompt_eval_count'],
  ]
  return counts.find((count) => typeof count === 'number') ?? 0
}
