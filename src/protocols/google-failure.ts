// Failures in the form that Google's SDKs read: code, message, and a status in words.
// https://cloud.google.com/apis/design/errors (read 2026-11-21)
import type { Failure } from '../core/failure.ts'
import { phraseHeaders, phraseOf } from './phrase.ts'
import type { WireFailure } from './protocol.ts'

const WORDS: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  402: 'FAILED_PRECONDITION',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  409: 'ABORTED',
  429: 'RESOURCE_EXHAUSTED',
  500: 'INTERNAL',
  501: 'UNIMPLEMENTED',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
}

/** The HTTP answer for a failure. */
export function failGoogle(failure: Failure): WireFailure {
  const phrase = phraseOf(failure)
  const { status, message } = phrase
  const words = WORDS[status] ?? (status < 500 ? 'INVALID_ARGUMENT' : 'UNAVAILABLE')
  return { status, headers: phraseHeaders(phrase), body: { error: { code: status, message, status: words } } }
}

/** A stream's last event. */
export function failGoogleInStream(failure: Failure): string {
  return `data: ${JSON.stringify(failGoogle(failure).body)}\n\n`
}
