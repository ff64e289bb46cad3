// Recorded replies of Cohere, Ollama and TGI: however the bytes are cut, the reply is the same, and it says what a naive
// look at the same bytes says.
import { describe, expect, test } from 'vitest'
import { fold } from '../../src/core/fold.ts'
import { parseJson } from '../../src/core/json.ts'
import type { Json, JsonObject } from '../../src/core/json.ts'
import type { NeutralReply } from '../../src/core/neutral.ts'
import { completionTokens, promptTokens } from '../../src/core/usage.ts'
import { arrayOf, isJsonArray, objectOf } from '../../src/wire/read.ts'
import { type Exchange, chunkings, loadExchanges, missingCorpus } from './exchanges.ts'
import { eventsOf, readingOf } from './readers.ts'

if (missingCorpus !== null) test.skip(`recorded replies: ${missingCorpus}`, () => {})

/** What is compared. Reasoning is all thinking and planning in a row; usage is prompt and completion. */
interface Naive {
  text: string
  reasoning: string
  calls: { name: string; args: Json }[]
  finish: string
  usage: readonly [prompt: number, completion: number] | null
}

const APIS = ['cohere.v1.chat', 'cohere.v2.chat', 'ollama.chat', 'ollama.generate', 'tgi.generate'] as const

for (const api of APIS) {
  const exchanges = loadExchanges(api).filter(({ status }) => status === 200)
  describe.runIf(exchanges.length > 0)(`recorded ${api}`, () => {
    test.each(exchanges.map((exchange) => [exchange.id, exchange] as const))('%s', (_, exchange) => {
      const reading = readingOf(exchange)
      if (typeof reading === 'string') throw new Error(reading)
      const replies = Object.values(chunkings(exchange)).map((chunks) => fold(eventsOf(reading, exchange, chunks)))
      const [reply] = replies
      if (reply === undefined) throw new Error('nothing was read')
      for (const other of replies) expect(other).toEqual(reply)
      const expected = naive(exchange)
      if (expected.finish === 'ERROR') {
        expect(reply.failure?.message).toContain('invalid tool generation')
        return
      }
      expect(reply.failure).toBeNull()
      expect(said(reply)).toEqual(expected)
    })
  })
}

function said(reply: NeutralReply): Naive {
  const parts = reply.choices.flatMap((choice) => choice.parts)
  const textOf = (kind: string): string =>
    parts.map((part) => (part.kind === kind && 'text' in part ? part.text : '')).join('')
  return {
    text: textOf('text'),
    reasoning: textOf('reasoning'),
    calls: parts.flatMap((part) =>
      part.kind === 'tool-call' ? [{ name: part.name, args: parseJson(part.argumentsText) ?? null }] : [],
    ),
    finish: reply.choices[0]?.finish ?? '',
    usage: reply.usage === null ? null : [promptTokens(reply.usage), completionTokens(reply.usage)],
  }
}

/** The messages of a body: one, a line each, or the `data:` lines of events. */
function messagesOf(exchange: Exchange): readonly JsonObject[] {
  const text = new TextDecoder().decode(exchange.bytes)
  if (!exchange.isStreamed) return [objectOf(parseJson(text))]
  const lines = text.split(/\r?\n/).map((line) => line.replace(/^data: ?/, ''))
  return lines.flatMap((line) => {
    const value = parseJson(line)
    return value === undefined || isJsonArray(value) ? [] : [objectOf(value)]
  })
}

function naive(exchange: Exchange): Naive {
  const result: Naive = { text: '', reasoning: '', calls: [], finish: 'stop', usage: null }
  const pieces: Record<string, string> = {}
  for (const message of messagesOf(exchange)) {
    if (exchange.api.startsWith('ollama')) addOllama(result, message)
    else if (exchange.api === 'tgi.generate') addTgi(result, message)
    else addCohere(result, message, pieces)
  }
  const last = Object.keys(pieces).length
  result.calls.slice(result.calls.length - last).forEach((call, index) => {
    call.args = parseJson(pieces[index] === '' ? '{}' : (pieces[index] ?? '{}')) ?? null
  })
  if (result.finish === 'stop' && result.calls.length > 0) result.finish = 'tool-calls'
  return result
}

function addOllama(result: Naive, message: JsonObject): void {
  const inner = objectOf(message['message'])
  result.text += String(inner['content'] ?? message['response'] ?? '')
  result.reasoning += String(inner['thinking'] ?? message['thinking'] ?? '')
  for (const call of arrayOf(inner['tool_calls'])) {
    const callee = objectOf(objectOf(call)['function'])
    result.calls.push({ name: String(callee['name']), args: callee['arguments'] ?? null })
  }
  if (message['done_reason'] === 'length') result.finish = 'length'
  if (message['eval_count'] !== undefined) {
    result.usage = [Number(message['prompt_eval_count'] ?? 0), Number(message['eval_count'])]
  }
}

function addTgi(result: Naive, message: JsonObject): void {
  const details = objectOf(message['details'])
  result.text += String(message['generated_text'] ?? '')
  if (details['finish_reason'] === 'length') result.finish = 'length'
  result.usage = [arrayOf(details['prefill']).length, Number(details['generated_tokens'])]
}

function addCohere(result: Naive, message: JsonObject, pieces: Record<string, string>): void {
  const delta = objectOf(message['delta'])
  const inner = objectOf(delta['message'] ?? message['message'])
  if (message['event_type'] === 'text-generation') result.text += String(message['text'])
  result.reasoning += String(inner['tool_plan'] ?? '')
  const content = inner['content']
  for (const part of isJsonArray(content) ? content : [content]) {
    result.text += String(objectOf(part)['text'] ?? '')
    result.reasoning += String(objectOf(part)['thinking'] ?? '')
  }
  const calls = inner['tool_calls']
  for (const call of isJsonArray(calls) ? calls : [calls]) {
    const callee = objectOf(objectOf(call)['function'])
    const index = message['type'] === undefined ? result.calls.length : Number(message['index'])
    if (callee['name'] !== undefined) result.calls.push({ name: String(callee['name']), args: null })
    if (callee['name'] !== undefined || callee['arguments'] !== undefined) {
      pieces[index] = (pieces[index] ?? '') + String(callee['arguments'] ?? '')
    }
  }
  const reason = delta['finish_reason'] ?? message['finish_reason']
  if (reason === 'MAX_TOKENS') result.finish = 'length'
  if (reason === 'ERROR') result.finish = 'ERROR'
  const meta = objectOf(message['response'])['meta']
  const billed = objectOf(objectOf(delta['usage'] ?? message['usage'] ?? meta)['billed_units'])
  if (billed['input_tokens'] !== undefined) {
    result.usage = [Number(billed['input_tokens']), Number(billed['output_tokens'])]
  }
}
