// Cohere's chat wire, version 2: named events, deltas as objects, counts of what is billed beside those of what was
// processed (https://docs.cohere.com/reference/chat-stream). Pure.
import { isJsonObject, type Json, type JsonObject } from '../core/json.ts'
import type { Result } from '../core/result.ts'
import { callsOf, NOT_JSON, plainRefusal, readAsChat, refuseBearer, textOf, wordsOf } from './plain-provider.ts'
import type { Ask, Refusal, Reply, ReplyFrame, ReplyPart, SimulatedProvider } from './provider.ts'

const FINISH = { stop: 'COMPLETE', length: 'MAX_TOKENS', 'tool-calls': 'TOOL_CALL' } as const
const CHOICES: Readonly<Record<string, string>> = { REQUIRED: 'required', NONE: 'none' }
/** What Cohere puts in front of every prompt, and doesn't charge. */
const PREAMBLE_TOKENS = 480

/** Cohere's wire. */
export const cohere: SimulatedProvider = {
  name: 'cohere',
  refuse: refuseBearer,
  read,
  notJson: NOT_JSON,
  whole,
  frames,
  headers: (requestId) => ({ 'x-debug-trace-id': requestId }),
  refusalFor: plainRefusal,
  failureBody: ({ message }, requestId) => ({ id: requestId, message }),
  failureFrame: ({ message }) => {
    const delta = { finish_reason: 'ERROR', usage: {}, error: message, error_type: 'INTERNAL' }
    return `${event({ type: 'message-end', delta })}data: [DONE]\n\n`
  },
  garbageFrame: 'event: content-delta\ndata: {"type":"content-delta","index":0,"delta":{"mess\n\n',
  models: (names) => ({ models: names.map((name) => ({ name, endpoints: ['chat'], context_length: 256_000 })) }),
}

function read(body: JsonObject): Result<Ask, Refusal> {
  const { model, messages, tools, thinking, max_tokens, tool_choice, response_format } = body
  const format = isJsonObject(response_format) ? response_format : {}
  const schema = format['json_schema']
  const chat = {
    model,
    messages,
    tools,
    max_tokens,
    tool_choice: typeof tool_choice === 'string' ? CHOICES[tool_choice] : undefined,
    response_format: schema === undefined ? format : { type: 'json_schema', json_schema: { schema } },
  }
  return readAsChat(chat, {
    isStreamed: body['stream'] === true,
    hasPreamble: true,
    reasoning: isJsonObject(thinking) && thinking['type'] === 'enabled' ? 'shown' : 'none',
  })
}

function whole(reply: Reply): Json {
  const [choice] = reply.choices
  const parts = choice?.parts ?? []
  const calls = callsOf(parts)
  const thinking = textOf(parts, 'thinking')
  const text = textOf(parts, 'text')
  const isPlan = calls.length > 0 && text !== undefined
  const content = [
    ...(thinking === undefined ? [] : [{ type: 'thinking', thinking }]),
    ...(text === undefined || isPlan ? [] : [{ type: 'text', text }]),
  ]
  const message = {
    role: 'assistant',
    ...(isPlan ? { tool_plan: text } : {}),
    ...(calls.length === 0 ? {} : { tool_calls: calls.map((call) => callOf(call, wordsOf(call))) }),
    ...(content.length === 0 ? {} : { content }),
  }
  return { id: reply.id, message, finish_reason: finishOf(reply), usage: usageOf(reply) }
}

function* frames(reply: Reply): Generator<ReplyFrame> {
  const parts = reply.choices[0]?.parts ?? []
  const other = (value: JsonObject): ReplyFrame => ({ kind: 'other', text: event(value), tokens: 0 })
  const message = { role: 'assistant', content: [], tool_plan: '', tool_calls: [], citations: [] }
  yield other({ id: reply.id, type: 'message-start', delta: { message } })
  const isPlan = callsOf(parts).length > 0
  let index = 0
  let calls = 0
  for (const part of parts) {
    if (part.kind === 'tool-call') yield* callFrames(part, calls++)
    else if (part.kind === 'text' && isPlan) yield* planFrames(part)
    else yield* contentFrames(part, part.kind, index++)
  }
  const delta = { finish_reason: finishOf(reply), usage: usageOf(reply) }
  yield { kind: 'ending', text: event({ type: 'message-end', delta }), tokens: 0 }
  yield { kind: 'ending', text: 'data: [DONE]\n\n', tokens: 0 }
}

function* contentFrames(part: ReplyPart, kind: 'text' | 'thinking', index: number): Generator<ReplyFrame> {
  const said = (type: string, content: JsonObject): string => event({ type, index, delta: { message: { content } } })
  yield { kind: 'other', text: said('content-start', { type: kind, [kind]: '' }), tokens: 0 }
  for (const piece of part.pieces()) {
    yield { kind: 'content', text: said('content-delta', { [kind]: piece }), tokens: 1 }
  }
  yield { kind: 'other', text: event({ type: 'content-end', index }), tokens: 0 }
}

function* planFrames(part: ReplyPart): Generator<ReplyFrame> {
  for (const piece of part.pieces()) {
    const text = event({ type: 'tool-plan-delta', delta: { message: { tool_plan: piece } } })
    yield { kind: 'content', text, tokens: 1 }
  }
}

function* callFrames(call: Extract<ReplyPart, { readonly kind: 'tool-call' }>, index: number): Generator<ReplyFrame> {
  const said = (type: string, tool_calls: JsonObject): string =>
    event({ type, index, delta: { message: { tool_calls } } })
  yield { kind: 'other', text: said('tool-call-start', callOf(call, '')), tokens: call.nameTokens }
  for (const piece of call.pieces()) {
    yield { kind: 'content', text: said('tool-call-delta', { function: { arguments: piece } }), tokens: 1 }
  }
  yield { kind: 'other', text: event({ type: 'tool-call-end', index }), tokens: 0 }
}

function callOf(call: Extract<ReplyPart, { readonly kind: 'tool-call' }>, text: string): JsonObject {
  return { id: `${call.name}_${call.id}`, type: 'function', function: { name: call.name, arguments: text } }
}

function finishOf(reply: Reply): string | null {
  const finish = reply.choices[0]?.finish ?? 'stop'
  return reply.choices[0]?.finish === null ? null : FINISH[finish]
}

function usageOf({ usage }: Reply): JsonObject {
  if (usage === null) return {}
  const { input, output, reasoning } = usage
  return {
    billed_units: { input_tokens: input, output_tokens: output },
    tokens: {
      input_tokens: input + PREAMBLE_TOKENS,
      output_tokens: output + 2,
      ...(reasoning > 0 ? { reasoning_tokens: reasoning } : {}),
    },
    cached_tokens: PREAMBLE_TOKENS,
  }
}

function event(value: JsonObject): string {
  return `event: ${String(value['type'])}\ndata: ${JSON.stringify(value)}\n\n`
}
