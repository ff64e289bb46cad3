// The responses protocol: OpenAI Responses as the `openai` SDKs speak it. Stateless: whatever would have to be stored is for
// targets that store it themselves, on the native lane.
// https://platform.openai.com/docs/api-reference/responses
import type { Protocol } from '../protocol.ts'
import { RESPONSE_ID_PREFIX } from './event-log.ts'
import { failResponses, failResponsesInStream } from './failure.ts'
import { responsesFacts } from './facts.ts'
import { writeResponse } from './reply.ts'
import { readResponsesRequest } from './request.ts'
import { createResponsesWriter, responsesWriterAt } from './writer.ts'

export const responses: Protocol = {
  name: 'responses',
  endpoint: '/v1/responses',
  wire: 'openai-responses',
  idPrefix: RESPONSE_ID_PREFIX,
  // Pieces of its own wire are told; those of others have no place.
  hides: new Set(['choices', 'audio', 'other', 'paused']),
  facts: responsesFacts,
  read: readResponsesRequest,
  write: writeResponse,
  writer: createResponsesWriter,
  writerAt: responsesWriterAt,
  fail: failResponses,
  failInStream: failResponsesInStream,
}
