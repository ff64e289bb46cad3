// `x-tidegate-smooth`: a stream whose text comes in odd lumps leaves evenly. It stands between the relay and the client's
// stream, holds whole events back for a moment and lets them go in order; the first text, and the end, wait for nothing.
import { Pacer } from '../../core/reply/pacer.ts'
import type { NeutralEvent } from '../../core/neutral.ts'
import type { StreamWriter } from '../../protocols/protocol.ts'
import type { ClientSink } from './client-stream.ts'

/** Longest that anything is held back: `true` asks for this, a number for less. */
const LAG_MS_MAX = 400
/** Bytes held back before the provider has to wait. */
const HELD_BYTES_MAX = 65_536

/** The lag that a header's value asks for; null for none. */
export function smoothLagMs(value: string | null): number | null {
  if (value === null) return null
  if (value.trim() === 'true') return LAG_MS_MAX
  const ms = Number(value)
  return Number.isFinite(ms) && ms > 0 ? Math.min(LAG_MS_MAX, ms) : null
}

/** A client's stream that evens out what is written to it. */
export class SmoothStream implements ClientSink {
  readonly #inner: ClientSink
  readonly #pacer: Pacer
  readonly #nowMs: () => number
  #held: Uint8Array[] = []
  #heldBytes = 0
  #timer: ReturnType<typeof setTimeout> | null = null
  /** Set while the client doesn't take what it was given. */
  #blocked: Promise<void> | null = null
  #room: PromiseWithResolvers<void> | null = null

  constructor(inner: ClientSink, lagMs: number, nowMs: () => number) {
    this.#inner = inner
    this.#pacer = new Pacer(lagMs)
    this.#nowMs = nowMs
  }

  get isBlocked(): boolean {
    return this.#inner.isBlocked
  }

  get isGone(): boolean {
    return this.#inner.isGone
  }

  get lastWriteMs(): number {
    return this.#inner.lastWriteMs
  }

  /** Everything up to the first text goes at once, what came in the same lump after it evenly. */
  begin(pieces: readonly (Uint8Array | string)[]): Promise<void> | null {
    const events = pieces.flatMap(eventsOf)
    const first = events.findIndex((event) => SHOWN.test(decoder.decode(event)))
    const wait = this.#inner.begin(first === -1 ? events : events.slice(0, first + 1))
    // The text that goes at once is the first of its lump.
    if (first !== -1) this.#hold(events.slice(first + 1), 1)
    return this.#waitFor(wait)
  }

  write(piece: Uint8Array | string): Promise<void> | null {
    this.#hold(eventsOf(piece))
    this.#letGo()
    return this.#waitFor(null)
  }

  ping(): void {
    this.#inner.ping()
  }

  async close(last: string | null): Promise<void> {
    this.#stopTimer()
    this.#pacer.takeAll()
    try {
      await this.#blocked
      for (const event of this.#drop(this.#held.length)) await this.#inner.write(event)
      await this.#inner.close(last)
    } finally {
      this.#room?.resolve()
    }
  }

  abort(reason: unknown): void {
    this.#stopTimer()
    this.#pacer.takeAll()
    this.#drop(this.#held.length)
    this.#room?.resolve()
    this.#inner.abort(reason)
  }

  /** Takes up events of a lump of which `gone` went already. */
  #hold(events: readonly Uint8Array[], gone = 0): void {
    for (const event of events) {
      this.#held.push(event)
      this.#heldBytes += event.byteLength
    }
    const nowMs = this.#nowMs()
    this.#pacer.add(nowMs, gone + events.length)
    if (gone > 0) this.#pacer.take(nowMs)
    this.#setTimer()
  }

  #drop(count: number): readonly Uint8Array[] {
    const dropped = this.#held.splice(0, count)
    for (const event of dropped) this.#heldBytes -= event.byteLength
    return dropped
  }

  /** Writes what is due, unless the client still has to take what it was given. Throws when the client is gone. */
  #letGo(): void {
    if (this.#blocked !== null) return
    for (const event of this.#drop(this.#pacer.take(this.#nowMs()))) {
      const wait = this.#inner.write(event)
      if (wait !== null) this.#block(wait)
    }
    if (this.#blocked === null && this.#heldBytes < HELD_BYTES_MAX) this.#giveRoom()
    this.#setTimer()
  }

  #block(wait: Promise<void>): void {
    const before = this.#blocked ?? Promise.resolve()
    const blocked: Promise<void> = Promise.all([before, wait]).then(
      () => this.#unblock(blocked),
      () => this.#unblock(blocked),
    )
    this.#blocked = blocked
  }

  #unblock(blocked: Promise<void>): void {
    if (this.#blocked !== blocked) return
    this.#blocked = null
    this.#letGoQuietly()
  }

  /** The relay notices by itself that the client is gone. */
  #letGoQuietly(): void {
    try {
      this.#letGo()
    } catch {
      this.#giveRoom()
    }
  }

  #waitFor(wait: Promise<void> | null): Promise<void> | null {
    if (this.#blocked === null && this.#heldBytes < HELD_BYTES_MAX) return wait
    this.#room ??= Promise.withResolvers()
    return wait === null ? this.#room.promise : Promise.all([wait, this.#room.promise]).then(() => {})
  }

  #giveRoom(): void {
    this.#room?.resolve()
    this.#room = null
  }

  #setTimer(): void {
    this.#stopTimer()
    const { nextMs } = this.#pacer
    if (nextMs === null || this.#blocked !== null || this.isGone) return
    this.#timer = setTimeout(() => this.#letGoQuietly(), Math.max(1, Math.ceil(nextMs - this.#nowMs())))
  }

  #stopTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()
/** An event with something to read in it, in any protocol's words. */
const SHOWN = /content_block_delta|\.delta"|"(?:content|text|reasoning_content|reasoning|refusal|arguments)":"[^"]/
const LINE_FEED = 10
const CARRIAGE_RETURN = 13

/** The events in a piece of a stream that is made of whole events. What isn't ended by a blank line belongs to the last. */
export function eventsOf(piece: Uint8Array | string): readonly Uint8Array[] {
  const bytes = typeof piece === 'string' ? encoder.encode(piece) : piece
  const events: Uint8Array[] = []
  let start = 0
  for (let at = bytes.indexOf(LINE_FEED); at !== -1; at = bytes.indexOf(LINE_FEED, at + 1)) {
    const next = bytes[at + 1] === CARRIAGE_RETURN ? at + 2 : at + 1
    if (bytes[next] !== LINE_FEED) continue
    events.push(bytes.subarray(start, next + 1))
    start = next + 1
    at = next
  }
  if (start < bytes.byteLength) events.push(bytes.subarray(start))
  return events
}

/** Texts longer than this are written in several events. Characters. */
const TEXT_CHARS_MAX = 24

/** A writer that writes long texts as several short ones: then there is something to even out. */
export function splittingWriter(writer: StreamWriter): StreamWriter {
  return {
    push(event) {
      if (event.type !== 'part-delta' || event.text.length <= TEXT_CHARS_MAX) return writer.push(event)
      return wordsOf(event.text)
        .map((text): NeutralEvent => ({ ...event, text }))
        .reduce((all, piece) => all + writer.push(piece), '')
    },
    end: () => writer.end(),
    get nextNumber() {
      return writer.nextNumber ?? 0
    },
  }
}

/** `text` in pieces of a few words; joined they are `text` again. No character is cut in two. */
export function wordsOf(text: string): readonly string[] {
  return text.match(/(?:\s*\S{1,12}\s?){1,2}|\s+/gu) ?? []
}
