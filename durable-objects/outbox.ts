// The outbox of a tenant's limiter: runs of usage events, from the call that brought them until the ledger has them. A row
// is written once and deleted once: until it is sent it is held in memory too, and stored as if it had been sent.
import type { UsageBatch } from '../src/core/usage-event.ts'
import { USAGE_EVENT_VERSION } from '../src/core/usage-event.ts'
import type { LimiterStorage, OutboxRow } from './storage.ts'

/** Events wait this long, so that they travel in company. */
export const OUTBOX_DELAY_MS = 500
/** An unconfirmed row is sent again after this, doubling up to the maximum. */
const RESEND_AFTER_MS = 60_000
const RESEND_AFTER_MS_MAX = 3_600_000
/** After a failed send. */
const SEND_RETRY_MS = 2_000
/** Queue limits: 100 messages and 256 KB a batch; a row is at most 100 KB. */
const BATCH_ROWS_MAX = 100
const BATCH_CHARS_MAX = 200_000
/** Characters of unsent events in memory. Of what comes beyond, the stored row is read when it is due. */
const HELD_CHARS_MAX = 4_000_000

/** The part of the usage Queue that is used. */
export interface UsageQueue {
  sendBatch(messages: readonly { readonly body: UsageBatch }[]): Promise<unknown>
}

interface HeldRow extends OutboxRow {
  readonly sendAtMs: number
}

export class Outbox {
  readonly #storage: LimiterStorage
  readonly #queue: UsageQueue
  /** Not sent yet. Their rows are due when they would be sent again, or soon after this object starts anew. */
  #held: HeldRow[] = []
  #heldChars = 0
  #dueMs: number | null

  /** Takes over what an earlier life left: sent and never confirmed, or never sent. */
  constructor(storage: LimiterStorage, queue: UsageQueue, nowMs: number) {
    this.#storage = storage
    this.#queue = queue
    storage.hastenOutbox(nowMs + OUTBOX_DELAY_MS)
    this.#dueMs = storage.nextSendMs()
  }

  /** When the next row is to be sent; null for none. */
  get dueMs(): number | null {
    return this.#dueMs
  }

  /** Takes a run of events (JSON text) to be sent from `sendAtMs` on. It is durable with the call that brought it. */
  add(events: string, sendAtMs: number): void {
    this.#dueMs = Math.min(this.#dueMs ?? sendAtMs, sendAtMs)
    if (this.#heldChars + events.length > HELD_CHARS_MAX) {
      this.#storage.addToOutbox(events, 0, sendAtMs)
      return
    }
    const id = this.#storage.addToOutbox(events, 1, sendAtMs + RESEND_AFTER_MS)
    this.#held.push({ id, events, sends: 0, sendAtMs })
    this.#heldChars += events.length
  }

  /** Sends what is due, oldest first. Never rejects: what can't be sent is tried again soon. */
  async send(tenantId: string, nowMs: number): Promise<void> {
    for (;;) {
      const held = this.#takeHeld(nowMs)
      const rows = held.length > 0 ? held : firstBatch(this.#storage.dueOutbox(nowMs, BATCH_ROWS_MAX))
      if (rows.length === 0) break
      const isSent = await this.#sendBatch(rows.map((row) => ({ body: batchOf(tenantId, row) })))
      if (isSent && rows === held) continue
      const later = rows.map(({ id, sends }) => {
        return isSent
          ? { id, sends: sends + 1, sendAtMs: nowMs + resendAfterMs(sends) }
          : { id, sends, sendAtMs: nowMs + SEND_RETRY_MS }
      })
      this.#storage.postpone(later)
    }
    const heldMs = this.#held.map((row) => row.sendAtMs)
    const storedMs = this.#storage.nextSendMs()
    this.#dueMs = storedMs === null && heldMs.length === 0 ? null : Math.min(storedMs ?? Infinity, ...heldMs)
  }

  /** A batch of the rows in memory that are due; they are in memory no more. */
  #takeHeld(nowMs: number): readonly OutboxRow[] {
    const due = this.#held.filter((row) => row.sendAtMs <= nowMs).slice(0, BATCH_ROWS_MAX)
    const batch = new Set(firstBatch(due))
    this.#held = this.#held.filter((row) => !batch.has(row))
    for (const row of batch) this.#heldChars -= row.events.length
    return [...batch]
  }

  async #sendBatch(messages: readonly { readonly body: UsageBatch }[]): Promise<boolean> {
    try {
      await this.#queue.sendBatch(messages)
      return true
    } catch (error) {
      console.warn(JSON.stringify({ event: 'usage-queue-unavailable', error: String(error) }))
      return false
    }
  }
}

function batchOf(tenantId: string, row: OutboxRow): UsageBatch {
  return { v: USAGE_EVENT_VERSION, tenantId, outboxId: row.id, events: row.events }
}

function firstBatch<Row extends OutboxRow>(rows: readonly Row[]): readonly Row[] {
  let chars = 0
  const end = rows.findIndex((row, index) => {
    chars += row.events.length
    return index > 0 && chars > BATCH_CHARS_MAX
  })
  return end === -1 ? rows : rows.slice(0, end)
}

function resendAfterMs(sends: number): number {
  return Math.min(RESEND_AFTER_MS * 2 ** sends, RESEND_AFTER_MS_MAX)
}
