// The running numbers of a streamed response: of its events, and of its items, whose final forms are kept for the last event.
// https://platform.openai.com/docs/api-reference/responses-streaming
import type { JsonObject } from '../../core/json.ts'
import { escapedText } from '../../wire/write.ts'

/** How the ids of responses begin. */
export const RESPONSE_ID_PREFIX = 'resp_'

/** An event as text; its name is its type. */
export function eventText(event: JsonObject & { readonly type: string }): string {
  return `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`
}

/** What stands behind the text of a delta that says nothing else. */
const DELTA_END = '"}\n\n'

/** What stands before and behind the number of a delta. */
export interface DeltaHeads {
  readonly type: string
  readonly place: string
}

/** The heads of deltas of a type in a place, which is told by members. */
export function deltaHeads(type: string, place: JsonObject): DeltaHeads {
  return {
    type: eventHead(type),
    place: `,${JSON.stringify(place).slice(1, -1)},"delta":"`,
  }
}

/** An event up to its number. */
function eventHead(type: string): string {
  return `event: ${type}\ndata: {"type":"${type}","sequence_number":`
}

/** Numbers the events and the items of one stream. */
export class EventLog {
  readonly output: JsonObject[] = []
  readonly nextId: (prefix: string) => string
  private sequence: number
  private items: number

  /** `next` and `items`: the number of the next event, and what was told before it. */
  constructor(nextId: (prefix: string) => string, next = 0, items: readonly JsonObject[] = []) {
    this.nextId = nextId
    this.sequence = next
    this.items = items.length
    this.output.push(...items)
  }

  /** The number of the next event. */
  get next(): number {
    return this.sequence
  }

  event(type: string, fields: JsonObject): string {
    const sequence_number = this.sequence
    this.sequence += 1
    return eventText({ type, sequence_number, ...fields })
  }

  /** A delta in the place that `deltaHeads` was told of: nearly all events of a stream are of this kind. */
  delta(heads: DeltaHeads, delta: string, end: string = DELTA_END): string {
    const sequence = this.sequence
    this.sequence += 1
    return heads.type + sequence + heads.place + escapedText(delta) + end
  }

  /** Events that all tell the same of the response. */
  state(types: readonly string[], response: JsonObject): string {
    const end = `,"response":${JSON.stringify(response)}}\n\n`
    let text = ''
    for (const type of types) {
      text += eventHead(type) + this.sequence + end
      this.sequence += 1
    }
    return text
  }

  /** The next item's place, and the event that adds it. */
  add(item: JsonObject): { readonly index: number; readonly text: string } {
    const index = this.items
    this.items += 1
    return { index, text: this.event('response.output_item.added', { output_index: index, item }) }
  }

  done(index: number, item: JsonObject): string {
    this.output[index] = item
    return this.event('response.output_item.done', { output_index: index, item })
  }

  /** An item that comes in one piece. */
  whole(begun: JsonObject, item: JsonObject): string {
    const { index, text } = this.add(begun)
    return text + this.done(index, item)
  }
}
