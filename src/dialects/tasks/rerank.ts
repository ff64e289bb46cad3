// Rerank on every wire that has it. The reply is `results` of index and relevance, the best first; documents are put back
// from the request where the client wants them and the provider doesn't give them.
import type { Json, JsonObject } from '../../core/json.ts'
import { isJsonObject } from '../../core/json.ts'
import { arrayOf, countOf, isJsonArray, numberOf, objectOf, stringOf } from '../../wire/read.ts'
import { withoutUndefined } from '../../wire/write.ts'
import { type TaskCodec, type TaskCodecs, type TaskRequest, jsonCall, memberGaps, versionedPath } from './codec.ts'
import { nativeBody } from './native.ts'
import { promptUsage, readTaskUsage } from './task-usage.ts'
import type { TaskReply } from './codec.ts'
import type { Usage } from '../../core/money/usage.ts'
import type { Gap } from '../../core/failure.ts'

/** Jina's wire, which vLLM, Together and others share; Voyage says `top_k` and `data`.
 *  https://docs.voyageai.com/reference/reranker-api (read 2026-11-21) */
const jina: TaskCodec = {
  batchMax: () => Number.MAX_SAFE_INTEGER,
  gaps: () => [],
  write(request, target) {
    const { top_n, ...rest } = request.body
    const isVoyage = target.provider === 'voyage' && top_n !== undefined
    const asked = isVoyage ? { ...request, text: null, body: { ...rest, top_k: top_n } } : request
    return { path: '/rerank', headers: { 'content-type': 'application/json' }, body: nativeBody(asked) }
  },
  read(reply, request) {
    const object = objectOf(reply)
    const results = object['results'] ?? object['data']
    if (!isJsonArray(results)) return null
    const usage = readTaskUsage(object['usage'])
    const isAsWanted = isJsonArray(object['results']) && (!wantsDocuments(request) || results.every(hasDocument))
    return isAsWanted ? { body: object, usage } : rerankReply(results, request, usage, object)
  },
}

/** https://docs.cohere.com/reference/rerank (read 2026-11-21) */
const cohere: TaskCodec = {
  batchMax: () => Number.MAX_SAFE_INTEGER,
  gaps: (body) => textGaps(body, ['max_tokens_per_doc', 'priority']),
  write({ body, model }, target) {
    const { query, top_n, max_tokens_per_doc, priority } = body
    return jsonCall(versionedPath(target, 'v2', '/rerank'), {
      model,
      query,
      documents: documentTexts(body),
      top_n,
      max_tokens_per_doc,
      priority,
    })
  },
  read(reply, request) {
    const object = objectOf(reply)
    const units = objectOf(objectOf(object['meta'])['billed_units'])
    return rerankReply(object['results'], request, promptUsage(units['input_tokens']), object)
  },
}

/** Text Embeddings Inference. https://huggingface.github.io/text-embeddings-inference/#/rerank (read 2026-11-21) */
const tei: TaskCodec = {
  batchMax: () => Number.MAX_SAFE_INTEGER,
  gaps: (body) => textGaps(body, ['truncate', 'raw_scores']),
  write({ body }) {
    const { query, truncate, raw_scores } = body
    return jsonCall('/rerank', { query, texts: documentTexts(body), truncate, raw_scores })
  },
  read(reply, request) {
    if (!isJsonArray(reply)) return null
    const sorted = reply.toSorted((a, b) => scoreOf(b) - scoreOf(a))
    return rerankReply(sorted.slice(0, countOf(request.body['top_n']) || sorted.length), request, null, {})
  },
}

/** By the name of the dialect. */
export const rerankCodecs: TaskCodecs = { 'openai-chat': jina, 'openai-responses': jina, cohere, tgi: tei }

function rerankReply(
  results: Json | undefined,
  request: TaskRequest,
  usage: Usage | null,
  reply: JsonObject,
): TaskReply | null {
  if (!isJsonArray(results)) return null
  const documents = arrayOf(request.body['documents'])
  const written = results.map((result) => {
    const index = countOf(objectOf(result)['index'])
    const document = documents[index]
    const shown = typeof document === 'string' ? { text: document } : document
    return withoutUndefined({
      index,
      relevance_score: scoreOf(result),
      document: wantsDocuments(request) ? shown : undefined,
    })
  })
  const { id, meta } = reply
  return { body: withoutUndefined({ id, model: request.model, results: written, meta, usage: reply['usage'] }), usage }
}

function wantsDocuments({ body }: TaskRequest): boolean {
  return body['return_documents'] === true
}

function hasDocument(result: Json): boolean {
  return objectOf(result)['document'] !== undefined
}

function scoreOf(result: Json): number {
  const { relevance_score, score } = objectOf(result)
  return numberOf(relevance_score) ?? numberOf(score) ?? 0
}

/** Texts, or objects that have nothing but a text. */
function documentTexts(body: JsonObject): readonly string[] {
  return arrayOf(body['documents']).map((item) => stringOf(item) ?? stringOf(objectOf(item)['text']) ?? '')
}

function textGaps(body: JsonObject, carried: readonly string[]): readonly Gap[] {
  const gaps = memberGaps(body, new Set(['query', 'documents', 'top_n', 'return_documents', ...carried]))
  const isText = (item: Json): boolean =>
    !isJsonObject(item) || (stringOf(item['text']) !== null && Object.keys(item).length === 1)
  return arrayOf(body['documents']).every(isText)
    ? gaps
    : [...gaps, { field: 'documents', reason: 'this model ranks texts only' }]
}
