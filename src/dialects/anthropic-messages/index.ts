// The Anthropic messages dialect, on Anthropic itself, Vertex AI and Bedrock.
// https://platform.claude.com/docs/en/api/messages
import type { JsonObject } from '../../core/json.ts'
import { messagesGaps } from './gaps.ts'
import { BETA_HEADER, hostBody, hostCall, hostOf } from './host.ts'
import { createMessagesMeter } from './meter.ts'
import { countMessages, editMessages } from './native.ts'
import { createMessagesReader, readMessagesReply } from './reader.ts'
import { namesFile, writeMessagesRequest } from './request.ts'
import { createBlockPlaces } from './place.ts'
import type { Dialect, NativeEdits } from '../dialect.ts'
import { outputBound } from '../output-bound.ts'
import { readErrorResponse } from '../failures/provider-error.ts'

/** The least that a call can ask for: enough to see that address, credential and model are right. */
const PROBE_TOKENS = 1
/** What the API wants to be told before it looks at a file. */
const FILES_BETA = 'files-api-2025-04-14'

export const anthropicMessages: Dialect = {
  name: 'anthropic-messages',
  wire: 'anthropic-messages',
  framing: 'sse',
  auth: 'x-api-key',
  // Bedrock wraps its streams in a framing of its own.
  nativeWire: (target) => (hostOf(target) === 'bedrock' ? null : 'anthropic-messages'),
  gaps: messagesGaps,
  write(request, target, edits) {
    const host = hostOf(target)
    const model = edits.model ?? (target.model === '*' ? request.model : target.model)
    const bound = outputBound(request.maxOutputTokens, edits.maxOutputTokens) ?? target.maxOutputTokens
    const body = writeMessagesRequest(request, model, bound)
    const headers = headersFor(body, edits)
    const text = JSON.stringify(hostBody(host, body, headers[BETA_HEADER]))
    return hostCall(host, model, request.stream, text, host === 'bedrock' ? {} : headers)
  },
  edit: editMessages,
  countTokens: countMessages,
  reader: createMessagesReader,
  meter: createMessagesMeter,
  places: createBlockPlaces,
  read: readMessagesReply,
  fail: readErrorResponse,
  probe(target) {
    const host = hostOf(target)
    const messages = [{ role: 'user', content: 'Reply with the word ok.' }]
    const body = hostBody(host, { model: target.model, max_tokens: PROBE_TOKENS, messages }, undefined)
    return hostCall(host, target.model, false, JSON.stringify(body))
  },
}

/** The client's own headers, and the beta that a file needs. */
function headersFor(body: JsonObject, { headers = {} }: NativeEdits): Readonly<Record<string, string>> {
  const betas = headers[BETA_HEADER]
  if (!namesFile(body['messages']) || betas?.includes(FILES_BETA) === true) return headers
  return { ...headers, [BETA_HEADER]: betas === undefined ? FILES_BETA : `${betas},${FILES_BETA}` }
}
