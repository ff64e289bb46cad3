// The legal order of a streamed response's events, as a checker: numbers dense; every item and content part added before it
// is said and done once; deltas that add up to what the done events tell; and a last event whose output is the items done.
import { isDeepStrictEqual } from 'node:util'
import { parseJson } from '../../src/core/json.ts'
import type { Json, JsonObject } from '../../src/core/json.ts'
import { arrayOf, countOf, objectOf, stringOf } from '../../src/wire/read.ts'

/** The events of a stream's text. Every event's name has to be its type. */
export function responseEvents(text: string): readonly JsonObject[] {
  return text
    .split('\n\n')
    .filter((block) => block !== '')
    .map((block) => {
      const [name, data] = block.split('\n')
      const event = objectOf(parseJson(String(data).slice('data: '.length)))
      if (name !== `event: ${String(event['type'])}`) throw new Error(`${String(name)} names another event`)
      return event
    })
}

interface Item {
  readonly id: Json | undefined
  readonly type: Json | undefined
  /** Texts that grow, by kind and number. */
  readonly texts: Map<string, string>
  readonly open: Set<string>
  /** Texts that were told whole. */
  readonly told: Set<string>
  contents: number
  annotations: number
  done: JsonObject | null
}

/** What is wrong with the order; null for nothing. */
export function responseObjection(events: readonly JsonObject[]): string | null {
  const items: Item[] = []
  for (const [at, event] of events.entries()) {
    if (event['sequence_number'] !== at) return `event ${at} has the number ${String(event['sequence_number'])}`
    const type = String(event['type'])
    const expected = ['response.created', 'response.in_progress'][at]
    if (expected !== undefined && type !== expected) return `${type} where ${expected} was due`
    const isLast = at === events.length - 1
    if (/^response\.(?:completed|incomplete)$/.test(type) !== isLast) return `${type} at place ${at}`
    const objection = isLast ? lastObjection(event, items) : at < 2 ? null : itemObjection(type, event, items)
    if (objection !== null) return `${type}: ${objection}`
  }
  return null
}

function lastObjection(event: JsonObject, items: readonly Item[]): string | null {
  const response = objectOf(event['response'])
  if (event['type'] !== `response.${String(response['status'])}`) return 'another status'
  const done = items.map((item) => item.done)
  if (done.includes(null)) return 'an item is not done'
  return isDeepStrictEqual(response['output'], done) ? null : 'the output is not the items that were done'
}

function itemObjection(type: string, event: JsonObject, items: Item[]): string | null {
  const index = countOf(event['output_index'])
  if (type === 'response.output_item.added') {
    if (index !== items.length) return `item ${index} where ${items.length} was due`
    const { id, type: kind } = objectOf(event['item'])
    if (stringOf(id) === null || items.some((item) => item.id === id)) return `the id ${String(id)}`
    items.push({
      id,
      type: kind,
      texts: new Map(),
      open: new Set(),
      told: new Set(),
      contents: 0,
      annotations: 0,
      done: null,
    })
    return null
  }
  const item = items[index]
  if (item === undefined || item.done !== null) return `item ${index} is not open`
  if (type === 'response.output_item.done') return doneObjection(item, objectOf(event['item']))
  return event['item_id'] === item.id ? pieceObjection(type, event, item) : 'another item’s id'
}

function doneObjection(item: Item, done: JsonObject): string | null {
  item.done = done
  if (done['id'] !== item.id || done['type'] !== item.type) return 'another item than was added'
  if (item.open.size > 0) return `${[...item.open].join()} still open`
  if (/^(?:function|custom_tool)_call$/.test(String(done['type'])) && !item.told.has('arguments')) return 'no arguments'
  const said = [
    ...arrayOf(done['content']).map((part, at) => [`content.${at}`, textOf(objectOf(part))] as const),
    ...arrayOf(done['summary']).map((part, at) => [`summary.${at}`, textOf(objectOf(part))] as const),
    ...['arguments', 'input'].flatMap((name) => (name in done ? [['arguments', String(done[name])] as const] : [])),
  ]
  const wrong = said.find(([key, text]) => (item.texts.get(key) ?? '') !== text)
  return wrong === undefined ? null : `${wrong[0]} is not what its deltas say`
}

function textOf(part: JsonObject): string {
  return String(part['text'] ?? part['refusal'])
}

const PIECES: Readonly<Record<string, string>> = {
  output_text: 'content',
  refusal: 'content',
  content_part: 'content',
  reasoning_summary_part: 'summary',
  reasoning_summary_text: 'summary',
  function_call_arguments: 'arguments',
  custom_tool_call_input: 'arguments',
}

function pieceObjection(type: string, event: JsonObject, item: Item): string | null {
  const [, name = '', what = ''] = type.split('.')
  const kind = PIECES[name]
  if (kind === undefined) return 'not an event of the API'
  const number = kind === 'arguments' ? null : countOf(event[kind === 'content' ? 'content_index' : 'summary_index'])
  const key = number === null ? kind : `${kind}.${number}`
  if (what === 'added') {
    if (number !== item.contents) return `piece ${String(number)} where ${item.contents} was due`
    item.contents += 1
    item.annotations = 0
    item.open.add(key)
    return null
  }
  if (number !== null && !item.open.has(key)) return `${key} is not open`
  if (what === 'annotation')
    return event['annotation_index'] === item.annotations++ ? null : 'an annotation out of order'
  if (what === 'delta') {
    item.texts.set(key, (item.texts.get(key) ?? '') + String(event['delta']))
    return null
  }
  const isPart = name.endsWith('_part')
  const said = isPart ? textOf(objectOf(event['part'])) : spokenIn(event)
  if (isPart && !item.told.has(key)) return `${key} was not told whole`
  if (isPart) item.open.delete(key)
  else item.told.add(key)
  return said === (item.texts.get(key) ?? '') ? null : `${key} is not what its deltas say`
}

function spokenIn(event: JsonObject): string {
  return String(event['text'] ?? event['refusal'] ?? event['arguments'] ?? event['input'])
}
