// Compares the roll-ups with the raw events they were summed from. Both are written in one transaction, so a difference
// means that something else wrote to the ledger: it must be seen, and is never repaired silently.
import { ROLLUP_DIMENSIONS, ROLLUP_SUMS, selectList } from './columns.ts'
import { astray, inOrder } from './event-times.ts'

/** How far the roll-ups of a stretch of time are from its events. */
export interface Reconciliation {
  readonly fromMs: number
  readonly toMs: number
  /** Groups (hour, tenant, team, key, cost centre, provider, model) that were compared. */
  readonly groups: number
  /** Groups in which any sum differs, or that one side lacks. */
  readonly mismatches: number
}

const HOUR_MS = 3_600_000

const KEYS = Object.keys(ROLLUP_DIMENSIONS)
const SUMS = Object.keys(ROLLUP_SUMS)
const COLUMNS = [...KEYS, ...SUMS].join(', ')
const SUMMED = `${selectList(ROLLUP_DIMENSIONS)}, ${selectList(ROLLUP_SUMS)}`
const ROLLED = `SELECT ${COLUMNS} FROM usage_hourly WHERE hour_ms >= ?1 AND hour_ms < ?2`
const RAW = `SELECT ${KEYS.join(', ')}, ${SUMS.map((sum) => `sum(${sum}) AS ${sum}`).join(', ')} FROM (
    ${[inOrder('?1', '?2'), astray('?1', '?2')]
      .map((where) => `SELECT ${SUMMED} FROM usage_events WHERE ${where}`)
      .join(' UNION ALL ')}
  ) GROUP BY ${KEYS.join(', ')}`

/** Compares the `hours` hours up to and including the one that runs at `nowMs`, at one moment. */
export async function reconcile(db: D1Database, hours: number, nowMs: number): Promise<Reconciliation> {
  const toMs = Math.floor(nowMs / HOUR_MS) * HOUR_MS + HOUR_MS
  const fromMs = toMs - hours * HOUR_MS
  const found = await db
    .prepare(
      `WITH rolled AS (${ROLLED}), raw AS (${RAW}),
        differing AS (
          SELECT ${KEYS.join(', ')} FROM (SELECT * FROM rolled EXCEPT SELECT * FROM raw)
          UNION
          SELECT ${KEYS.join(', ')} FROM (SELECT * FROM raw EXCEPT SELECT * FROM rolled)
        )
      SELECT (SELECT count(*) FROM raw) AS groups, (SELECT count(*) FROM differing) AS mismatches`,
    )
    .bind(fromMs, toMs)
    .first<{ groups: number; mismatches: number }>()
  return { fromMs, toMs, groups: found?.groups ?? 0, mismatches: found?.mismatches ?? 0 }
}
