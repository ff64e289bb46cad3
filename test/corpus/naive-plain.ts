// What recorded replies of Cohere, Ollama and TGI say, by a naive look at their bytes: shares no code with the dialects.
import { parseJson } from '../../src/core/json.ts'
import type { Json, JsonObject } from '../../src/core/json.ts'
import { arrayOf, isJsonArray, objectOf } from '../../src/wire/read.ts'
import type { Exchange } from './exchanges.ts'

/** What is compared. Reasoning is all thinking and planning in a row; usage is prompt and completion. */
export interface Naive {
  text: string
  reasoning: string
  calls: { name: string; args: Json }[]
  finish: string
  usage: readonly [prompt: number, completion: number] | null
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

/** What a reply says. */
export function naive(exchange: Exchange): Naive {
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
