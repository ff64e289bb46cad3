// The Cohere dialect: requests of version 2, replies of versions 2 and 1. The base URL ends in `/v2`.
// https://docs.cohere.com/reference/chat
import { cohereGaps } from './cohere-gaps.ts'
import { createCohereReader, readCohereReply } from './cohere-reader.ts'
import { writeCohereRequest } from './cohere-request.ts'
import type { Dialect, UpstreamCall } from './dialect.ts'
import { createEventMeter } from './event-meter.ts'
import { outputBound } from './output-bound.ts'
import { modelOf } from './prompt-text.ts'
import { readErrorResponse } from './provider-error.ts'

export const cohere: Dialect = {
  name: 'cohere',
  wire: 'cohere',
  framing: 'sse',
  auth: 'bearer',
  nativeWire: () => null,
  gaps: cohereGaps,
  write(request, target, edits) {
    const bound = outputBound(request.maxOutputTokens, edits.maxOutputTokens)
    return call(JSON.stringify(writeCohereRequest(request, modelOf(request, target, edits.model), bound)))
  },
  edit: call,
  reader: createCohereReader,
  meter: () => createEventMeter(createCohereReader()),
  read: readCohereReply,
  fail: readErrorResponse,
  probe(target) {
    const messages = [{ role: 'user', content: 'Reply with the word ok.' }]
    return call(JSON.stringify({ model: target.model, messages, stream: false, max_tokens: 1 }))
  },
}

function call(body: string): UpstreamCall {
  return { path: '/chat', headers: { 'content-type': 'application/json' }, body }
}
