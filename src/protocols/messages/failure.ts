// Failures in the form that the `@anthropic-ai/sdk` clients turn into their error classes and retries, with the members
// that every protocol of the gateway adds. https://platform.claude.com/docs/en/api/errors
import type { Failure } from '../../core/failure.ts'
import type { JsonObject } from '../../core/json.ts'
import { withoutUndefined } from '../../wire/write.ts'
import { type Phrase, phraseDetails, phraseHeaders, phraseOf } from '../phrase.ts'
import type { WireFailure } from '../protocol.ts'

/** The HTTP answer for a failure. */
export function failMessages(failure: Failure, requestId: string): WireFailure {
  const phrase = messagesPhrase(failure)
  const headers = { 'request-id': requestId, ...phraseHeaders(phrase) }
  return { status: phrase.status, headers, body: bodyOf(phrase, requestId, detailsOf(failure)) }
}

/** What the SDK looks for to send a conversation again, as a new thread or without one: threads are kept by Anthropic alone
 *  (`ThreadState.ts` of `@anthropic-ai/sdk` 1.11, read 2026-11-21). */
function detailsOf(failure: Failure): JsonObject | undefined {
  const isForeign = failure.kind === 'unsupported' && failure.gaps.some(({ field }) => field === 'thread')
  if (isForeign) return { error_code: 'thread_unsupported_request', unsupported: ['model'] }
  const code = failure.kind === 'upstream-failed' ? failure.upstream.code : null
  return code?.startsWith('thread_') ? { error_code: code } : undefined
}

/** A stream's last event: an error, on which the SDKs throw. No `message_stop` follows it. */
export function failMessagesInStream(failure: Failure, requestId: string): string {
  return `event: error\ndata: ${JSON.stringify(bodyOf(messagesPhrase(failure), requestId))}\n\n`
}

const MISSING_KEY =
  "You didn't provide an API key. Send it in the x-api-key header, or as Authorization: Bearer YOUR_KEY."

function messagesPhrase(failure: Failure): Phrase {
  const phrase = phraseOf(failure)
  const isMissing = failure.kind === 'unauthenticated' && failure.reason === 'missing'
  return isMissing ? { ...phrase, message: MISSING_KEY } : phrase
}

function bodyOf(phrase: Phrase, requestId: string, details?: JsonObject): JsonObject {
  const { message, code, param, status } = phrase
  const error = withoutUndefined({
    type: typeFor(status),
    message,
    code: code ?? undefined,
    param: param ?? undefined,
    details,
    ...phraseDetails(phrase),
  })
  return { type: 'error', error, request_id: requestId }
}

const TYPES: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  503: 'overloaded_error',
  504: 'timeout_error',
  529: 'overloaded_error',
}

function typeFor(status: number): string {
  return TYPES[status] ?? (status >= 500 ? 'api_error' : 'invalid_request_error')
}
