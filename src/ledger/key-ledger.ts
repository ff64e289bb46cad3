// What the ledger knows of single keys, teams and tenants: when each key was last used, and the latest requests of one of
// them. Events have no index by whose they are, so the sums by hour say first in which hours there is anything to find.
import { STRAY_ORDER, astray, inOrder, orderOf } from './event-times.ts'
import {
  BEYOND_ALL,
  pageOf,
  pageSql,
  type RequestCursor,
  type RequestsPage,
  type StoredRow,
} from './latest-requests.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** How far back a use is told by the hour; before, by the day. */
const HOURS_MS = 2 * DAY_MS
/** How far back a use is told at all. */
const LOOK_BACK_MS = 30 * DAY_MS

/** The stretch of time in which a key was last used: it begins then, and is an hour or a day long. */
export interface LastUse {
  readonly key: string
  readonly from_ms: number
  readonly to_ms: number
}

const LAST_USES = `SELECT key_id AS key, max(from_ms) AS from_ms, to_ms FROM (
    SELECT key_id, max(hour_ms) AS from_ms, max(hour_ms) + ${HOUR_MS} AS to_ms
      FROM usage_hourly WHERE hour_ms >= ?1 AND (requests > 0 OR attempts > 0) GROUP BY key_id
    UNION ALL
    SELECT key_id, max(day_ms), max(day_ms) + ${DAY_MS}
      FROM usage_daily WHERE day_ms >= ?2 AND (requests > 0 OR attempts > 0) GROUP BY key_id
  ) GROUP BY key_id`

/** The last use of every key that was used in the last 30 days. */
export async function lastUses(db: D1Database, nowMs: number): Promise<readonly LastUse[]> {
  const found = await db
    .prepare(LAST_USES)
    .bind(nowMs - HOURS_MS, nowMs - LOOK_BACK_MS)
    .all<LastUse>()
  return found.results
}

/** Whose requests are wanted: a tenant's, those of one of its teams, or of one of its keys. */
export interface RequestsOwner {
  readonly tenantId: string
  /** Of a key its own, null where it has none; else null for all. */
  readonly teamId: string | null
  readonly keyId: string | null
}

/** SQL: how many requests an owner had in which of some hours. A key's and a team's are looked up, others' are added up. */
function hoursSql({ teamId, keyId }: RequestsOwner): string {
  const isTeam = keyId === null && teamId === null ? '' : `AND team_id = coalesce(?3, '')`
  return `SELECT hour_ms, sum(max(requests, attempts)) AS many FROM json_each(?1) AS hour CROSS JOIN usage_hourly
    WHERE hour_ms = hour.value AND tenant_id = ?2 ${isTeam} ${keyId === null ? '' : 'AND key_id = ?4'}
    GROUP BY hour_ms HAVING many > 0 ORDER BY hour_ms DESC`
}

/** A busy owner has enough in the first of these; only who has little is looked for in all. Hours. */
const LOOKED_AT_ONCE = [2, 22, LOOK_BACK_MS / HOUR_MS - 24] as const

const IS_WANTED = `usage_events.kind = 'cost' AND usage_events.tenant_id = ?2 AND (?3 IS NULL OR usage_events.team_id = ?3)
  AND (?4 IS NULL OR usage_events.key_id = ?4)`

const EVENTS = `SELECT * FROM (
    SELECT usage_events.*, request_id AS place FROM json_each(?1) AS hour CROSS JOIN usage_events
      WHERE ${inOrder('hour.value', `(hour.value + ${HOUR_MS})`)} AND ${IS_WANTED}
    UNION ALL
    SELECT usage_events.*, ${STRAY_ORDER} AS place FROM json_each(?1) AS hour CROSS JOIN usage_events
      WHERE ${astray('hour.value', `(hour.value + ${HOUR_MS})`)} AND ${IS_WANTED})
  WHERE (place, attempt) < (?5, ?6) ORDER BY place DESC, attempt DESC LIMIT ?7`

/** The newest attempts of an owner, or the newest before the cursor, from 30 days back. */
export async function latestOf(
  db: D1Database,
  owner: RequestsOwner,
  query: { readonly limit: number; readonly nowMs: number; readonly before: RequestCursor | null },
): Promise<RequestsPage> {
  const { limit, before } = query
  const bound = [owner.tenantId, owner.teamId, owner.keyId]
  // Ids are of up to a minute after or before their start: the hour that follows the cursor's may have older ones.
  const firstHourMs = hourOf((before?.startedAtMs ?? query.nowMs) + HOUR_MS)
  const wanted: number[] = []
  let many = 0
  let nextHourMs = firstHourMs
  for (const length of LOOKED_AT_ONCE) {
    if (many > limit) break
    const hours = Array.from({ length }, (_, back) => nextHourMs - back * HOUR_MS)
    nextHourMs -= length * HOUR_MS
    const used = await hoursOf(db, owner, hours)
    for (const hour of used) {
      if (many > limit) break
      wanted.push(hour.hour_ms)
      // Of the cursor's own hours nobody knows how much was told.
      if (before === null || hour.hour_ms < hourOf(before.startedAtMs)) many += hour.many
    }
  }
  if (wanted.length === 0) return { rows: [], next: null }
  const found = await db
    .prepare(pageSql(EVENTS))
    .bind(
      JSON.stringify(wanted),
      ...bound,
      before === null ? BEYOND_ALL : orderOf(before),
      before?.attempt ?? 0,
      limit + 1,
    )
    .all<StoredRow>()
  return pageOf(found.results, limit)
}

async function hoursOf(db: D1Database, owner: RequestsOwner, hours: readonly number[]) {
  const { tenantId, teamId, keyId } = owner
  const bound = keyId !== null ? [tenantId, teamId, keyId] : teamId !== null ? [tenantId, teamId] : [tenantId]
  const found = await db
    .prepare(hoursSql(owner))
    .bind(JSON.stringify(hours), ...bound)
    .all<{ hour_ms: number; many: number }>()
  return found.results
}

function hourOf(ms: number): number {
  return Math.floor(ms / HOUR_MS) * HOUR_MS
}
