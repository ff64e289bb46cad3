// The dialect of Ollama's own API. (Its OpenAI-compatible one is `openai-chat`, which knows neither `options` nor the
// model's thinking as such.) The base URL may end in `/api` or before it. https://docs.ollama.com/api
import type { Target } from '../../core/directory.ts'
import type { Dialect, UpstreamCall } from '../dialect.ts'
import { createEventMeter } from '../event-meter.ts'
import { createOllamaReader, readOllamaReply } from './reader.ts'
import { ollamaGaps, writeOllamaRequest } from './request.ts'
import { outputBound } from '../output-bound.ts'
import { modelOf } from '../prompt-text.ts'
import { readErrorResponse } from '../failures/provider-error.ts'
import { versionedPath } from '../tasks/codec.ts'

export const ollama: Dialect = {
  name: 'ollama',
  wire: 'ollama',
  framing: 'ndjson',
  auth: 'bearer',
  nativeWire: () => null,
  gaps: ollamaGaps,
  write(request, target, edits) {
    const bound = outputBound(request.maxOutputTokens, edits.maxOutputTokens)
    return call(target, JSON.stringify(writeOllamaRequest(request, modelOf(request, target, edits.model), bound)))
  },
  edit: (text, _body, _edits, target) => call(target, text),
  reader: createOllamaReader,
  meter: () => createEventMeter(createOllamaReader()),
  read: readOllamaReply,
  fail: readErrorResponse,
  probe(target) {
    const messages = [{ role: 'user', content: 'Reply with the word ok.' }]
    return call(target, JSON.stringify({ model: target.model, messages, stream: false, options: { num_predict: 1 } }))
  },
}

function call(target: Target, body: string): UpstreamCall {
  return { path: versionedPath(target, 'api', '/chat'), headers: { 'content-type': 'application/json' }, body }
}
