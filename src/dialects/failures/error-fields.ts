// Finds what an error body says, over all the shapes that providers have for it: nested and flat, a string where an object
// is expected and the other way round, lists of complaints, one provider's error quoted inside another's. Says nothing of
// what it means.
import { isJsonObject, parseJson } from '../../core/json.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import { codeOf, isJsonArray, numberOf, objectOf, stringOf } from '../../wire/read.ts'

export interface ErrorFields {
  /** HTTP status that the body names; 0 for none. */
  readonly status: number
  readonly message: string
  readonly code: string | null
  readonly type: string | null
  readonly param: string | null
  /** True where the body says that the prompt itself was flagged. */
  readonly isFlagged: boolean
}

/** How deep an error may stand inside others. */
const DEPTH_MAX = 3

/** The fields of an error body of any shape; empty ones of a body that is none. */
export function readErrorFields(json: Json | undefined): ErrorFields {
  const body = bodyOf(json)
  const error = innermost(body)
  const metadata = objectOf(error['metadata'])
  const details = objectOf(error['details'])
  const code = [error['code'], error['error_code'], details['code'], details['error_code']].map(codeOf).find(isKnown)
  const type =
    stringOf(error['type']) ??
    stringOf(error['error_type']) ??
    stringOf(error['__type']) ??
    stringOf(error['status']) ??
    reasonIn(error)
  return {
    status: namedStatus(error) || namedStatus(body) || statusOfCloudflare(error),
    message: readMessage(body, error),
    code: code ?? null,
    type,
    param: stringOf(error['param']),
    isFlagged: metadata['flagged_input'] !== undefined || isJsonArray(metadata['reasons']),
  }
}

function isKnown(code: string | null): boolean {
  return code !== null
}

/** The object that the error is about: the first of a list (Gemini's array), the response that failed (Responses). */
function bodyOf(json: Json | undefined): JsonObject {
  const body = objectOf(isJsonArray(json) ? json[0] : json)
  const response = objectOf(body['response'])
  return isJsonObject(response['error']) ? response : body
}

function innermost(body: JsonObject): JsonObject {
  let error = body
  for (let depth = 0; depth < DEPTH_MAX; depth += 1) {
    const inner = error['error'] ?? firstOf(error['errors'])
    if (!isJsonObject(inner)) break
    error = inner
  }
  return error
}

/** The first of Cloudflare's `errors`. https://developers.cloudflare.com/fundamentals/api/reference/ */
function firstOf(errors: Json | undefined): Json | undefined {
  return isJsonArray(errors) ? errors[0] : undefined
}

function namedStatus(error: JsonObject): number {
  for (const name of ['status_code', 'raw_status_code', 'status', 'statusCode', 'code', 'http_status']) {
    const value = error[name]
    const status = typeof value === 'string' && /^\d{3}$/.test(value) ? Number(value) : numberOf(value)
    if (status !== null && Number.isInteger(status) && status >= 400 && status < 600) return status
  }
  return 0
}

/** HTTP statuses of Workers AI's own codes. https://developers.cloudflare.com/workers-ai/platform/errors/ */
const CLOUDFLARE_STATUSES: Readonly<Record<string, number>> = {
  3003: 400,
  3006: 413,
  3007: 408,
  3036: 429,
  3040: 429,
  3042: 404,
  3043: 500,
  4006: 429,
  5004: 400,
  5007: 400,
  5016: 403,
  5018: 403,
}

function statusOfCloudflare(error: JsonObject): number {
  const code = error['code']
  return typeof code === 'number' ? (CLOUDFLARE_STATUSES[code] ?? 0) : 0
}

/** Google's reason among the details (`API_KEY_INVALID`), where the error has no status in words. */
function reasonIn(error: JsonObject): string | null {
  if (!isJsonArray(error['details'])) return null
  for (const detail of error['details']) {
    const reason = stringOf(objectOf(detail)['reason'])
    if (reason !== null) return reason
  }
  return null
}

/** Members that hold words, the likeliest first; Amazon writes one of them large. */
const MESSAGES = ['message', 'Message', 'error', 'detail', 'msg', 'error_message', 'errorMessage', 'reason', 'title']

function readMessage(body: JsonObject, error: JsonObject): string {
  const raw = objectOf(error['metadata'])['raw']
  const text = messageIn(error) ?? messageIn(body) ?? ''
  const isQuoting = /^provider returned error$/i.test(text) || text === ''
  return isQuoting && typeof raw === 'string' ? `${text}${text === '' ? '' : ': '}${rawMessage(raw)}` : text
}

function messageIn(object: JsonObject): string | null {
  for (const name of MESSAGES) {
    const text = textOf(object[name])
    if (text !== null) return text
  }
  return null
}

/** What a gateway quotes from the provider behind it: its message if it is JSON, else as it is. */
function rawMessage(raw: string): string {
  const json = parseJson(raw)
  return json === undefined || json === null ? raw : readErrorFields(json).message || raw
}

/** A message as text, also where it is an object or a list of complaints. */
function textOf(value: Json | undefined, depth = 0): string | null {
  if (typeof value === 'string') return value === '' ? null : value
  if (depth > DEPTH_MAX) return null
  if (isJsonArray(value)) return value.map((item) => complaint(item)).join('; ') || null
  if (!isJsonObject(value)) return null
  return textOf(value['message'], depth + 1) ?? textOf(value['detail'], depth + 1) ?? JSON.stringify(value)
}

/** One entry of a validation list: where, and what. */
function complaint(item: Json): string {
  const entry = objectOf(item)
  const text = stringOf(entry['msg']) ?? stringOf(entry['message'])
  if (text === null) return typeof item === 'string' ? item : JSON.stringify(item)
  const location = entry['loc']
  return isJsonArray(location) ? `${location.join('.')}: ${text}` : text
}
