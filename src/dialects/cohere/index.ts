// The Cohere dialect: requests of version 2, replies of versions 2 and 1. The base URL may end in `/v2` or before it.
// https://docs.cohere.com/reference/chat
import type { Target } from '../../core/directory.ts'
import { cohereGaps } from './gaps.ts'
import { createCohereReader, readCohereReply } from './reader.ts'
import { writeCohereRequest } from './request.ts'
import type { Dialect, UpstreamCall } from '../dialect.ts'
import { createEventMeter } from '../event-meter.ts'
import { outputBound } from '../output-bound.ts'
import { modelOf } from '../prompt-text.ts'
import { readErrorResponse } from '../failures/provider-error.ts'
import { versionedPath } from '../tasks/codec.ts'

export const cohere: Dialect = {
  name: 'cohere',
  wire: 'cohere',
  framing: 'sse',
  auth: 'bearer',
  nativeWire: () => null,
  gaps: cohereGaps,
  write(request, target, edits) {
    const bound = outputBound(request.maxOutputTokens, edits.maxOutputTokens)
    return call(target, JSON.stringify(writeCohereRequest(request, modelOf(request, target, edits.model), bound)))
  },
  edit: (text, _body, _edits, target) => call(target, text),
  reader: createCohereReader,
  meter: () => createEventMeter(createCohereReader()),
  read: readCohereReply,
  fail: readErrorResponse,
  probe(target) {
    const messages = [{ role: 'user', content: 'Reply with the word ok.' }]
    return call(target, JSON.stringify({ model: target.model, messages, stream: false, max_tokens: 1 }))
  },
}

function call(target: Target, body: string): UpstreamCall {
  return { path: versionedPath(target, 'v2', '/chat'), headers: { 'content-type': 'application/json' }, body }
}
