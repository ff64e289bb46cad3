// Reads along on the native lane, where nobody else makes events, so that the reply can be cached.
import type { NeutralEvent } from '../../core/neutral.ts'
import type { Frame, StreamReader } from '../../dialects/dialect.ts'

/** Events are collected for the reply cache up to this many characters of visible output. */
export const COLLECTED_CHARS_MAX = 1_000_000

export class EventCollector {
  readonly #reader: StreamReader
  #events: NeutralEvent[] | null = []
  #chars = 0

  constructor(reader: StreamReader) {
    this.#reader = reader
  }

  get events(): readonly NeutralEvent[] | null {
    return this.#events
  }

  push(frame: Frame): void {
    if (this.#events === null) return
    this.#chars += frame.data.length
    if (this.#chars > COLLECTED_CHARS_MAX * 4) this.#events = null
    else this.#events.push(...this.#reader.push(frame))
  }

  end(): void {
    this.#events?.push(...this.#reader.end())
  }
}
