// Failures in the form that the `openai` SDKs turn into their error classes and retries; in a stream, the event on which they
// throw, and the one that clients with a parser of their own wait for.
// https://platform.openai.com/docs/api-reference/responses-streaming/error
import type { Failure } from '../../core/failure.ts'
import { objectOf } from '../../wire/read.ts'
import { failChat } from '../chat/failure.ts'
import type { WireFailure } from '../protocol.ts'
import { eventText, RESPONSE_ID_PREFIX } from './event-log.ts'
import { responseObject } from './reply.ts'

/** The HTTP answer for a failure: the same for all of OpenAI's endpoints. */
export function failResponses(failure: Failure, requestId: string): WireFailure {
  return failChat(failure, requestId)
}

/** The words that a response's own error has for a status: fewer than an error event has. */
const RESPONSE_CODES: Readonly<Record<number, string>> = { 429: 'rate_limit_exceeded' }

/** A stream's last events. What was said before is not repeated: whoever tells of the failure may not have written it. */
export function failResponsesInStream(failure: Failure, requestId: string, nextNumber = 0): string {
  const { status, body } = failChat(failure, requestId)
  const inner = objectOf(objectOf(body)['error'])
  const { code, message, param } = inner
  // The documented event has the members flat, the one that the API sends has them nested.
  const error = { type: 'error', sequence_number: nextNumber, code, message, param, error: inner }
  const context = { id: RESPONSE_ID_PREFIX + requestId, createdSeconds: 0, model: '', wantsUsage: false, request: {} }
  const end = { status: 'failed', incomplete_details: null }
  const response = {
    ...responseObject(context, { end, output: [], usage: null, serviceTier: null }),
    error: { code: RESPONSE_CODES[status] ?? (status < 500 ? 'invalid_prompt' : 'server_error'), message },
  }
  return eventText(error) + eventText({ type: 'response.failed', sequence_number: nextNumber + 1, response })
}
