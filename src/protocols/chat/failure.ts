// Failures in the form that the `openai` SDKs turn into their error classes and retries.
import type { Failure } from '../../core/failure.ts'
import type { Json } from '../../core/json.ts'
import { type Phrase, phraseDetails, phraseHeaders, phraseOf } from '../phrase.ts'
import type { WireFailure } from '../protocol.ts'

/** The HTTP answer for a failure. */
export function failChat(failure: Failure, requestId: string): WireFailure {
  const phrase = phraseOf(failure)
  return { status: phrase.status, headers: phraseHeaders(phrase), body: bodyOf(phrase, requestId) }
}

/** A stream's last event: an error, on which the SDKs throw. No `[DONE]` follows it. */
export function failChatInStream(failure: Failure, requestId: string): string {
  return `data: ${JSON.stringify(bodyOf(phraseOf(failure), requestId))}\n\n`
}

function bodyOf(phrase: Phrase, requestId: string): Json {
  const { message, type, code, param } = phrase
  return { error: { message, type, param: param ?? null, code, ...phraseDetails(phrase), request_id: requestId } }
}
