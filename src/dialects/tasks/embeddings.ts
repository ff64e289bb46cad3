// Embeddings on every wire that has them. Gaps are named: tokens in place of texts, a number of dimensions where the model
// has but one.
import type { Gap } from '../../core/failure.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import { arrayOf, isJsonArray, objectOf } from '../../wire/read.ts'
import { pathSegment } from '../../wire/path-segment.ts'
import { withoutUndefined } from '../../wire/write.ts'
import { type TaskCodec, type TaskCodecs, jsonCall, memberGaps, versionedPath } from './codec.ts'
import { asFormatted, embeddingsReply, hasTokens, inputTexts } from './embeddings-reply.ts'
import { likeOpenai, nativeCodec } from './native.ts'
import { promptUsage } from './task-usage.ts'

/** https://docs.cohere.com/reference/embed (read 2026-11-21) */
const cohere: TaskCodec = {
  batchMax: 96,
  gaps: (body) => textGaps(body, ['dimensions', 'input_type', 'truncate', 'max_tokens']),
  write: ({ body, model }, target) =>
    jsonCall(versionedPath(target, 'v2', '/embed'), {
      model,
      ...cohereMembers(body),
      output_dimension: body['dimensions'],
      max_tokens: body['max_tokens'],
    }),
  read(reply, request) {
    const object = objectOf(reply)
    const units = objectOf(objectOf(object['meta'])['billed_units'])
    return embeddingsReply(cohereVectors(object), request, promptUsage(units['input_tokens']))
  },
}

/** https://github.com/ollama/ollama/blob/main/docs/api.md#generate-embeddings (read 2026-11-21) */
const ollama: TaskCodec = {
  batchMax: 512,
  gaps: (body) => textGaps(body, ['dimensions', 'truncate', 'options', 'keep_alive']),
  write({ body, model }, target) {
    const { dimensions, truncate, options, keep_alive } = body
    const input = inputTexts(body)
    return jsonCall(
      versionedPath(target, 'api', '/embed'),
      withoutUndefined({ model, input, dimensions, truncate, options, keep_alive }),
    )
  },
  read(reply, request) {
    const object = objectOf(reply)
    return embeddingsReply(arrayOf(object['embeddings']), request, promptUsage(object['prompt_eval_count']))
  },
}

/** Text Embeddings Inference. https://huggingface.github.io/text-embeddings-inference/ (read 2026-11-21) */
const tei: TaskCodec = {
  batchMax: 32,
  gaps: (body) => textGaps(body, ['dimensions', 'truncate', 'normalize', 'prompt_name']),
  write({ body }) {
    const { dimensions, truncate, normalize, prompt_name } = body
    return jsonCall(
      '/embed',
      withoutUndefined({ inputs: inputTexts(body), dimensions, truncate, normalize, prompt_name }),
    )
  },
  read: (reply, request) => embeddingsReply(arrayOf(reply), request, null),
}

/** https://developers.cloudflare.com/workers-ai/models/bge-m3/ (read 2026-11-21) */
const workersAi: TaskCodec = {
  batchMax: 100,
  gaps: (body) => textGaps(body, ['pooling', 'truncate_inputs']),
  write({ body, model }) {
    const { pooling, truncate_inputs } = body
    const path = `/run/${model.split('/').map(pathSegment).join('/')}`
    return jsonCall(path, withoutUndefined({ text: inputTexts(body), pooling, truncate_inputs }))
  },
  read(reply, request) {
    const object = objectOf(reply)
    const result = object['result'] === undefined ? object : objectOf(object['result'])
    return embeddingsReply(arrayOf(result['data']), request, promptUsage(objectOf(result['usage'])['prompt_tokens']))
  },
}

/** Titan takes one text a call, Cohere's models many.
 *  https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html (read 2026-11-21) */
const bedrock: TaskCodec = {
  batchMax: 1,
  gaps(body, target) {
    const own = isCohere(target.model) ? ['input_type', 'truncate'] : ['dimensions', 'normalize']
    return textGaps(body, isTitanOne(target.model) ? [] : own)
  },
  write({ body, model }) {
    const path = `/model/${pathSegment(model)}/invoke`
    if (isCohere(model)) return jsonCall(path, cohereMembers(body))
    const [inputText] = inputTexts(body)
    const { dimensions, normalize } = body
    return jsonCall(path, withoutUndefined({ inputText, dimensions, normalize }))
  },
  read(reply, request) {
    const object = objectOf(reply)
    const vectors = object['embedding'] === undefined ? cohereVectors(object) : [object['embedding']]
    return embeddingsReply(vectors, request, promptUsage(object['inputTextTokenCount']))
  },
}

/** By the name of the dialect. */
export const embeddingsCodecs: TaskCodecs = {
  ...likeOpenai(nativeCodec('/embeddings', asFormatted)),
  cohere,
  ollama,
  tgi: tei,
  'workers-ai': workersAi,
  'bedrock-converse': bedrock,
}

function textGaps(body: JsonObject, carried: readonly string[]): readonly Gap[] {
  const gaps = memberGaps(body, new Set(['input', ...carried]))
  return hasTokens(body) ? [...gaps, { field: 'input', reason: 'this model takes texts, not tokens' }] : gaps
}

function cohereMembers(body: JsonObject): JsonObject {
  return withoutUndefined({
    texts: inputTexts(body),
    input_type: body['input_type'] ?? 'search_document',
    embedding_types: ['float'],
    truncate: body['truncate'],
  })
}

/** By type in newer replies, bare in older ones. */
function cohereVectors(reply: JsonObject): readonly (Json | undefined)[] {
  const { embeddings } = reply
  return isJsonArray(embeddings) ? embeddings : arrayOf(objectOf(embeddings)['float'])
}

function isCohere(model: string): boolean {
  return model.includes('cohere.')
}

/** The first Titan has one number of dimensions. */
function isTitanOne(model: string): boolean {
  return model.includes('titan-embed-text-v1')
}
