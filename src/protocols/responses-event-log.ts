// The running numbers of a streamed response: of its events, and of its items, whose final forms are kept for the last event.
// https://platform.openai.com/docs/api-reference/responses-streaming
import type { JsonObject } from '../core/json.ts'

/** How the ids of responses begin. */
export const RESPONSE_ID_PREFIX = 'resp_'

/** An event as text; its name is its type. */
export function eventText(event: JsonObject & { readonly type: string }): string {
  return `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`
}

/** The members of an object as text, without its braces. */
export function membersText(members: JsonObject): string {
  return JSON.stringify(members).slice(1, -1)
}

/** Numbers the events and the items of one stream. */
export class EventLog {
  readonly output: JsonObject[] = []
  readonly nextId: (prefix: string) => string
  private sequence = 0
  private items = 0

  constructor(nextId: (prefix: string) => string) {
    this.nextId = nextId
  }

  event(type: string, fields: JsonObject): string {
    const sequence_number = this.sequence
    this.sequence += 1
    return eventText({ type, sequence_number, ...fields })
  }

  /** A delta at `place`, the text of its members: nearly all events of a stream are of this kind. */
  delta(type: string, place: string, delta: string, more = ''): string {
    const head = `event: ${type}\ndata: {"type":"${type}","sequence_number":${this.sequence},${place}`
    this.sequence += 1
    return `${head},"delta":${JSON.stringify(delta)}${more}}\n\n`
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
