// Applies messages to the ledger, wholly or not at all: their idempotency keys, events and roll-ups are one D1 batch, which
// is one transaction. A message that comes again fails on its key and changes nothing.
import { noteStatements } from './alerts/note-alerts.ts'
import { COUNT_PROVIDERS, PROVIDER_COLUMNS } from './alerts/watch-calls.ts'
import type { ReadableBatch } from './read-batch.ts'
import { COUNT_CALLS } from './canary-watch.ts'
import { COUNT_REVISIONS, COUNT_REVISIONS_TARGETS } from './configuration-watch.ts'
import {
  EVENT_COLUMNS,
  GROUP_DIMENSIONS,
  JUDGED,
  JUDGED_SUMS,
  ROLLUP_DIMENSIONS,
  SUMMED_COLUMNS,
  selectList,
  sumList,
} from './columns.ts'
import { LATE_AFTER_MS, QUARTER_MS } from './days.ts'

/** What became of a message, or of messages that were applied together. */
export type Applied =
  | { readonly kind: 'applied' }
  | { readonly kind: 'already-applied' }
  /** The database will never take it as it is. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** It may go better later. */
  | { readonly kind: 'unavailable'; readonly reason: string }

const INSERT_APPLIED = `INSERT INTO applied (tenant_id, outbox_id, first_event, applied_at_ms)
  SELECT value ->> 0, value ->> 1, value ->> 2, ?2 FROM json_each(?1)`

const COLUMNS = Object.keys(EVENT_COLUMNS)

// ?1 is one bound parameter, however many events there are (D1 allows 100). Materialised, or SQLite would write and read
// the JSON again for every value that is taken from it, and in the sums for each of the many uses of a value.
const ROWS = `row AS MATERIALIZED (SELECT jsonb(value) AS fields FROM json_each(?1))`
const fieldsOf = (columns: readonly string[]): string =>
  columns.map((column) => `fields ->> ${COLUMNS.indexOf(column)} AS ${column}`).join(', ')
const eventsOf = (columns: readonly string[]): string =>
  `${ROWS}, event AS MATERIALIZED (SELECT ${fieldsOf(columns)} FROM row)`
const EVENTS = eventsOf(COLUMNS)

const INSERT_EVENTS = `WITH ${ROWS} INSERT INTO usage_events (${COLUMNS.join(', ')}) SELECT ${fieldsOf(COLUMNS)} FROM row`

const COUNT_FAILING = `WITH ${eventsOf(PROVIDER_COLUMNS)} ${COUNT_PROVIDERS}`

const COUNT_WATCHED = [COUNT_CALLS, COUNT_REVISIONS, COUNT_REVISIONS_TARGETS].map((sql) => `WITH ${EVENTS} ${sql}`)

const SUMS = Object.keys(JUDGED_SUMS)

// Aggregated before it is written: one row per group, not one per event.
const UPSERT_HOURS = `WITH ${eventsOf(['started_at_ms', ...Object.keys(GROUP_DIMENSIONS), ...SUMMED_COLUMNS])}, ${JUDGED}
  INSERT INTO usage_hourly (${[...Object.keys(ROLLUP_DIMENSIONS), ...SUMS].join(', ')})
  SELECT ${selectList(ROLLUP_DIMENSIONS)}, ${sumList(JUDGED_SUMS)}
  FROM judged
  WHERE true
  GROUP BY ${Object.values(ROLLUP_DIMENSIONS).join(', ')}
  ON CONFLICT DO UPDATE SET ${SUMS.map((column) => `${column} = ${column} + excluded.${column}`).join(', ')}`

// A tenant that is new to the ledger: its days are those of its time zone.
const INSERT_ZONES = `INSERT INTO usage_zones (tenant_id, time_zone)
  SELECT DISTINCT value ->> 0, coalesce((SELECT time_zone FROM tenants WHERE id = value ->> 0), 'UTC')
  FROM json_each(?1) WHERE true ON CONFLICT DO NOTHING`

const INSERT_LATE = `INSERT INTO usage_late (tenant_id, quarter_ms)
  SELECT value ->> 0, value ->> 1 FROM json_each(?1) WHERE true ON CONFLICT DO NOTHING`

/** Applies each message once, however often it is delivered, also at the same time: all of them or, if that can't be, none.
 *  `countsWatched`: there are watched routes or revisions; `beside`: what else belongs to it, in the same transaction. Never
 *  throws. */
export async function applyBatches(
  db: D1Database,
  messages: readonly ReadableBatch[],
  nowMs: number,
  countsWatched = false,
  beside: readonly D1PreparedStatement[] = [],
): Promise<Applied> {
  const names = messages.map(({ tenantId, outboxId, firstEvent }) => [tenantId, outboxId, firstEvent])
  const rows = messages.flatMap((message) => (message.rows === '' ? [] : [message.rows]))
  const events = `[${rows.join(',')}]`
  const late = messages.flatMap(({ tenantId, quarters }) =>
    quarters.filter((ms) => ms < nowMs - LATE_AFTER_MS - QUARTER_MS).map((ms) => [tenantId, ms]),
  )
  try {
    await db.batch([
      db.prepare(INSERT_APPLIED).bind(JSON.stringify(names), nowMs),
      db.prepare(INSERT_EVENTS).bind(events),
      db.prepare(INSERT_ZONES).bind(JSON.stringify(names)),
      db.prepare(UPSERT_HOURS).bind(events),
      ...(late.length > 0 ? [db.prepare(INSERT_LATE).bind(JSON.stringify(late))] : []),
      ...(rows.length > 0 ? [db.prepare(COUNT_FAILING).bind(events)] : []),
      ...(countsWatched ? COUNT_WATCHED.map((sql) => db.prepare(sql).bind(events)) : []),
      ...noteStatements(
        db,
        messages.flatMap((message) => message.alerts),
        nowMs,
      ),
      ...beside,
    ])
    return { kind: 'applied' }
  } catch (error) {
    return classify(error)
  }
}

/** The same for one message. */
export function applyBatch(
  db: D1Database,
  message: ReadableBatch,
  nowMs: number,
  countsWatched = false,
): Promise<Applied> {
  return applyBatches(db, [message], nowMs, countsWatched)
}

function classify(error: unknown): Applied {
  const reason = error instanceof Error ? error.message : String(error)
  if (reason.includes('UNIQUE constraint failed: applied.')) return { kind: 'already-applied' }
  const isPermanent = /constraint failed|cannot store|integer overflow|malformed JSON/i.test(reason)
  return isPermanent ? { kind: 'refused', reason } : { kind: 'unavailable', reason }
}
