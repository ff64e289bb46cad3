// What recorded replies of the responses wire say, by the letter of their bytes: shares no code with the dialect.
import { parseJson } from '../../src/core/json.ts'
import type { Json, JsonObject } from '../../src/core/json.ts'
import { arrayOf, countOf, isJsonArray, objectOf, stringOf } from '../../src/wire/read.ts'
import type { Exchange } from './exchanges.ts'

/** What a reply says, in the terms that are compared. */
export interface Said {
  readonly text: string
  readonly refusal: string
  readonly reasoning: string
  readonly encrypted: readonly string[]
  readonly calls: readonly Json[]
  readonly others: readonly string[]
  readonly urls: readonly string[]
  readonly finish: string | null
  readonly usage: readonly number[] | null
}

/** The reply by the letter of its last event, or of its items where that has none; null for a failure. */
export function plainReading(exchange: Exchange): Said | null {
  if (!exchange.isStreamed) return plainResponse(objectOf(parseJson(exchange.body)), null)
  const events = exchange.body
    .split(/\r?\n/)
    .filter((line) => line.startsWith('data:') && line.slice(5).trim() !== '[DONE]')
    .map((line) => parseJson(line.slice(5)))
  if (events.includes(undefined)) return null
  const all = events.map((event) => objectOf(event))
  const last = all.find((event) => /^response\.(?:completed|incomplete|failed)$/.test(String(event['type'])))
  if (last === undefined || all.some((event) => event['type'] === 'error')) return null
  const done = all
    .filter((event) => event['type'] === 'response.output_item.done')
    .map((event) => event['item'] ?? null)
  const said = plainResponse(objectOf(last['response']), done)
  const deltas = all.filter((event) => event['type'] === 'response.output_text.delta').map((event) => event['delta'])
  // Where deltas and items differ, clients have shown the deltas.
  return said === null || deltas.length === 0 ? said : { ...said, text: deltas.join('') }
}

function plainResponse(response: JsonObject, done: readonly Json[] | null): Said | null {
  if (response['status'] === 'failed' || !isJsonArray(response['output'])) return null
  const output = done !== null && done.length > 0 ? done : response['output']
  const items = output.map((item) => objectOf(item))
  const ofType = (type: string): readonly JsonObject[] => items.filter((item) => item['type'] === type)
  const contents = ofType('message').flatMap((item) => arrayOf(item['content']).map((part) => objectOf(part)))
  const calls = items.filter((item) => item['type'] === 'function_call' || item['type'] === 'custom_tool_call')
  const known = ['message', 'reasoning', 'function_call', 'custom_tool_call']
  const reason = objectOf(response['incomplete_details'])['reason'] === 'content_filter' ? 'filtered' : 'length'
  const usage = objectOf(response['usage'])
  const tokens = [countOf(usage['input_tokens']), countOf(usage['output_tokens'])]
  return {
    text: contents.map((part) => stringOf(part['text']) ?? '').join(''),
    refusal: contents.map((part) => stringOf(part['refusal']) ?? '').join(''),
    reasoning: ofType('reasoning')
      .flatMap((item) => {
        const summary = arrayOf(item['summary'])
        return (summary.length > 0 ? summary : arrayOf(item['content'])).map((part) => objectOf(part)['text'])
      })
      .join('')
      .replaceAll('\n\n', ''),
    encrypted: ofType('reasoning').flatMap((item) => stringOf(item['encrypted_content']) ?? []),
    calls: calls.map((item) => [
      String(item['call_id']),
      String(item['name']),
      String(item['arguments'] ?? item['input']),
    ]),
    others: items.flatMap((item) => (known.includes(String(item['type'])) ? [] : [String(item['type'])])),
    urls: contents
      .flatMap((part) => arrayOf(part['annotations']))
      .flatMap((note) => stringOf(objectOf(note)['url']) ?? []),
    finish: response['status'] === 'incomplete' ? reason : 'stop',
    usage: response['usage'] === null || response['usage'] === undefined ? null : tokens,
  }
}
