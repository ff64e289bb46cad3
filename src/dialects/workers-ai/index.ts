// The dialect of Cloudflare's Workers AI, over its REST API (base URL `…/accounts/{account}/ai`) or a binding
// (`ai://NAME`). https://developers.cloudflare.com/workers-ai/
import { parseJson } from '../../core/json.ts'
import { errorOf, runPath } from '../../wire/workers-ai.ts'
import type { Dialect, UpstreamCall } from '../dialect.ts'
import { outputBound } from '../output-bound.ts'
import { modelOf } from '../prompt-text.ts'
import { readErrorResponse } from '../failures/provider-error.ts'
import { createWorkersAiMeter, createWorkersAiReader, readWorkersAiReply } from './reader.ts'
import { workersAiGaps, writeWorkersAiRequest } from './request.ts'

export const workersAi: Dialect = {
  name: 'workers-ai',
  wire: 'workers-ai',
  framing: 'sse',
  auth: 'bearer',
  nativeWire: () => null,
  gaps: workersAiGaps,
  write(request, target, edits) {
    const bound = outputBound(request.maxOutputTokens, edits.maxOutputTokens)
    return call(modelOf(request, target, edits.model), JSON.stringify(writeWorkersAiRequest(request, bound)))
  },
  edit: (text, _body, edits, target) => call(edits.model ?? target.model, text),
  reader: createWorkersAiReader,
  meter: createWorkersAiMeter,
  read: readWorkersAiReply,
  fail(status, headers, body, nowMs) {
    const error = errorOf(parseJson(body))
    return readErrorResponse(status, headers, error === null ? body : JSON.stringify(error), nowMs)
  },
  probe(target) {
    const messages = [{ role: 'user', content: 'Reply with the word ok.' }]
    return call(target.model, JSON.stringify({ messages, max_tokens: 1 }))
  },
}

function call(model: string, body: string): UpstreamCall {
  return { path: runPath(model), headers: { 'content-type': 'application/json' }, body }
}
