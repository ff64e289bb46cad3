// Looks after revisions of the configuration that are to be watched: counts the calls of what they touched in the very
// transaction that takes the events into the ledger, and finds those that fail more than they may, and more than before. What
// is done about one is the control plane's.
import { type RevisionFinding, type Tally, errorRate, isBeyond } from '../core/routing/canary.ts'
import { IS_CALL, IS_FAILED } from './canary-watch.ts'

export interface RevisionWatchRow {
  readonly revision: number
  readonly from_revision: number
  readonly state: 'watching' | 'kept' | 'rolled-back' | 'failed'
  readonly since_ms: number
  readonly until_ms: number
  readonly max_error_rate: number
  readonly min_requests: number
  /** JSON lists of ids. */
  readonly routes: string
  readonly targets: string
  readonly before_requests: number
  readonly before_failures: number
  readonly requests: number
  readonly failures: number
  readonly seen: number
}

/** Events are in the ledger by then. */
const LATE_MS = 120_000
/** What is looked at to know how it was before. */
const BEFORE_MS = 600_000
const BEFORE_EVENTS_MAX = 20_000

const listed = (column: string, value: string): string => `${value} IN (SELECT value FROM json_each(${column}))`

/** Counts the calls that watched revisions touched among `event`, the rows of a batch as the ledger takes them. */
export const COUNT_REVISIONS = `UPDATE configuration_watches SET requests = requests + counted.calls,
    failures = failures + counted.failed, seen = seen + counted.final
  FROM (
    SELECT w.revision AS of_revision, count(*) AS calls, sum(${IS_FAILED}) AS failed, sum(${IS_FAILED} AND is_final) AS final
    FROM event JOIN configuration_watches w ON w.state = 'watching' AND started_at_ms >= w.since_ms
      AND started_at_ms < w.until_ms AND (${listed('w.routes', 'event.route')} OR ${listed('w.targets', 'event.target_id')})
    WHERE ${IS_CALL} GROUP BY 1
  ) AS counted WHERE configuration_watches.revision = counted.of_revision`

/** The statement that reads the revisions that are watched. */
export function watchedRevisions(db: D1Database): D1PreparedStatement {
  return db.prepare(`SELECT * FROM configuration_watches WHERE state = 'watching' ORDER BY revision DESC`)
}

/** The newest of the revisions that are beyond their bounds; null for none. One that was touched by what came after it may
 *  be well once that is taken back. */
export async function findWorse(db: D1Database): Promise<RevisionFinding | null> {
  const rows = (await watchedRevisions(db).all<RevisionWatchRow>()).results
  for (const row of rows) {
    const own = { requests: row.requests, failures: row.failures }
    const before = { requests: row.before_requests, failures: row.before_failures }
    const watch = { maxErrorRate: row.max_error_rate, minRequests: row.min_requests, windowMinutes: 0 }
    if (!isBeyond(watch, own, before)) continue
    const rates = { ownErrorRate: errorRate(own), beforeErrorRate: errorRate(before) }
    return { revision: row.revision, own, before, ...rates, seen: row.seen }
  }
  return null
}

/** What became of the calls of these in the minutes before `nowMs`. */
export async function countBefore(
  db: D1Database,
  touched: { readonly routes: readonly string[]; readonly targets: readonly string[] },
  nowMs: number,
): Promise<Tally> {
  const found = await db
    .prepare(
      `SELECT count(*) AS requests, coalesce(sum(failed), 0) AS failures FROM (
         SELECT ${IS_FAILED} AS failed FROM usage_events
         WHERE started_at_ms >= ?1 AND ${IS_CALL} AND (${listed('?2', 'route')} OR ${listed('?3', 'target_id')})
         LIMIT ${BEFORE_EVENTS_MAX})`,
    )
    .bind(nowMs - BEFORE_MS, JSON.stringify(touched.routes), JSON.stringify(touched.targets))
    .first<Tally>()
  return found ?? { requests: 0, failures: 0 }
}

/** Ends the watches whose time is over. */
export async function endWatches(db: D1Database, nowMs: number): Promise<void> {
  await db
    .prepare(`UPDATE configuration_watches SET state = 'kept' WHERE state = 'watching' AND until_ms < ?1`)
    .bind(nowMs - LATE_MS)
    .run()
}
