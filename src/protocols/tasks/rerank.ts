// Rerank: which of these documents answers the query best. OpenAI has no such endpoint; this is the shape that Cohere, Jina,
// vLLM and others share. https://docs.cohere.com/reference/rerank, https://api.jina.ai/redoc (read 2026-11-21)
import type { InvalidRequest } from '../../core/failure.ts'
import { type Json, type JsonObject, isJsonObject } from '../../core/json.ts'
import { isJsonArray } from '../../wire/read.ts'
import { failChat, failChatInStream } from '../chat/failure.ts'
import type { Task } from '../task.ts'
import { checkCount, complaint, requireText, taskFacts } from './task-facts.ts'

/** Most documents of one request. */
const DOCUMENTS_MAX = 10_000

export const rerank: Task = {
  name: 'rerank',
  endpoint: '/v1/rerank',
  accepts: 'json',
  isRelayed: false,
  facts(body) {
    const invalid =
      requireText(body, 'model') ??
      requireText(body, 'query') ??
      checkDocuments(body['documents']) ??
      checkCount(body, 'top_n') ??
      checkFlag(body)
    return taskFacts(body, invalid, {
      texts: () => [String(body['query']), ...documentTexts(body)],
      maxOutputTokens: 0,
    })
  },
  fail: failChat,
  failInStream: failChatInStream,
}

function checkDocuments(documents: Json | undefined): InvalidRequest | null {
  if (documents === undefined || documents === null) {
    return complaint('documents', "Missing required parameter: 'documents'.")
  }
  if (!isJsonArray(documents) || documents.length === 0) {
    return complaint('documents', "Invalid type for 'documents': expected an array with at least one document.")
  }
  if (documents.length > DOCUMENTS_MAX) {
    return complaint('documents', `Invalid 'documents': array too long. At most ${DOCUMENTS_MAX} are accepted.`)
  }
  const wrong = documents.findIndex((item) => typeof item !== 'string' && !isJsonObject(item))
  return wrong === -1
    ? null
    : complaint(`documents[${wrong}]`, `Invalid type for 'documents[${wrong}]': expected a string or an object.`)
}

function checkFlag(body: JsonObject): InvalidRequest | null {
  const flag = body['return_documents'] ?? false
  return typeof flag === 'boolean'
    ? null
    : complaint('return_documents', "Invalid type for 'return_documents': expected a boolean.")
}

function documentTexts(body: JsonObject): readonly string[] {
  const documents = body['documents']
  if (!isJsonArray(documents)) return []
  return documents.map((document) => (typeof document === 'string' ? document : JSON.stringify(document)))
}
