// What recorded Gemini replies say: bodies cut with JSON.parse and what is found in them joined. Shares no code with the
// dialect.
import { parseJson } from '../../src/core/json.ts'
import type { Json, JsonObject } from '../../src/core/json.ts'
import { arrayOf, objectOf } from '../../src/wire/read.ts'

/** Every message of a body, whatever frames it: one, an array, or events. */
export function messagesIn(body: string): readonly JsonObject[] {
  const whole = parseJson(body)
  if (whole !== undefined) return (Array.isArray(whole) ? whole : [whole]).map(objectOf)
  const events = body.split(/\r?\n/).flatMap((line) => (line.startsWith('data:') ? [line.slice(5)] : []))
  return events.flatMap((data) => [objectOf(parseJson(data))])
}

/** What a candidate says, in the terms that are compared. */
export interface Naive {
  readonly text: string
  readonly thoughts: string
  readonly calls: readonly Json[]
  readonly signatures: readonly Json[]
  readonly pictures: number
  readonly finish: Json | undefined
}

/** The candidate of this number. */
export function naive(messages: readonly JsonObject[], index: number): Naive {
  const candidates = messages.flatMap((message) =>
    arrayOf(message['candidates'])
      .map(objectOf)
      .filter((candidate, place) => Number(candidate['index'] ?? place) === index),
  )
  const parts = candidates.flatMap((candidate) => arrayOf(objectOf(candidate['content'])['parts']).map(objectOf))
  const texts = (isThought: boolean): string =>
    parts.map((part) => ((part['thought'] === true) === isThought ? String(part['text'] ?? '') : '')).join('')
  return {
    text: texts(false),
    thoughts: texts(true),
    calls: parts.flatMap((part) => {
      const call = part['functionCall']
      return call === undefined ? [] : [{ name: objectOf(call)['name'] ?? '', args: objectOf(call)['args'] ?? {} }]
    }),
    // Code and its results keep theirs inside.
    signatures: parts.flatMap((part) => ('executableCode' in part ? [] : [part['thoughtSignature'] ?? []])).flat(),
    pictures: parts.filter((part) => 'inlineData' in part).length,
    finish: candidates.map((candidate) => candidate['finishReason']).findLast((reason) => reason !== undefined),
  }
}

/** Whether a model gave up: a call that can't be made, or a reason that nobody names. */
export function hasFailed(body: string): boolean {
  return /"finishReason": ?"(?:OTHER|UNEXPECTED_TOOL_CALL|MALFORMED_FUNCTION_CALL)"/.test(body)
}

/** How a candidate ends, in neutral words. */
export function finishOf({ finish, calls }: Naive, isBlocked: boolean): string {
  if (finish === undefined) return isBlocked ? 'filtered' : 'stop'
  if (finish === 'MAX_TOKENS' || finish === 2) return 'length'
  const isOrdinary = finish === 'STOP' || finish === 1 || String(finish).startsWith('FAKE')
  if (!isOrdinary) return 'filtered'
  return calls.length > 0 ? 'tool-calls' : 'stop'
}
