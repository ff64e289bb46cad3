// Ollama's own chat wire: a line of JSON a token, calls whole in a line of their own, counts in the last one
// (https://docs.ollama.com/api/chat). Pure.
import { isJsonObject, type Json, type JsonObject } from '../core/json.ts'
import type { Result } from '../core/result.ts'
import { argumentsOf, callsOf, NOT_JSON, plainRefusal, readAsChat, refuseBearer, textOf } from './plain-provider.ts'
import type { Ask, Refusal, Reply, ReplyFrame, ReplyPart, SimulatedProvider } from './provider.ts'

/** Ollama's wire. A key is asked for, as behind a proxy, so that a missing one shows. */
export const ollama: SimulatedProvider = {
  name: 'ollama',
  refuse: refuseBearer,
  read,
  notJson: NOT_JSON,
  whole: (reply, ask) => lastLine(reply, ask, messageOf(reply.choices[0]?.parts ?? [])),
  frames,
  streamType: () => 'application/x-ndjson',
  headers: () => ({}),
  refusalFor: plainRefusal,
  failureBody: ({ message }) => ({ error: message }),
  failureFrame: ({ message }) => `${JSON.stringify({ error: message })}\n`,
  garbageFrame: '{"model":"sim","message":{"role":"assistant","cont\n',
  models: (names) => ({ models: names.map((name) => ({ name, model: name, details: { family: 'simulated' } })) }),
}

function read(body: JsonObject): Result<Ask, Refusal> {
  const { model, messages, tools, format, think } = body
  const options = isJsonObject(body['options']) ? body['options'] : {}
  const bound = options['num_predict']
  const chat = {
    model,
    messages,
    tools,
    ...(typeof bound === 'number' && bound > 0 ? { max_tokens: bound } : {}),
    ...(format === undefined ? {} : { response_format: formatOf(format) }),
  }
  const images = Array.isArray(messages) ? messages.reduce<number>((sum, message) => sum + imagesIn(message), 0) : 0
  const isThinking = think === true || typeof think === 'string'
  return readAsChat(chat, {
    isStreamed: body['stream'] !== false,
    images,
    reasoning: isThinking ? 'shown' : 'none',
  })
}

function imagesIn(message: Json): number {
  return isJsonObject(message) && Array.isArray(message['images']) ? message['images'].length : 0
}

function formatOf(format: Json): Json {
  return format === 'json' ? { type: 'json_object' } : { type: 'json_schema', json_schema: { schema: format } }
}

function messageOf(parts: readonly ReplyPart[]): JsonObject {
  const thinking = textOf(parts, 'thinking')
  const calls = callsOf(parts).map((call, index) => callOf(call, index))
  return {
    role: 'assistant',
    content: textOf(parts, 'text') ?? '',
    ...(thinking === undefined ? {} : { thinking }),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  }
}

function callOf(call: Extract<ReplyPart, { readonly kind: 'tool-call' }>, index: number): JsonObject {
  return { id: `call_${call.id}`, function: { index, name: call.name, arguments: argumentsOf(call) } }
}

function line(reply: Reply, ask: Ask, message: JsonObject): JsonObject {
  const createdAt = new Date(reply.createdSeconds * 1000).toISOString()
  return {
    model: ask.model,
    created_at: createdAt,
    message: { role: 'assistant', content: '', ...message },
    done: false,
  }
}

function lastLine(reply: Reply, ask: Ask, message: JsonObject): JsonObject {
  const finish = reply.choices[0]?.finish
  const { usage } = reply
  return {
    ...line(reply, ask, message),
    done: finish !== null,
    ...(finish === null ? {} : { done_reason: finish === 'length' ? 'length' : 'stop' }),
    total_duration: 1_671_921_584,
    ...(usage === null ? {} : { prompt_eval_count: usage.input, eval_count: usage.output }),
  }
}

function* frames(reply: Reply, ask: Ask): Generator<ReplyFrame> {
  const text = (message: JsonObject): string => `${JSON.stringify(line(reply, ask, message))}\n`
  let calls = 0
  for (const part of reply.choices[0]?.parts ?? []) {
    if (part.kind === 'tool-call') {
      yield { kind: 'content', text: text({ tool_calls: [callOf(part, calls)] }), tokens: part.tokens }
      calls += 1
      continue
    }
    const name = part.kind === 'text' ? 'content' : 'thinking'
    for (const piece of part.pieces()) yield { kind: 'content', text: text({ [name]: piece }), tokens: 1 }
  }
  yield { kind: 'ending', text: `${JSON.stringify(lastLine(reply, ask, {}))}\n`, tokens: 0 }
}
