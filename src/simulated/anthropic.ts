// Anthropic's Messages wire: whole replies, streams, models and errors as the real service sends them
// (https://platform.claude.com/docs/en/api/messages and /streaming). Pure.
import { parseJson, type Json, type JsonObject } from '../core/json.ts'
import { readMessagesRequest } from './anthropic-request.ts'
import { drawFrom, drawLetters, hashText } from './chance.ts'
import type { Ask, Refusal, Reply, ReplyFrame, ReplyPart, SimulatedProvider } from './provider.ts'

const STOP_REASONS = { stop: 'end_turn', length: 'max_tokens', 'tool-calls': 'tool_use' } as const
const SIGNATURE_CHARS = 180
/** Spaces before an event's last brace: Anthropic pads against length analysis. */
const PADDING_CHARS_MAX = 15

const ERROR_TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  504: 'timeout_error',
  529: 'overloaded_error',
}

const MESSAGES: Readonly<Record<number, string>> = {
  401: 'invalid x-api-key',
  402: 'Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to purchase credits.',
  403: 'Your API key does not have permission to use the specified resource.',
  404: 'model: {model}',
  429:
    'This request would exceed the rate limit for your organization (simulated) of 30,000 input tokens per minute. For ' +
    'details, refer to: https://docs.claude.com/en/api/rate-limits.',
  500: 'Internal server error',
  529: 'Overloaded',
}

/** Anthropic's wire. */
export const anthropic: SimulatedProvider = {
  name: 'anthropic',
  refuse: refuseHeaders,
  read: readMessagesRequest,
  notJson: { status: 400, message: 'The request body is not valid JSON', code: null, param: null },
  whole,
  frames,
  headers: (requestId) => ({
    'request-id': requestId,
    'anthropic-organization-id': '00000000-0000-4000-8000-000000000000',
    'anthropic-ratelimit-requests-limit': '4000',
    'anthropic-ratelimit-requests-remaining': '3999',
    'anthropic-ratelimit-tokens-limit': '400000',
    'anthropic-ratelimit-tokens-remaining': '399000',
  }),
  refusalFor: (status, model) => {
    const fallback = status >= 500 ? 'Internal server error' : 'Invalid request.'
    return { status, message: (MESSAGES[status] ?? fallback).replace('{model}', model), code: null, param: null }
  },
  failureBody,
  failureFrame: (refusal, requestId) => `event: error\ndata: ${JSON.stringify(failureBody(refusal, requestId))}\n\n`,
  garbageFrame:
    'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_del\n\n',
  models: (names) => ({
    data: names.map((id) => ({ type: 'model', id, display_name: id, created_at: '2026-01-01T00:00:00Z' })),
    has_more: false,
    first_id: names[0] ?? null,
    last_id: names.at(-1) ?? null,
  }),
}

function refuseHeaders(headers: Headers): Refusal | null {
  const bearer = /^bearer\s+(.+)$/i.exec(headers.get('authorization') ?? '')?.[1]?.trim()
  const key = headers.get('x-api-key') ?? bearer ?? ''
  const refusal = { code: null, param: null }
  if (key === '') return { ...refusal, status: 401, message: 'x-api-key header is required' }
  if (key === 'invalid') return { ...refusal, status: 401, message: MESSAGES[401] ?? '' }
  if (headers.has('anthropic-version')) return null
  return { ...refusal, status: 400, message: 'anthropic-version: header is required' }
}

function failureBody(refusal: Refusal, requestId: string): JsonObject {
  const type = ERROR_TYPES[refusal.status] ?? (refusal.status >= 500 ? 'api_error' : 'invalid_request_error')
  return { type: 'error', error: { type, message: refusal.message }, request_id: requestId }
}

function whole(reply: Reply, ask: Ask): Json {
  const [choice] = reply.choices
  return {
    model: ask.model,
    id: reply.id,
    type: 'message',
    role: 'assistant',
    content: (choice?.parts ?? []).map((part) => wholeBlock(part, ask)),
    stop_reason: stopReason(reply),
    stop_sequence: null,
    ...(reply.usage ? { usage: openingUsage(reply, reply.usage.output) } : {}),
  }
}

function wholeBlock(part: ReplyPart, ask: Ask): JsonObject {
  const text = [...part.pieces()].join('')
  switch (part.kind) {
    case 'text':
      return { type: 'text', text }
    case 'thinking':
      return { type: 'thinking', thinking: text, signature: signatureFor(ask) }
    case 'tool-call':
      // Arguments that the token bound cut off are no object any more.
      return { type: 'tool_use', id: `toolu_${part.id}`, name: part.name, input: parseJson(text) ?? {} }
  }
}

function* frames(reply: Reply, ask: Ask): Generator<ReplyFrame> {
  const draw = drawFrom(hashText(ask.promptText))
  const event = (value: JsonObject): string => {
    const padding = ' '.repeat(Math.floor(draw() * (PADDING_CHARS_MAX + 1)))
    return `event: ${String(value['type'])}\ndata: ${JSON.stringify(value).slice(0, -1)}${padding}}\n\n`
  }
  const other = (value: JsonObject): ReplyFrame => ({ kind: 'other', text: event(value), tokens: 0 })
  yield other({ type: 'message_start', message: openingMessage(reply, ask) })
  let hasPinged = false
  for (const [index, part] of (reply.choices[0]?.parts ?? []).entries()) {
    const nameTokens = part.kind === 'tool-call' ? part.nameTokens : 0
    yield { ...other({ type: 'content_block_start', index, content_block: emptyBlock(part) }), tokens: nameTokens }
    if (!hasPinged) yield { kind: 'other', text: 'event: ping\ndata: {"type": "ping"}\n\n', tokens: 0 }
    hasPinged = true
    if (part.kind === 'tool-call') yield other({ type: 'content_block_delta', index, delta: deltaOf(part, '') })
    for (const piece of part.pieces()) {
      yield {
        kind: 'content',
        text: event({ type: 'content_block_delta', index, delta: deltaOf(part, piece) }),
        tokens: 1,
      }
    }
    if (part.kind === 'thinking') {
      yield other({
        type: 'content_block_delta',
        index,
        delta: { type: 'signature_delta', signature: signatureFor(ask) },
      })
    }
    yield other({ type: 'content_block_stop', index })
  }
  const delta = { stop_reason: stopReason(reply), stop_sequence: null }
  const usage = reply.usage ? { usage: closingUsage(reply) } : {}
  yield { kind: 'ending', text: event({ type: 'message_delta', delta, ...usage }), tokens: 0 }
  yield { kind: 'ending', text: event({ type: 'message_stop' }), tokens: 0 }
}

function openingMessage(reply: Reply, ask: Ask): JsonObject {
  return {
    model: ask.model,
    id: reply.id,
    type: 'message',
    role: 'assistant',
    content: [],
    stop_reason: null,
    stop_sequence: null,
    ...(reply.usage ? { usage: openingUsage(reply, Math.min(1, reply.usage.output)) } : {}),
  }
}

function emptyBlock(part: ReplyPart): JsonObject {
  switch (part.kind) {
    case 'text':
      return { type: 'text', text: '' }
    case 'thinking':
      return { type: 'thinking', thinking: '', signature: '' }
    case 'tool-call':
      return { type: 'tool_use', id: `toolu_${part.id}`, name: part.name, input: {} }
  }
}

function deltaOf(part: ReplyPart, piece: string): JsonObject {
  switch (part.kind) {
    case 'text':
      return { type: 'text_delta', text: piece }
    case 'thinking':
      return { type: 'thinking_delta', thinking: piece }
    case 'tool-call':
      return { type: 'input_json_delta', partial_json: piece }
  }
}

function openingUsage(reply: Reply, outputTokens: number): JsonObject {
  return {
    input_tokens: reply.usage?.input ?? 0,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: 0,
    cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 },
    output_tokens: outputTokens,
    service_tier: 'standard',
  }
}

/** Cumulative, as the real service counts in `message_delta`. */
function closingUsage(reply: Reply): JsonObject {
  const { input, output, reasoning } = reply.usage ?? { input: 0, output: 0, reasoning: 0 }
  return {
    input_tokens: input,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: 0,
    output_tokens: output,
    ...(reasoning > 0 ? { output_tokens_details: { thinking_tokens: reasoning } } : {}),
  }
}

function stopReason(reply: Reply): string | null {
  const finish = reply.choices[0]?.finish
  return finish === null ? null : STOP_REASONS[finish ?? 'stop']
}

function signatureFor(ask: Ask): string {
  return `${drawLetters(drawFrom(hashText(ask.promptText)), SIGNATURE_CHARS)}==`
}
