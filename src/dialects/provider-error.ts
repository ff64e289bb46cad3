// What a provider's error means, whatever its shape: the breaker, the retries and the client's message hang on it. One
// file for all dialects, because gateways and compatible servers answer in each other's shapes. No single field is
// trusted: status, code, type and message are read together.
import type { UpstreamClass, UpstreamFailure } from '../core/failure.ts'
import { isJsonObject, parseJson } from '../core/json.ts'
import type { Json, JsonObject } from '../core/json.ts'
import { codeOf, isJsonArray, numberOf, objectOf, stringOf } from '../wire/read.ts'
import { retryAfterMs } from './retry-hint.ts'
import type { HeaderReader } from './retry-hint.ts'

/** Longest provider message that is passed on, in characters. */
const MESSAGE_CHARS_MAX = 1000
const NO_HEADERS: HeaderReader = { get: () => null }

/** The failure that an error response stands for. Never throws. `nowMs` turns dates into waits. */
export function readErrorResponse(status: number, headers: HeaderReader, body: string, nowMs: number): UpstreamFailure {
  const json = parseJson(body)
  const fields = readFields(json)
  const amazonType = headers.get('x-amzn-errortype')?.split(':')[0] ?? null
  return toFailure(
    { ...fields, type: fields.type ?? amazonType },
    { status, json, headers, nowMs, fallback: plainText(body) },
  )
}

/** The failure that an error body inside a 200 reply or a stream stands for. Its status is the one that it names. */
export function readErrorBody(json: Json | undefined): UpstreamFailure {
  const fields = readFields(json)
  return toFailure(fields, { status: fields.status, json, headers: NO_HEADERS, nowMs: 0, fallback: '' })
}

/** The failure of an answer that broke off, was empty or could not be read. */
export function brokenStream(message: string): UpstreamFailure {
  return { class: 'stream', status: 0, message, code: null, type: null, param: null, retryAfterMs: null }
}

interface ErrorFields {
  /** HTTP status named by the body; 0 for none. */
  readonly status: number
  readonly message: string
  readonly code: string | null
  readonly type: string | null
  readonly param: string | null
  /** True where the body says that the prompt itself was flagged. */
  readonly isFlagged: boolean
}

function readFields(json: Json | undefined): ErrorFields {
  const body = objectOf(isJsonArray(json) ? json[0] : json)
  const inner = body['error']
  const error = isJsonObject(inner) ? inner : body
  const metadata = objectOf(error['metadata'])
  const code = codeOf(error['code']) ?? codeOf(error['error_code'])
  return {
    status: namedStatus(error) || namedStatus(body),
    message: readMessage(body, error),
    code,
    type: stringOf(error['type']) ?? stringOf(error['error_type']) ?? stringOf(error['status']),
    param: stringOf(error['param']),
    isFlagged: metadata['flagged_input'] !== undefined || isJsonArray(metadata['reasons']),
  }
}

function namedStatus(error: JsonObject): number {
  for (const name of ['status_code', 'raw_status_code', 'status', 'code', 'http_status']) {
    const value = error[name]
    const status = typeof value === 'string' && /^\d{3}$/.test(value) ? Number(value) : numberOf(value)
    if (status !== null && Number.isInteger(status) && status >= 400 && status < 600) return status
  }
  return 0
}

function readMessage(body: JsonObject, error: JsonObject): string {
  const raw = objectOf(error['metadata'])['raw']
  const message = textOf(error['message']) ?? textOf(body['error']) ?? textOf(body['message']) ?? textOf(body['detail'])
  const text = message ?? ''
  return text === 'Provider returned error' && typeof raw === 'string' ? `${text}: ${rawMessage(raw)}` : text
}

/** What a gateway quotes from the provider behind it: its message if it is JSON, else as it is. */
function rawMessage(raw: string): string {
  const json = parseJson(raw)
  return json === undefined || json === null ? raw : readFields(json).message || raw
}

/** A message as text, also where it is an object or a list of complaints. */
function textOf(value: Json | undefined): string | null {
  if (typeof value === 'string') return value === '' ? null : value
  if (isJsonArray(value)) return value.map((item) => complaint(item)).join('; ') || null
  if (!isJsonObject(value)) return null
  return textOf(value['message']) ?? textOf(value['detail']) ?? JSON.stringify(value)
}

/** One entry of a validation list: where, and what. */
function complaint(item: Json): string {
  const entry = objectOf(item)
  const text = stringOf(entry['msg']) ?? stringOf(entry['message'])
  if (text === null) return typeof item === 'string' ? item : JSON.stringify(item)
  const location = entry['loc']
  return isJsonArray(location) ? `${location.join('.')}: ${text}` : text
}

interface ErrorSource {
  readonly status: number
  readonly json: Json | undefined
  readonly headers: HeaderReader
  readonly nowMs: number
  readonly fallback: string
}

function toFailure(fields: ErrorFields, source: ErrorSource): UpstreamFailure {
  const status = source.status
  const said = fields.message || source.fallback
  // Gemini sends an error as an array of one where a stream was asked for.
  const body = isJsonArray(source.json) ? source.json[0] : source.json
  const message = scrubbed(said || 'The provider gave no reason.')
  const failureClass = classify({ ...fields, message: said }, status)
  const mayWait = failureClass === 'throttled' || failureClass === 'overloaded' || failureClass === 'server'
  return {
    class: failureClass,
    status,
    message,
    code: fields.code,
    type: fields.type,
    param: fields.param,
    retryAfterMs: mayWait ? retryAfterMs(source.headers, body, message, source.nowMs) : null,
  }
}

const WORDS_OF_CREDENTIAL =
  /invalid_api_key|authentication|api_key_invalid|unauthenticated|unrecognizedclient|expiredtoken|permission_?denied|permission_error|accessdenied|billing_error/
const CREDENTIAL_MESSAGE =
  /api key not valid|incorrect api key|invalid api key|api key expired|credit balance is too low/
const FLAGGED = /violates (?:our )?(?:usage|content|safety)|usage guidelines|content policy|flagged by moderation/
const NO_CREDIT =
  /insufficient_quota|insufficient_balance|billing_hard_limit|credit_limit|exceeded your current quota, please check your plan/
const TOO_LARGE = /request too large|reduce your message size|context_length_exceeded/
const WORDS_OF_CLIENT =
  /invalid_request|validation|badrequest|not_found|content_filter|context_length|unsupported|tool_use_failed|invalid_argument/
const WORDS_OF_OVERLOAD = /overloaded|unavailable|capacity|throttled/
const WORDS_OF_THROTTLE = /rate_limit|rate_limited|ratelimit|resource_exhausted|throttling|too_many_requests/

function classify(fields: ErrorFields, status: number): UpstreamClass {
  const words = `${fields.code ?? ''} ${fields.type ?? ''}`.toLowerCase()
  const message = fields.message.toLowerCase()
  if (status === 429) return classifyThrottled(words, message)
  if (status === 408) return 'timeout'
  if (status === 401 || status === 402 || status === 403)
    return fields.isFlagged || FLAGGED.test(message) ? 'client' : 'credential'
  if (status === 409 || status === 425 || status === 499) return 'server'
  if (status === 498) return 'overloaded'
  if (status === 501) return 'client'
  if (status >= 400 && status < 500) return isOurCredential(words, message) ? 'credential' : 'client'
  if (status === 503 || status === 529) return 'overloaded'
  if (status >= 500) return WORDS_OF_OVERLOAD.test(message) || WORDS_OF_OVERLOAD.test(words) ? 'overloaded' : 'server'
  return classifyByWords(words, message)
}

function classifyThrottled(words: string, message: string): UpstreamClass {
  if (NO_CREDIT.test(words)) return 'credential'
  return TOO_LARGE.test(message) ? 'client' : 'throttled'
}

function isOurCredential(words: string, message: string): boolean {
  return WORDS_OF_CREDENTIAL.test(words) || CREDENTIAL_MESSAGE.test(message)
}

/** Without a status: an error inside a stream or a 200. What can't be told is taken for the provider's fault. */
function classifyByWords(words: string, message: string): UpstreamClass {
  if (NO_CREDIT.test(words) || isOurCredential(words, message)) return 'credential'
  if (WORDS_OF_THROTTLE.test(words)) return TOO_LARGE.test(message) ? 'client' : 'throttled'
  if (WORDS_OF_OVERLOAD.test(words) || message === 'overloaded') return 'overloaded'
  if (words.includes('timeout')) return 'timeout'
  return WORDS_OF_CLIENT.test(words) ? 'client' : 'server'
}

/** An error page or a plain line, cut short; nothing of HTML. */
function plainText(body: string): string {
  const text = body.trim()
  return text === '' || text.startsWith('<') || text.startsWith('{') ? '' : text
}

const SECRETS =
  /\b(?:sk|pk|rk|gsk|xai|hf|tg_live|tg_test|key|token)[-_](?=[\w*.-]*[\d*])[\w*.-]{8,}|\b(?:AIza|AKIA)[\w-]{12,}|\bBearer\s+\S+|\beyJ[\w-]{10,}\.[\w.-]+/g
const ACCOUNTS = /\b(org|proj|user)[-_](?=[A-Za-z]*\d)[A-Za-z0-9]{8,}/g
const ACCOUNT_UUIDS = /\b(team|org|organization|workspace|account|api key id)(:?\s+)[0-9a-f]{8}-[0-9a-f-]{27}/gi

/** A message without anything that looks like a secret or an account's name, bounded in length. */
function scrubbed(message: string): string {
  const text = message
    .replace(SECRETS, '[redacted]')
    .replace(ACCOUNTS, '$1-[redacted]')
    .replace(ACCOUNT_UUIDS, '$1$2[redacted]')
  return text.length <= MESSAGE_CHARS_MAX ? text : `${text.slice(0, MESSAGE_CHARS_MAX)}…`
}
