// Messages that can't be applied as they are: kept in D1 with the reason, listed and replayed by an operator. A message
// that is delivered again counts up its row instead of adding one.
import { parseJson } from '../core/json.ts'
import { applyBatch, type Applied } from './apply-batch.ts'
import { readBatch, readOrigin } from './read-batch.ts'

/** A dead letter as an operator sees it. */
export interface DeadLetter {
  readonly id: number
  readonly tenant_id: string | null
  readonly outbox_id: number | null
  readonly reason: string
  readonly times: number
  readonly first_seen_at_ms: number
  readonly last_seen_at_ms: number
  readonly replayed_at_ms: number | null
  readonly body: string
}

const LISTED_MAX = 100

const STORE = `INSERT INTO dead_letters
    (identity, tenant_id, outbox_id, body, reason, times, first_seen_at_ms, last_seen_at_ms)
  VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6, ?6)
  ON CONFLICT (identity) DO UPDATE SET
    times = times + 1, reason = excluded.reason, last_seen_at_ms = excluded.last_seen_at_ms, replayed_at_ms = NULL`

/** Keeps a message. `messageId` tells apart messages too broken to say where they come from. Throws when D1 fails. */
export async function storeDeadLetter(
  db: D1Database,
  message: { readonly messageId: string; readonly body: unknown; readonly reason: string },
  nowMs: number,
): Promise<void> {
  const origin = readOrigin(message.body)
  const readable = readBatch(message.body)
  const first = readable.ok ? readable.value.firstEvent : ''
  const identity = origin === null ? `message ${message.messageId}` : `${origin.tenantId} ${origin.outboxId} ${first}`
  const body = JSON.stringify(message.body) ?? 'null'
  await db
    .prepare(STORE)
    .bind(identity, origin?.tenantId ?? null, origin?.outboxId ?? null, body, message.reason, nowMs)
    .run()
}

/** The latest dead letters that were not replayed. */
export async function listDeadLetters(db: D1Database): Promise<readonly DeadLetter[]> {
  const found = await db
    .prepare(
      `SELECT id, tenant_id, outbox_id, reason, times, first_seen_at_ms, last_seen_at_ms, replayed_at_ms, body
       FROM dead_letters WHERE replayed_at_ms IS NULL ORDER BY last_seen_at_ms DESC, id DESC LIMIT ${LISTED_MAX}`,
    )
    .all<DeadLetter>()
  return found.results
}

/** Applies a dead letter as if it were delivered now, and ticks it off if that worked. Null: there is none of that id. */
export async function replayDeadLetter(db: D1Database, id: number, nowMs: number): Promise<Applied | null> {
  const letter = await db.prepare(`SELECT body FROM dead_letters WHERE id = ?1`).bind(id).first<{ body: string }>()
  if (letter === null) return null
  const message = readBatch(parseJson(letter.body))
  if (!message.ok) return { kind: 'refused', reason: message.error }
  const applied = await applyBatch(db, message.value, nowMs)
  if (applied.kind === 'applied' || applied.kind === 'already-applied') {
    await db.prepare(`UPDATE dead_letters SET replayed_at_ms = ?2 WHERE id = ?1`).bind(id, nowMs).run()
  }
  return applied
}
