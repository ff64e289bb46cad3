// What a provider's error means, whatever its shape: the breaker, the retries and the client's message hang on it. One
// reader for all dialects, because gateways and compatible servers answer in each other's shapes.
import type { UpstreamFailure } from '../../core/failure.ts'
import { parseJson } from '../../core/json.ts'
import type { Json } from '../../core/json.ts'
import { isJsonArray } from '../../wire/read.ts'
import { classify } from './error-class.ts'
import { type ErrorFields, readErrorFields } from './error-fields.ts'
import { redact } from '../redact.ts'
import { retryAfterMs } from './retry-hint.ts'
import type { HeaderReader } from './retry-hint.ts'

/** Longest provider message, and longest code, that is passed on, in characters. */
const MESSAGE_CHARS_MAX = 1000
const CODE_CHARS_MAX = 200
const NO_HEADERS: HeaderReader = { get: () => null }

/** The failure that an error response stands for. Never throws. `nowMs` turns dates into waits. */
export function readErrorResponse(status: number, headers: HeaderReader, body: string, nowMs: number): UpstreamFailure {
  const json = parseJson(body)
  const fields = readErrorFields(json)
  const amazonType = headers.get('x-amzn-errortype')?.split(':')[0] ?? null
  return toFailure(
    { ...fields, type: fields.type ?? amazonType },
    {
      status,
      json,
      headers,
      nowMs,
      fallback: json === undefined ? plainText(body) : typeof json === 'string' ? json : '',
    },
  )
}

/** The failure that an error body inside a 200 reply or a stream stands for. Its status is the one that it names. */
export function readErrorBody(json: Json | undefined): UpstreamFailure {
  const fields = readErrorFields(json)
  const fallback = typeof json === 'string' ? json : ''
  return toFailure(fields, { status: fields.status, json, headers: NO_HEADERS, nowMs: 0, fallback })
}

/** The failure of an answer that broke off, was empty or could not be read. */
export function brokenStream(message: string): UpstreamFailure {
  return { class: 'stream', status: 0, message, code: null, type: null, param: null, retryAfterMs: null }
}

interface ErrorSource {
  readonly status: number
  readonly json: Json | undefined
  readonly headers: HeaderReader
  readonly nowMs: number
  readonly fallback: string
}

function toFailure(fields: ErrorFields, source: ErrorSource): UpstreamFailure {
  const { status, headers, nowMs } = source
  const said = fields.message.trim() || source.fallback.trim()
  const failureClass = classify({ ...fields, message: said }, status)
  const mayWait = failureClass === 'throttled' || failureClass === 'overloaded' || failureClass === 'server'
  // Gemini sends an error as an array of one where a stream was asked for.
  const body = isJsonArray(source.json) ? source.json[0] : source.json
  return {
    class: failureClass,
    status,
    message: bounded(said, MESSAGE_CHARS_MAX) ?? 'The provider gave no reason.',
    code: bounded(fields.code, CODE_CHARS_MAX),
    type: bounded(fields.type, CODE_CHARS_MAX),
    param: bounded(fields.param, CODE_CHARS_MAX),
    retryAfterMs: mayWait ? retryAfterMs(headers, body, said, nowMs) : null,
  }
}

/** Words of a provider's as they may be passed on: nothing secret in them, and not too many; null for none. */
function bounded(words: string | null, charsMax: number): string | null {
  if (words === null || words === '') return null
  const text = redact(words)
  return text.length <= charsMax ? text : `${text.slice(0, charsMax)}…`
}

/** An error page or a plain line; nothing of HTML, nor of JSON that is broken. */
function plainText(body: string): string {
  const text = body.trim()
  return text.startsWith('<') || text.startsWith('{') || text.startsWith('[') ? '' : text
}
