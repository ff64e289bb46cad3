// Embeddings on every wire that has them. Gaps are named: tokens in place of texts, a number of dimensions where the model
// has but one.
import type { Gap } from '../../core/failure.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import { arrayOf, isJsonArray, numberOf, objectOf, stringOf } from '../../wire/read.ts'
import { geminiModelPath, isVertex } from '../../wire/gemini.ts'
import { readGeminiEmbeddings, writeGeminiEmbeddings } from '../../wire/gemini-embeddings.ts'
import { pathSegment } from '../../wire/path-segment.ts'
import { runPath, unwrap } from '../../wire/workers-ai.ts'
import { type TaskCodec, type TaskCodecs, jsonCall, memberGaps, versionedPath } from './codec.ts'
import { asFormatted, embeddingsReply, hasTokens, inputTexts } from './embeddings-reply.ts'
import { likeOpenai, nativeCodec } from './native.ts'
import { promptUsage } from './task-usage.ts'

/** https://docs.cohere.com/reference/embed (read 2026-11-21) */
const cohere: TaskCodec = {
  batchMax: () => 96,
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
  batchMax: () => 512,
  gaps: (body) => textGaps(body, ['dimensions', 'truncate', 'options', 'keep_alive']),
  write({ body, model }, target) {
    const { dimensions, truncate, options, keep_alive } = body
    const input = inputTexts(body)
    return jsonCall(versionedPath(target, 'api', '/embed'), { model, input, dimensions, truncate, options, keep_alive })
  },
  read(reply, request) {
    const object = objectOf(reply)
    // The older `/api/embeddings` answers with one.
    const vectors = object['embedding'] === undefined ? arrayOf(object['embeddings']) : [object['embedding']]
    return embeddingsReply(vectors, request, promptUsage(object['prompt_eval_count']))
  },
}

/** Text Embeddings Inference. https://huggingface.github.io/text-embeddings-inference/ (read 2026-11-21) */
const tei: TaskCodec = {
  batchMax: () => 32,
  gaps: (body) => textGaps(body, ['dimensions', 'truncate', 'normalize', 'prompt_name']),
  write({ body }) {
    const { dimensions, truncate, normalize, prompt_name } = body
    return jsonCall('/embed', { inputs: inputTexts(body), dimensions, truncate, normalize, prompt_name })
  },
  read: (reply, request) => embeddingsReply(arrayOf(reply), request, null),
}

/** https://developers.cloudflare.com/workers-ai/models/bge-m3/ (read 2026-11-21) */
const workersAi: TaskCodec = {
  batchMax: () => 100,
  gaps: (body) => textGaps(body, ['pooling', 'truncate_inputs']),
  write({ body, model }) {
    const { pooling, truncate_inputs } = body
    return jsonCall(runPath(model), { text: inputTexts(body), pooling, truncate_inputs })
  },
  read(reply, request) {
    const result = unwrap(reply)
    return embeddingsReply(arrayOf(result['data']), request, promptUsage(objectOf(result['usage'])['prompt_tokens']))
  },
}

/** The Gemini wire, of AI Studio and of Vertex. */
const gemini: TaskCodec = {
  batchMax: (target) => (!isVertex(target) ? 100 : target.model.includes('gemini') ? 1 : 250),
  gaps: (body) => textGaps(body, ['dimensions', 'task_type', 'title']),
  write({ body, model }, target) {
    const dimensions = numberOf(body['dimensions'])
    const taskType = stringOf(body['task_type'])
    const title = stringOf(body['title'])
    const options = {
      target,
      ...(dimensions === null ? {} : { dimensions }),
      ...(taskType === null ? {} : { taskType }),
      ...(title === null ? {} : { title }),
    }
    const call = writeGeminiEmbeddings(inputTexts(body), model, options)
    // Null for a batch on a host that takes none, whatever `maxBatchSize` says: its first text alone is no reply.
    return jsonCall(call?.path ?? `${geminiModelPath(model, target)}:embedContent`, call?.body ?? {})
  },
  read(reply, request) {
    const embeddings = readGeminiEmbeddings(reply)
    return embeddings === null ? null : embeddingsReply(embeddings.vectors, request, embeddings.usage)
  },
}

/** Titan takes one text a call, Cohere's models many.
 *  https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html (read 2026-11-21) */
const bedrock: TaskCodec = {
  batchMax: () => 1,
  gaps(body, target) {
    const own = isCohere(target.model) ? ['input_type', 'truncate'] : ['dimensions', 'normalize']
    return textGaps(body, isTitanOne(target.model) ? [] : own)
  },
  write({ body, model }) {
    const path = `/model/${pathSegment(model)}/invoke`
    if (isCohere(model)) return jsonCall(path, cohereMembers(body))
    const [inputText] = inputTexts(body)
    const { dimensions, normalize } = body
    return jsonCall(path, { inputText, dimensions, normalize })
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
  gemini,
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
  return {
    texts: inputTexts(body),
    input_type: body['input_type'] ?? 'search_document',
    embedding_types: ['float'],
    truncate: body['truncate'],
  }
}

/** By type in newer replies, bare in older ones. */
function cohereVectors(reply: JsonObject): readonly (Json | undefined)[] {
  const { embeddings } = reply
  if (isJsonArray(embeddings)) return embeddings
  // One list a type that was asked for; we ask for floats.
  const byType = objectOf(embeddings)
  return arrayOf(byType['float'] ?? Object.values(byType)[0])
}

function isCohere(model: string): boolean {
  return model.includes('cohere.')
}

/** The first Titan has one number of dimensions. */
function isTitanOne(model: string): boolean {
  return model.includes('titan-embed-text-v1')
}
