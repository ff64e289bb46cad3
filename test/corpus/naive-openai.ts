// What recorded replies of the chat and the completions wire say, noted down by the letter of their bodies: shares no code
// with the dialects.
import { isJsonObject, parseJson } from '../../src/core/json.ts'
import type { Json, JsonObject } from '../../src/core/json.ts'
import { arrayOf, countOf, objectOf, stringOf } from '../../src/wire/read.ts'
import type { Exchange } from './exchanges.ts'

/** Bodies of replies, whole ones and chunks: by the letter of the framing, nothing else. */
export function bodiesOf({ body, isStreamed }: Exchange): readonly JsonObject[] {
  if (!isStreamed) return [objectOf(parseJson(body))]
  return body
    .split(/\r\n|\n|\r/)
    .filter((line) => line.startsWith('data:'))
    .map((line) => objectOf(parseJson(line.slice('data:'.length).trim())))
}

/** Whether a body, or something in a stream, is an error. */
export function hasError(body: string): boolean {
  return /^(?:data: ?)?\s*\{"?\s*"?error"?/m.test(body) || /"error":\s?\{"/.test(body) || /^error:/m.test(body)
}

export interface Told {
  text: string
  reasoning: string
  readonly calls: { name: string; text: string; readonly key: string }[]
  finish: string
}

/** The choices as somebody would note them down who reads the bodies from the first to the last. */
export function noted(exchange: Exchange): readonly Told[] {
  const choices = new Map<number, Told>()
  for (const body of bodiesOf(exchange)) {
    arrayOf(body['choices']).forEach((value, position) => {
      const choice = objectOf(value)
      const number = typeof choice['index'] === 'number' ? choice['index'] : position
      const told = choices.get(number) ?? { text: '', reasoning: '', calls: [], finish: '' }
      choices.set(number, told)
      noteMessage(told, objectOf(exchange.isStreamed ? choice['delta'] : choice['message']), exchange.isStreamed)
      if (exchange.api === 'openai.completions') told.text += completionText(choice)
      told.finish = stringOf(choice['finish_reason']) ?? told.finish
    })
  }
  return [...choices].toSorted(([a], [b]) => a - b).map(([, told]) => told)
}

function completionText(choice: JsonObject): string {
  return isJsonObject(choice['delta']) ? '' : (stringOf(choice['text']) ?? '')
}

function noteMessage(told: Told, message: JsonObject, isStreamed: boolean): void {
  const { content } = message
  if (typeof content === 'string') told.text += content
  else if (Array.isArray(content)) noteList(told, content)
  else if (isJsonObject(content)) told.text += JSON.stringify(content)
  const details = arrayOf(message['reasoning_details']).map((detail) => stringOf(objectOf(detail)['text']) ?? '')
  told.reasoning += stringOf(message['reasoning_content']) ?? stringOf(message['reasoning']) ?? details.join('')
  arrayOf(message['tool_calls']).forEach((value, at) => noteCall(told, objectOf(value), at, isStreamed))
  const legacy = objectOf(message['function_call'])
  if (stringOf(legacy['name']) !== null) noteCall(told, { function: legacy }, 0, isStreamed)
}

function noteList(told: Told, content: readonly Json[]): void {
  for (const item of content) {
    const part = objectOf(item)
    told.text += stringOf(part['text']) ?? ''
    for (const inner of arrayOf(part['thinking'])) told.reasoning += stringOf(objectOf(inner)['text']) ?? ''
  }
}

function noteCall(told: Told, call: JsonObject, at: number, isStreamed: boolean): void {
  const callee = objectOf(call['function'])
  const name = stringOf(callee['name'])
  const text = stringOf(callee['arguments']) ?? ''
  const key = typeof call['index'] === 'number' && isStreamed ? `#${call['index']}` : `${stringOf(call['id']) ?? at}`
  const known = isStreamed ? told.calls.find((other) => other.key === key) : undefined
  if (known !== undefined && (name === null || typeof call['index'] === 'number')) known.text += text
  else told.calls.push({ name: name ?? '', text, key })
}

/** The last report that holds anything; cumulative ones are never added up. */
export function notedUsage(exchange: Exchange): readonly [number, number] | null {
  let last: readonly [number, number] | null = null
  for (const body of bodiesOf(exchange)) {
    const usage = objectOf(body['usage'] ?? objectOf(body['x_groq'])['usage'])
    if (countOf(usage['prompt_tokens']) + countOf(usage['completion_tokens']) > 0) last = notedCounts(usage)
  }
  return last
}

/** Prompt and completion that come to the total: what it has beyond them is Mistral's sound, which is in no prompt, or else
 *  what a model thought. */
export function notedCounts(usage: JsonObject): readonly [number, number] {
  const [prompt, completion] = [countOf(usage['prompt_tokens']), countOf(usage['completion_tokens'])]
  const beyond = Math.max(0, countOf(usage['total_tokens']) - prompt - completion)
  return usage['prompt_audio_seconds'] === undefined ? [prompt, completion + beyond] : [prompt + beyond, completion]
}
