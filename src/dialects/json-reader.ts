// What readers of streams of JSON messages share: the empty and the unreadable message, the last word, the error event.
// A dialect adds what its messages mean.
import { parseJson } from '../core/json.ts'
import type { Json } from '../core/json.ts'
import type { NeutralEvent } from '../core/neutral.ts'
import type { Usage } from '../core/money/usage.ts'
import { DONE_DATA } from '../wire/openai-chat.ts'
import type { Frame } from './dialect.ts'
import type { WatchedReader } from './event-meter.ts'
import { brokenStream, readErrorBody } from './failures/provider-error.ts'
import { ReplyEvents } from './reply-events.ts'

/** The choice of a provider that gives one reply a request. */
export const ONLY_CHOICE = 0

/** Reads a stream message by message; `read` says what one means. */
export abstract class JsonReader implements WatchedReader {
  protected readonly events = new ReplyEvents()

  get usage(): Usage | null {
    return this.events.reported
  }

  get isFinished(): boolean {
    return this.events.isFinished
  }

  push(frame: Frame): readonly NeutralEvent[] {
    if (frame.data === '' || this.events.isOver) return []
    if (frame.data.trim() === DONE_DATA) this.events.close(true)
    else this.take(frame)
    return this.events.take()
  }

  end(): readonly NeutralEvent[] {
    this.events.close(false)
    return this.events.take()
  }

  /** What a message means; `event` is the name it came under. */
  protected abstract read(message: Json, event: string): void

  private take({ data, event }: Frame): void {
    const message = parseJson(data)
    if (message !== undefined) return event === 'error' ? this.fail(message) : this.read(message, event)
    const isText = event === 'error' && !/^\s*[<{[]/.test(data)
    this.events.fail(
      isText ? readErrorBody({ error: data }) : brokenStream('The provider sent a message that is not JSON.'),
    )
  }

  private fail(message: Json): void {
    this.events.fail(readErrorBody(typeof message === 'string' ? { error: message } : message))
  }
}
