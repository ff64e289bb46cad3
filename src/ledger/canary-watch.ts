// Watches the members of routes that are to be looked after: counts their calls in the very transaction that takes the
// events into the ledger, so that each counts once, and finds those that fail more than they may. What is done about one is
// the control plane's. A route's calls are counted from the moment at which its choice was written.
import { type CanaryFinding, type Tally, errorRate, isBeyond } from '../core/routing/canary.ts'
import { IS_LIVE_KEY } from '../core/routing/shadow.ts'
import { type RouteGroups, type WatchedMember, watchedMembers } from '../core/watched-members.ts'

/** A route that somebody has to look after. */
export interface WatchedRoute {
  readonly id: string
  readonly sinceMs: number
  readonly members: readonly WatchedMember[]
}

/** More routes than these are not watched at once. */
export const WATCHED_MAX = 100
const MINUTE_MS = 60_000
/** What is left of watches that are over is forgotten after this; so are the beginnings of one that lasts longer. */
const KEPT_MS = 30 * 86_400_000

// Nobody's fault, and no word about the target: the client left, its limits ended it, the isolate died.
export // What mirrors a request is about its route's shadow.
const IS_CALL = `kind = 'cost' AND attempt > 0 AND target_id IS NOT NULL AND ${IS_LIVE_KEY}
  AND ending NOT IN ('client-left', 'cut-by-limit', 'lost')`
export const IS_FAILED = `(ending IN ('provider-cut', 'timed-out', 'failed') AND coalesce(failure, '') <> 'client')`

/** Counts the calls of watched routes among `event`, the rows of a batch as the ledger takes them. */
export const COUNT_CALLS = `INSERT INTO route_minutes (route, since_ms, target_id, minute_ms, requests, failures, seen)
  SELECT route, watched_since_ms, target_id, started_at_ms - started_at_ms % ${MINUTE_MS}, count(*), sum(${IS_FAILED}),
    sum(${IS_FAILED} AND is_final)
  FROM event JOIN routes ON routes.id = event.route
  WHERE ${IS_CALL} AND watched_since_ms IS NOT NULL AND started_at_ms >= watched_since_ms
  GROUP BY 1, 2, 3, 4
  ON CONFLICT DO UPDATE SET requests = requests + excluded.requests, failures = failures + excluded.failures,
    seen = seen + excluded.seen`

interface RouteRow {
  readonly id: string
  readonly choice: string
  readonly watched_since_ms: number
}

/** What is watched: members of routes, and whether any revision of the configuration is. One round trip. */
export async function whatIsWatched(
  db: D1Database,
): Promise<{ readonly routes: readonly WatchedRoute[]; readonly hasRevisions: boolean }> {
  const [routes, revisions] = await db.batch<RouteRow | { readonly revision: number }>([
    db.prepare(
      `SELECT id, choice, watched_since_ms FROM routes WHERE watched_since_ms IS NOT NULL LIMIT ${WATCHED_MAX}`,
    ),
    db.prepare(`SELECT revision FROM configuration_watches WHERE state = 'watching' LIMIT 1`),
  ])
  const rows = (routes?.results ?? []).filter((row) => 'choice' in row)
  return { routes: watchedRoutes(rows), hasRevisions: (revisions?.results.length ?? 0) > 0 }
}

function watchedRoutes(rows: readonly RouteRow[]): readonly WatchedRoute[] {
  return rows.map(({ id, choice, watched_since_ms: sinceMs }) => {
    const groups: RouteGroups = JSON.parse(choice)
    return { id, sinceMs, members: watchedMembers(groups) }
  })
}

interface MinuteRow {
  readonly target_id: string
  readonly minute_ms: number
  readonly requests: number
  readonly failures: number
  readonly seen: number
}

/** The members that are beyond their bounds. A window is the running minute and as many whole ones as it says. */
export async function findBeyond(
  db: D1Database,
  routes: readonly WatchedRoute[],
  nowMs: number,
): Promise<readonly CanaryFinding[]> {
  if (routes.length === 0) return []
  const query = `SELECT target_id, minute_ms, requests, failures, seen FROM route_minutes WHERE route = ?1 AND since_ms = ?2`
  const answers = await db.batch<MinuteRow>(routes.map(({ id, sinceMs }) => db.prepare(query).bind(id, sinceMs)))
  return routes.flatMap((route, at) => {
    const rows = answers[at]?.results ?? []
    return route.members.flatMap((member) => findingOf(route, member, rows, nowMs) ?? [])
  })
}

function findingOf(
  { id: routeId, sinceMs }: WatchedRoute,
  { target, watch, others: beside }: WatchedMember,
  rows: readonly MinuteRow[],
  nowMs: number,
): CanaryFinding | null {
  const fromMs = nowMs - (nowMs % MINUTE_MS) - watch.windowMinutes * MINUTE_MS
  const inWindow = rows.filter((row) => row.minute_ms >= fromMs)
  const own = sum(inWindow.filter((row) => row.target_id === target))
  const others = sum(inWindow.filter((row) => beside.includes(row.target_id)))
  if (!isBeyond(watch, own, others)) return null
  const ever = rows.filter((row) => row.target_id === target)
  const all = { ...sum(ever), seen: ever.reduce((total, row) => total + row.seen, 0) }
  const rates = { ownErrorRate: errorRate(own), othersErrorRate: errorRate(others) }
  return { routeId, target, sinceMs, own, others, ...rates, all }
}

function sum(rows: readonly MinuteRow[]): Tally {
  return rows.reduce(
    ({ requests, failures }, row) => ({ requests: requests + row.requests, failures: failures + row.failures }),
    { requests: 0, failures: 0 },
  )
}

/** Forgets what was counted for watches that are over, and what is too old to say anything. */
export async function forgetCounted(db: D1Database, nowMs: number): Promise<void> {
  await db
    .prepare(
      `DELETE FROM route_minutes WHERE minute_ms < ?1 OR NOT EXISTS (
         SELECT 1 FROM routes WHERE routes.id = route_minutes.route AND routes.watched_since_ms = route_minutes.since_ms)`,
    )
    .bind(nowMs - KEPT_MS)
    .run()
}
