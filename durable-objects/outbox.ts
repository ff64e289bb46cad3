// The outbox of a tenant's limiter: runs of usage events, from the call that brought them until the ledger has them. A row
// is written once and deleted once: until it is sent it is held in memory too, and stored as if it had been sent.
import type { UsageBatch } from '../src/core/usage-event.ts'
import { USAGE_EVENT_VERSION } from '../src/core/usage-event.ts'
import type { LimiterStorage, OutboxRow, PostponedRow } from './storage.ts'

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
  #heldDueMs = Infinity
  /** No stored row is due before this: most are confirmed by then, and need never be looked for. */
  #storedDueMs: number

  /** Takes over what an earlier life left: sent and never confirmed, or never sent. */
  constructor(storage: LimiterStorage, queue: UsageQueue, nowMs: number) {
    this.#storage = storage
    this.#queue = queue
    storage.hastenOutbox(nowMs + OUTBOX_DELAY_MS)
    this.#storedDueMs = storage.nextSendMs() ?? Infinity
  }

  /** When to send next; null while there is nothing. */
  get dueMs(): number | null {
    const dueMs = Math.min(this.#heldDueMs, this.#storedDueMs)
    return dueMs === Infinity ? null : dueMs
  }

  /** Takes a run of events (JSON text) to be sent from `sendAtMs` on. It is durable with the call that brought it. */
  add(events: string, sendAtMs: number): void {
    const isHeld = this.#heldChars + events.length <= HELD_CHARS_MAX
    const [sends, storedDueMs] = isHeld ? [1, sendAtMs + RESEND_AFTER_MS] : [0, sendAtMs]
    const id = this.#storage.addToOutbox(events, sends, storedDueMs)
    this.#storedDueMs = Math.min(this.#storedDueMs, storedDueMs)
    if (!isHeld) return
    this.#held.push({ id, events, sends: 0, sendAtMs })
    this.#heldChars += events.length
    this.#heldDueMs = Math.min(this.#heldDueMs, sendAtMs)
  }

  /** Sends what is due, oldest first. Never rejects: what can't be sent is tried again soon. */
  async send(tenantId: string, nowMs: number): Promise<void> {
    while (this.#heldDueMs <= nowMs) {
      const rows = this.#takeHeld(nowMs)
      if (!(await this.#sendBatch(tenantId, rows))) this.#postpone(rows.map((row) => retried(row, nowMs)))
    }
    if (this.#storedDueMs > nowMs) return
    for (;;) {
      const rows = firstBatch(this.#storage.dueOutbox(nowMs, BATCH_ROWS_MAX))
      if (rows.length === 0) break
      const isSent = await this.#sendBatch(tenantId, rows)
      this.#postpone(rows.map((row) => (isSent ? resent(row, nowMs) : retried(row, nowMs))))
    }
    this.#storedDueMs = this.#storage.nextSendMs() ?? Infinity
  }

  #postpone(rows: readonly PostponedRow[]): void {
    this.#storage.postpone(rows)
    for (const { sendAtMs } of rows) this.#storedDueMs = Math.min(this.#storedDueMs, sendAtMs)
  }

  /** A batch of the rows in memory that are due; they are in memory no more. */
  #takeHeld(nowMs: number): readonly OutboxRow[] {
    const due = this.#held.filter((row) => row.sendAtMs <= nowMs).slice(0, BATCH_ROWS_MAX)
    const batch = new Set(firstBatch(due))
    this.#held = this.#held.filter((row) => !batch.has(row))
    for (const row of batch) this.#heldChars -= row.events.length
    this.#heldDueMs = this.#held.reduce((dueMs, row) => Math.min(dueMs, row.sendAtMs), Infinity)
    return [...batch]
  }

  async #sendBatch(tenantId: string, rows: readonly OutboxRow[]): Promise<boolean> {
    try {
      await this.#queue.sendBatch(rows.map((row) => ({ body: batchOf(tenantId, row) })))
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

/** A row that was sent: to be sent again, each time later. */
function resent({ id, sends }: OutboxRow, nowMs: number): PostponedRow {
  return { id, sends: sends + 1, sendAtMs: nowMs + Math.min(RESEND_AFTER_MS * 2 ** sends, RESEND_AFTER_MS_MAX) }
}

/** A row that the queue didn't take. */
function retried({ id, sends }: OutboxRow, nowMs: number): PostponedRow {
  return { id, sends, sendAtMs: nowMs + SEND_RETRY_MS }
}

function firstBatch<Row extends OutboxRow>(rows: readonly Row[]): readonly Row[] {
  let chars = 0
  const end = rows.findIndex((row, index) => {
    chars += row.events.length
    return index > 0 && chars > BATCH_CHARS_MAX
  })
  return end === -1 ? rows : rows.slice(0, end)
}
