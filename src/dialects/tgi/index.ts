// The native dialect of Text Generation Inference. https://huggingface.github.io/text-generation-inference/
import type { Dialect, UpstreamCall } from '../dialect.ts'
import { createEventMeter } from '../event-meter.ts'
import { outputBound } from '../output-bound.ts'
import { readErrorResponse } from '../failures/provider-error.ts'
import { createTgiReader, readTgiReply } from './reader.ts'
import { tgiGaps, writeTgiRequest } from './request.ts'

export const tgi: Dialect = {
  name: 'tgi',
  wire: 'tgi',
  framing: 'sse',
  auth: 'bearer',
  nativeWire: () => null,
  gaps: tgiGaps,
  write(request, _target, edits) {
    const bound = outputBound(request.maxOutputTokens, edits.maxOutputTokens)
    return call(request.stream, JSON.stringify(writeTgiRequest(request, bound)))
  },
  edit: (text, body) => call(body['stream'] === true, text),
  reader: createTgiReader,
  meter: () => createEventMeter(createTgiReader()),
  read: readTgiReply,
  fail: readErrorResponse,
  probe: () => call(false, JSON.stringify({ inputs: 'ok', parameters: { max_new_tokens: 1 } })),
}

function call(isStream: boolean, body: string): UpstreamCall {
  return { path: isStream ? '/generate_stream' : '/generate', headers: { 'content-type': 'application/json' }, body }
}
