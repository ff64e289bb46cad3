// Failures in the form that the `openai` SDKs turn into their error classes and retries; in a stream, the event on which they
// throw, and the one that clients with a parser of their own wait for.
// https://platform.openai.com/docs/api-reference/responses-streaming/error
import type { Failure } from '../core/failure.ts'
import type { JsonObject } from '../core/json.ts'
import { failChat } from './chat-failure.ts'
import { phraseOf } from './phrase.ts'
import type { WireFailure } from './protocol.ts'

/** How the ids of responses begin. */
export const RESPONSE_ID_PREFIX = 'resp_'

/** The HTTP answer for a failure: the same for all of OpenAI's endpoints. */
export function failResponses(failure: Failure, requestId: string): WireFailure {
  return failChat(failure, requestId)
}

/** A stream's last events. What was said before is not repeated: whoever tells of the failure may not have written it. */
export function failResponsesInStream(failure: Failure, requestId: string): string {
  const { message, type, code, param = null } = phraseOf(failure)
  // The documented event has the members flat, the one that the API sends has them nested.
  const flat = { code, message, param }
  const error = { type: 'error', sequence_number: 0, ...flat, error: { type, ...flat, request_id: requestId } }
  const response = {
    id: RESPONSE_ID_PREFIX + requestId,
    object: 'response',
    status: 'failed',
    error: { code: code ?? 'server_error', message },
    incomplete_details: null,
    output: [],
    usage: null,
  }
  return eventText(error) + eventText({ type: 'response.failed', sequence_number: 1, response })
}

/** An event as text; its name is its type. */
export function eventText(event: JsonObject & { readonly type: string }): string {
  return `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`
}
