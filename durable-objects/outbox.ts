// The outbox of a tenant's limiter: usage events, from the call that brought them until the ledger has them. What comes within some
// time is one run: kept with everything else that changed, then written as a row, sent as a message and deleted, once each.
// Until it is sent a row is held in memory too, and stored as if it had been sent.
import type { UsageBatch } from '../src/core/money/usage-event.ts'
import { USAGE_EVENT_VERSION } from '../src/core/money/usage-event.ts'
import type { LimiterStorage, OutboxRow, PostponedRow } from './storage.ts'

/** Events wait this long, so that they travel in company … */
export const OUTBOX_DELAY_MS = 500
/** … and for longer the more company there is: twice as long after each run that so many calls had a part in, up to the maximum. */
const COMPANY = 3
const OUTBOX_DELAY_MS_MAX = 2_000
/** An unconfirmed row is sent again after this, doubling up to the maximum. */
const RESEND_AFTER_MS = 60_000
const RESEND_AFTER_MS_MAX = 3_600_000
/** After a failed send. */
const SEND_RETRY_MS = 2_000
/** Characters of a run, unless one call alone brings more (90,000 at most). The queue asks for every 64 KB of a message. */
const RUN_CHARS_MAX = 60_000
/** Queue limits: 100 messages and 256 KB a batch, 128 KB a message. */
const BATCH_ROWS_MAX = 100
const BATCH_CHARS_MAX = 200_000
/** Characters of unsent rows in memory. Of what comes beyond, the stored row is read when it is due. */
const HELD_CHARS_MAX = 4_000_000

/** The part of the usage Queue that is used. */
export interface UsageQueue {
  sendBatch(messages: readonly { readonly body: UsageBatch }[]): Promise<unknown>
}

export class Outbox {
  readonly #storage: LimiterStorage
  readonly #queue: UsageQueue
  /** Not sent yet. Their rows are due when they would be sent again, or soon after this object starts anew. */
  #held: OutboxRow[] = []
  #heldChars = 0
  /** When the open run and what is held leave. */
  #unsentDueMs = Infinity
  /** No stored row is due before this: most are confirmed by then, and need never be looked for. */
  #storedDueMs: number
  #delayMs = OUTBOX_DELAY_MS
  #sentAtMs = -Infinity
  /** Calls that have a part in what is unsent. */
  #parts = 0

  /** Takes over what an earlier life left: sent and never confirmed, or never sent. */
  constructor(storage: LimiterStorage, queue: UsageQueue, nowMs: number) {
    this.#storage = storage
    this.#queue = queue
    storage.hastenOutbox(nowMs + OUTBOX_DELAY_MS)
    this.#storedDueMs = storage.nextSendMs() ?? Infinity
    if (storage.open.events !== '') this.#unsentDueMs = nowMs + OUTBOX_DELAY_MS
  }

  /** When to send next; null while there is nothing. */
  get dueMs(): number | null {
    const dueMs = Math.min(this.#unsentDueMs, this.#storedDueMs)
    return dueMs === Infinity ? null : dueMs
  }

  /** Takes usage events (text of a JSON array), to be sent in company or, where it `isUrgent`, with the next alarm. They are
   *  durable with the next save of the storage. */
  add(events: string, nowMs: number, isUrgent = false): void {
    const texts = events.slice(1, -1)
    if (texts === '') return
    const before = this.#storage.open.events.length
    if (before > 0 && before + texts.length > RUN_CHARS_MAX) this.#closeRun(nowMs)
    this.#storage.addToOpen(texts)
    this.#parts += 1
    const dueMs = isUrgent ? nowMs : Math.max(nowMs + OUTBOX_DELAY_MS, this.#sentAtMs + this.#delayMs)
    this.#unsentDueMs = Math.min(this.#unsentDueMs, dueMs)
  }

  /** What is due is about to be sent: its row is to be saved with everything else that `send` must not be ahead of. */
  close(nowMs: number): void {
    if (this.#unsentDueMs <= nowMs && this.#storage.open.events !== '') this.#closeRun(nowMs)
  }

  /** Sends what is due, oldest first, of what is closed. Never rejects: what can't be sent is tried again soon. */
  async send(tenantId: string, nowMs: number): Promise<void> {
    if (this.#unsentDueMs <= nowMs) await this.#sendHeld(tenantId, nowMs)
    if (this.#storedDueMs > nowMs) return
    for (;;) {
      const rows = firstBatch(this.#storage.dueOutbox(nowMs, BATCH_ROWS_MAX))
      if (rows.length === 0) break
      const isSent = await this.#sendBatch(tenantId, rows)
      this.#postpone(rows.map((row) => (isSent ? resent(row, nowMs) : retried(row, nowMs))))
    }
    this.#storedDueMs = this.#storage.nextSendMs() ?? Infinity
  }

  async #sendHeld(tenantId: string, nowMs: number): Promise<void> {
    this.#delayMs = this.#parts < COMPANY ? OUTBOX_DELAY_MS : Math.min(2 * this.#delayMs, OUTBOX_DELAY_MS_MAX)
    this.#sentAtMs = nowMs
    this.#unsentDueMs = Infinity
    this.#parts = 0
    const held = this.#held
    this.#held = []
    this.#heldChars = 0
    for (let rest: readonly OutboxRow[] = held; rest.length > 0;) {
      const rows = firstBatch(rest.slice(0, BATCH_ROWS_MAX))
      rest = rest.slice(rows.length)
      if (!(await this.#sendBatch(tenantId, rows))) this.#postpone(rows.map((row) => retried(row, nowMs)))
    }
  }

  #closeRun(nowMs: number): void {
    const isHeld = this.#heldChars + this.#storage.open.events.length <= HELD_CHARS_MAX
    const [sends, storedDueMs] = isHeld ? [1, nowMs + RESEND_AFTER_MS] : [0, nowMs]
    const row = this.#storage.closeRun(sends, storedDueMs)
    this.#storedDueMs = Math.min(this.#storedDueMs, storedDueMs)
    if (!isHeld) return
    this.#held.push({ ...row, sends: 0 })
    this.#heldChars += row.events.length
  }

  #postpone(rows: readonly PostponedRow[]): void {
    this.#storage.postpone(rows)
    for (const { sendAtMs } of rows) this.#storedDueMs = Math.min(this.#storedDueMs, sendAtMs)
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
