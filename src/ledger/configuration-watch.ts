// Looks after revisions of the configuration that are to be watched: counts the calls of what they touched, together and target
// by target, in the very transaction that takes the events into the ledger, and finds those that fail more than they may, and
// more than before. What is done about one is the control plane's.
import { type CanaryWatch, type RevisionFinding, type Tally, errorRate, isBeyond } from '../core/routing/canary.ts'
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

const TOUCHED = `event JOIN configuration_watches w ON w.state = 'watching' AND started_at_ms >= w.since_ms
  AND started_at_ms < w.until_ms AND (${listed('w.routes', 'event.route')} OR ${listed('w.targets', 'event.target_id')})`
const SUMS = `count(*) AS calls, sum(${IS_FAILED}) AS failed, sum(${IS_FAILED} AND is_final) AS final`

/** Counts the calls that watched revisions touched among `event`, the rows of a batch as the ledger takes them. */
export const COUNT_REVISIONS = `UPDATE configuration_watches SET requests = requests + counted.calls,
    failures = failures + counted.failed, seen = seen + counted.final
  FROM (SELECT w.revision AS of_revision, ${SUMS} FROM ${TOUCHED} WHERE ${IS_CALL} GROUP BY 1) AS counted
  WHERE configuration_watches.revision = counted.of_revision`

/** The same, target by target. */
export const COUNT_REVISIONS_TARGETS = `INSERT INTO configuration_watch_targets (revision, target_id, requests, failures, seen)
  SELECT w.revision, event.target_id, ${SUMS} FROM ${TOUCHED} WHERE ${IS_CALL} GROUP BY 1, 2
  ON CONFLICT DO UPDATE SET requests = requests + excluded.requests, failures = failures + excluded.failures,
    seen = seen + excluded.seen`

/** The statement that reads the revisions that are watched. */
export function watchedRevisions(db: D1Database): D1PreparedStatement {
  return db.prepare(`SELECT * FROM configuration_watches WHERE state = 'watching' ORDER BY revision DESC`)
}

/** The newest of the revisions that are beyond their bounds; null for none. One that was touched by what came after it may
 *  be well once that is taken back. A single target that is beyond them speaks for its revision: where another serves in its
 *  place, it is called no more after a few failures, and what goes well hides them. */
export async function findWorse(db: D1Database): Promise<RevisionFinding | null> {
  const rows = (await watchedRevisions(db).all<RevisionWatchRow>()).results
  for (const row of rows) {
    const own = { requests: row.requests, failures: row.failures }
    const before = { requests: row.before_requests, failures: row.before_failures }
    if (isBeyond(boundsOf(row), own, before)) return findingOf(row, { target: null, own, before, seen: row.seen })
    const target = await findWorseTarget(db, row)
    if (target !== null) return target
  }
  return null
}

function boundsOf({ max_error_rate: maxErrorRate, min_requests: minRequests }: RevisionWatchRow): CanaryWatch {
  return { maxErrorRate, minRequests, windowMinutes: 0 }
}

function findingOf(
  { revision }: RevisionWatchRow,
  found: Pick<RevisionFinding, 'target' | 'own' | 'before' | 'seen'>,
): RevisionFinding {
  return { revision, ...found, ownErrorRate: errorRate(found.own), beforeErrorRate: errorRate(found.before) }
}

interface TargetRow extends Tally {
  readonly target_id: string
  readonly seen: number
}

async function findWorseTarget(db: D1Database, row: RevisionWatchRow): Promise<RevisionFinding | null> {
  const { results } = await db
    .prepare(
      `SELECT target_id, requests, failures, seen FROM configuration_watch_targets
       WHERE revision = ?1 AND requests >= ?2 AND failures > ?3 * requests ORDER BY failures DESC, target_id`,
    )
    .bind(row.revision, row.min_requests, row.max_error_rate)
    .all<TargetRow>()
  for (const { target_id: target, requests, failures, seen } of results) {
    const before = await countBefore(db, { routes: '[]', targets: JSON.stringify([target]) }, row.since_ms)
    const own = { requests, failures }
    if (isBeyond(boundsOf(row), own, before)) return findingOf(row, { target, own, before, seen })
  }
  return null
}

/** What became of the calls of these in the minutes before `atMs`. They are JSON lists of ids. */
export async function countBefore(
  db: D1Database,
  { routes, targets }: { readonly routes: string; readonly targets: string },
  atMs: number,
): Promise<Tally> {
  const found = await db
    .prepare(
      `SELECT count(*) AS requests, coalesce(sum(failed), 0) AS failures FROM (
         SELECT ${IS_FAILED} AS failed FROM usage_events
         WHERE started_at_ms >= ?1 AND started_at_ms < ?4 AND ${IS_CALL} AND (${listed('?2', 'route')} OR ${listed('?3', 'target_id')})
         LIMIT ${BEFORE_EVENTS_MAX})`,
    )
    .bind(atMs - BEFORE_MS, routes, targets, atMs)
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
