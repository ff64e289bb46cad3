// The Anthropic messages dialect. https://docs.anthropic.com/en/api/messages
import { spliceMembers } from '../wire/splice.ts'
import type { Json } from '../core/json.ts'
import { ANTHROPIC_VERSION } from '../wire/anthropic-messages.ts'
import { messagesGaps } from './anthropic-messages-gaps.ts'
import { createMessagesMeter, createMessagesReader, readMessagesReply } from './anthropic-messages-reader.ts'
import { writeMessagesRequest } from './anthropic-messages-request.ts'
import type { Dialect, UpstreamCall } from './dialect.ts'
import { outputBound } from './output-bound.ts'
import { readErrorResponse } from './provider-error.ts'

/** The least that a call can ask for: enough to see that address, credential and model are right. */
const PROBE_TOKENS = 1

export const anthropicMessages: Dialect = {
  name: 'anthropic-messages',
  wire: 'anthropic-messages',
  framing: 'sse',
  auth: 'x-api-key',
  nativeWire: () => 'anthropic-messages',
  gaps: messagesGaps,
  write(request, target, edits) {
    const model = edits.model ?? (target.model === '*' ? request.model : target.model)
    const bound = outputBound(request.maxOutputTokens, edits.maxOutputTokens) ?? target.maxOutputTokens
    return call(JSON.stringify(writeMessagesRequest(request, model, bound)))
  },
  edit(text, body, edits) {
    const members: Record<string, Json> = {}
    if (edits.model !== null && edits.model !== body['model']) members['model'] = edits.model
    const given = typeof body['max_tokens'] === 'number' ? body['max_tokens'] : undefined
    const bound = outputBound(given, edits.maxOutputTokens)
    if (bound !== null && bound !== given) members['max_tokens'] = bound
    return call(spliceMembers(text, members) ?? JSON.stringify({ ...body, ...members }))
  },
  reader: createMessagesReader,
  meter: createMessagesMeter,
  read: readMessagesReply,
  fail: readErrorResponse,
  probe(target) {
    const messages = [{ role: 'user', content: 'Reply with the word ok.' }]
    return call(JSON.stringify({ model: target.model, max_tokens: PROBE_TOKENS, messages }))
  },
}

const HEADERS = { 'content-type': 'application/json', 'anthropic-version': ANTHROPIC_VERSION }

function call(body: string): UpstreamCall {
  return { path: '/messages', headers: HEADERS, body }
}
