// What an isolate still owes a tenant's limiter: admissions that are in flight and events that are done, in order, until
// the limiter says that they are durable. Events are serialised once. Bounded: a full journal stops admission rather
// than lose an event.
import type { AdmissionRecord, Amounts, EventChunk } from '../core/limits/limits.ts'
import { type UsageEvent, packEvent } from '../core/money/usage-event.ts'

/** An admission not yet shipped: nothing is serialised unless it has to be. */
export interface OpenAdmission {
  readonly leaseId: string
  readonly reserved: Amounts
  /** Whether a budget stands behind it. */
  readonly limitsMoney: boolean
  readonly template: UsageEvent
}

/** What a holder owes its object. */
export interface Journal {
  /** True when no more may be taken on. */
  readonly isFull: boolean
  /** True when nothing is owed. */
  readonly isEmpty: boolean
  /** Whether there is something that the object has yet to be told. */
  readonly hasNews: boolean
  /** Notes an attempt in flight. */
  admit(id: string, admission: OpenAdmission): void
  /** The attempt is over: its event replaces its admission. */
  settle(id: string, event: UsageEvent): void
  /** Adds an event without an admission. */
  add(event: UsageEvent): void
  /** Everything that is owed, for one message. What was sent before and not acknowledged is sent again as it was. */
  outgoing(): { readonly chunks: readonly EventChunk[]; readonly admissions: readonly AdmissionRecord[] }
  /** The message with these admissions may not have arrived: they go out again. */
  unsent(admissions: readonly AdmissionRecord[]): void
  /** The object has everything up to `sequence`. */
  acknowledge(sequence: number): void
}

/** A queue message holds 128 KB; a chunk travels as one. */
const CHUNK_CHARS_MAX = 90_000
/** Events and chunks kept while the limiter can't be reached. */
const EVENTS_MAX = 5_000
const CHUNKS_MAX = 200

export class EventJournal implements Journal {
  readonly #unshipped = new Map<string, OpenAdmission>()
  /** Shipped and not settled. */
  readonly #shipped = new Set<string>()
  #events: UsageEvent[] = []
  #settles: string[] = []
  #chunks: EventChunk[] = []
  #resend: AdmissionRecord[] = []
  #sequence = 0

  get isFull(): boolean {
    return this.#events.length >= EVENTS_MAX || this.#chunks.length >= CHUNKS_MAX
  }

  get isEmpty(): boolean {
    return this.#unshipped.size + this.#shipped.size + this.#events.length + this.#chunks.length === 0
  }

  /** Every admission and every event is news. */
  get hasNews(): boolean {
    return this.#unshipped.size + this.#events.length > 0
  }

  admit(id: string, admission: OpenAdmission): void {
    this.#unshipped.set(id, admission)
  }

  settle(id: string, event: UsageEvent): void {
    if (!this.#unshipped.delete(id)) {
      this.#shipped.delete(id)
      this.#settles.push(id)
    }
    this.#events.push(event)
  }

  add(event: UsageEvent): void {
    this.#events.push(event)
  }

  outgoing(): { readonly chunks: readonly EventChunk[]; readonly admissions: readonly AdmissionRecord[] } {
    const texts = this.#events.map(packEvent)
    let settles = this.#settles
    this.#events = []
    this.#settles = []
    for (let start = 0; start < texts.length;) {
      const end = chunkEnd(texts, start)
      const events = `[${texts.slice(start, end).join(',')}]`
      this.#chunks.push({ from: this.#sequence + 1, to: this.#sequence + end - start, events, settles })
      this.#sequence += end - start
      settles = []
      start = end
    }
    const admissions = this.#resend.filter(({ id }) => this.#shipped.has(id))
    this.#resend = []
    for (const [id, admission] of this.#unshipped) {
      const { leaseId, reserved, template } = admission
      admissions.push({ id, leaseId, reserved, event: packEvent(template) })
      this.#shipped.add(id)
    }
    this.#unshipped.clear()
    return { chunks: [...this.#chunks], admissions }
  }

  unsent(admissions: readonly AdmissionRecord[]): void {
    this.#resend.push(...admissions)
  }

  acknowledge(sequence: number): void {
    if (this.#chunks.length > 0) this.#chunks = this.#chunks.filter((chunk) => chunk.to > sequence)
  }
}

function chunkEnd(texts: readonly string[], start: number): number {
  let chars = 0
  let end = start
  while (end < texts.length && (end === start || chars + (texts[end]?.length ?? 0) < CHUNK_CHARS_MAX)) {
    chars += (texts[end]?.length ?? 0) + 1
    end += 1
  }
  return end
}
