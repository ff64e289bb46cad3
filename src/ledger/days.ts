// Usage by day of the tenant's own calendar: summed from the hours once a day is over, by the consumer's schedule, so that
// a report of months reads days. What comes late for such a day is marked (`usage_late`) in the transaction that takes it
// in, and the day is summed anew; until then reports read hours from there on.
import { isTimeZone, windowAt } from '../core/window.ts'
import { GROUP_DIMENSIONS, ROLLUP_SUMS, selectList } from './columns.ts'
import { astray, inOrder } from './event-times.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000
/** Offsets of zones are of whole quarters of an hour, so that each lies in one day. */
export const QUARTER_MS = 900_000
/** A day is summed this long after it ended at the earliest. */
const SUMMED_AFTER_MS = 2 * HOUR_MS
/** An event that comes this long after it started is late: its day may have been summed. */
export const LATE_AFTER_MS = HOUR_MS
const FALLBACK_ZONE = 'UTC'
/** Of a first run over old events: as many days, and late quarters, as one run takes on. */
const DAYS_A_RUN_MAX = 40
const LATE_A_RUN_MAX = 200
/** The oldest that is looked for. */
const HISTORY_DAYS = 800

/** A stretch of time [startMs, endMs). */
export interface Day {
  readonly startMs: number
  readonly endMs: number
}

/** The day of `zone` that holds this instant. A zone that this runtime doesn't know is UTC. */
export function dayAt(zone: string, ms: number): Day {
  return windowAt('day', isTimeZone(zone) ? zone : FALLBACK_ZONE, ms)
}

/** What to add to the beginning of a day of `zone` for an instant of the same date in UTC, around `nowMs`. */
export function dateOffsetMs(zone: string, nowMs: number): number {
  const { startMs } = dayAt(zone, nowMs)
  const timeZone = isTimeZone(zone) ? zone : FALLBACK_ZONE
  const date = new Intl.DateTimeFormat('en-CA', { timeZone }).format(startMs)
  // Summer time moves a day's beginning by an hour or two: this stays away from both ends of the date.
  return Date.parse(`${date}T00:00:00Z`) - startMs + DAY_MS / 4
}

const GROUPS = Object.keys(GROUP_DIMENSIONS)
const SUMS = Object.keys(ROLLUP_SUMS)
const RAW = `SELECT ${selectList(GROUP_DIMENSIONS)}, ${selectList(ROLLUP_SUMS)} FROM usage_events WHERE tenant_id = ?1`
const CUT_HOURS = [
  ['?4', '?5'],
  ['?6', '?7'],
] as const

// Of tenant ?1 the day ?2: the whole hours ?3, a list, so that each is looked up; and, where midnight isn't at a full hour,
// the events of both hours that it cuts.
const SUM_DAY = `INSERT INTO usage_daily (day_ms, ${[...GROUPS, ...SUMS].join(', ')})
  SELECT ?2, ${GROUPS.join(', ')}, ${SUMS.map((sum) => `sum(${sum})`).join(', ')} FROM (
    SELECT ${[...GROUPS, ...SUMS].join(', ')} FROM usage_hourly
      WHERE hour_ms IN (SELECT value FROM json_each(?3)) AND tenant_id = ?1
    ${CUT_HOURS.flatMap(([from, to]) => [inOrder(from, to), astray(from, to)])
      .map((where) => `UNION ALL ${RAW} AND ${where}`)
      .join('\n')}
  ) GROUP BY ${GROUPS.join(', ')}`

/** Sums days that are over and were not summed, and anew those for which something came late or whose tenant is in another
 *  time zone by now. A run does a bounded part; the next goes on. Throws when D1 fails; what was done stays. */
export async function sumDays(db: D1Database, nowMs: number): Promise<void> {
  const zones = await moveZones(db)
  await sumLate(db, zones)
  const first = await db.prepare(`SELECT min(hour_ms) AS ms FROM usage_hourly`).first<{ ms: number | null }>()
  if (first?.ms === null || first?.ms === undefined) return
  // No zone's date is more than a day from that of UTC.
  const begun = Math.max(first.ms - DAY_MS, nowMs - HISTORY_DAYS * DAY_MS)
  let untilMs = Math.max(await progress(db, 'days'), Math.floor(begun / HOUR_MS) * HOUR_MS)
  const lastMs = Math.floor((nowMs - SUMMED_AFTER_MS) / QUARTER_MS) * QUARTER_MS
  for (let run = 0; run < DAYS_A_RUN_MAX && untilMs < lastMs; run++) {
    const nextMs = Math.min(untilMs + DAY_MS, lastMs)
    const ended = zones.flatMap(({ tenant_id, time_zone }) =>
      daysEndingIn(time_zone, untilMs, nextMs).map((day) => ({ tenantId: tenant_id, day })),
    )
    const statements = ended.flatMap(({ tenantId, day }) => sumOf(db, tenantId, day, 0))
    await inBatches(db, statements)
    await db.batch([noteProgress(db, 'days', nextMs)])
    untilMs = nextMs
  }
}

interface ZoneRow {
  readonly tenant_id: string
  readonly time_zone: string
}

/** The zones of the ledger's tenants, once the days of those who moved are summed anew. */
async function moveZones(db: D1Database): Promise<readonly ZoneRow[]> {
  const moved = await db
    .prepare(
      `SELECT tenant_id, tenants.time_zone AS time_zone FROM usage_zones JOIN tenants ON tenants.id = tenant_id
       WHERE tenants.time_zone <> usage_zones.time_zone LIMIT 20`,
    )
    .all<ZoneRow>()
  const untilMs = await progress(db, 'days')
  for (const { tenant_id: tenantId, time_zone: zone } of moved.results) {
    const first = await db
      .prepare(`SELECT min(hour_ms) AS ms FROM usage_hourly WHERE tenant_id = ?1`)
      .bind(tenantId)
      .first<{ ms: number | null }>()
    const rawFromMs = await progress(db, 'pruned')
    const days = daysEndingIn(zone, (first?.ms ?? untilMs) - 1, untilMs)
    await db.batch([
      db.prepare(`UPDATE usage_zones SET time_zone = ?2 WHERE tenant_id = ?1`).bind(tenantId, zone),
      db.prepare(`DELETE FROM usage_daily WHERE tenant_id = ?1`).bind(tenantId),
      ...days.flatMap((day) => sumOf(db, tenantId, day, rawFromMs)),
    ])
  }
  return (await db.prepare(`SELECT tenant_id, time_zone FROM usage_zones`).all<ZoneRow>()).results
}

async function sumLate(db: D1Database, zones: readonly ZoneRow[]): Promise<void> {
  const late = await db
    .prepare(`SELECT tenant_id, quarter_ms FROM usage_late ORDER BY quarter_ms LIMIT ${LATE_A_RUN_MAX}`)
    .all<{ tenant_id: string; quarter_ms: number }>()
  if (late.results.length === 0) return
  const [untilMs, rawFromMs] = await Promise.all([progress(db, 'days'), progress(db, 'pruned')])
  const zoneOf = new Map(zones.map((row) => [row.tenant_id, row.time_zone]))
  const days = new Map<string, { tenantId: string; day: Day; marks: number[] }>()
  for (const { tenant_id: tenantId, quarter_ms } of late.results) {
    const day = dayAt(zoneOf.get(tenantId) ?? FALLBACK_ZONE, quarter_ms)
    const name = `${tenantId} ${day.startMs}`
    const one = days.get(name) ?? { tenantId, day, marks: [] }
    one.marks.push(quarter_ms)
    days.set(name, one)
  }
  for (const { tenantId, day, marks } of days.values()) {
    const forget = `DELETE FROM usage_late WHERE tenant_id = ?1 AND quarter_ms IN (SELECT value FROM json_each(?2))`
    await db.batch([
      ...(day.endMs <= untilMs ? sumOf(db, tenantId, day, rawFromMs) : []),
      db.prepare(forget).bind(tenantId, JSON.stringify(marks)),
    ])
  }
}

/** Sums one day anew. Before `rawFromMs` there are no events: an hour that midnight cuts is of the day it begins in. */
function sumOf(db: D1Database, tenantId: string, { startMs, endMs }: Day, rawFromMs: number): D1PreparedStatement[] {
  const firstHourMs = Math.ceil(startMs / HOUR_MS) * HOUR_MS
  const hasRaw = startMs >= rawFromMs
  const lastHourMs = hasRaw ? Math.floor(endMs / HOUR_MS) * HOUR_MS : endMs
  const hours = []
  for (let hourMs = firstHourMs; hourMs < lastHourMs; hourMs += HOUR_MS) hours.push(hourMs)
  const cut = hasRaw ? [startMs, firstHourMs, lastHourMs, endMs] : [0, 0, 0, 0]
  return [
    db.prepare(`DELETE FROM usage_daily WHERE tenant_id = ?1 AND day_ms = ?2`).bind(tenantId, startMs),
    db.prepare(SUM_DAY).bind(tenantId, startMs, JSON.stringify(hours), ...cut),
  ]
}

/** The days of `zone` that end in (fromMs, toMs]. */
function daysEndingIn(zone: string, fromMs: number, toMs: number): readonly Day[] {
  const days: Day[] = []
  for (let day = dayAt(zone, fromMs); day.endMs <= toMs; day = dayAt(zone, day.endMs)) days.push(day)
  return days
}

const STATEMENTS_A_BATCH = 50

async function inBatches(db: D1Database, statements: readonly D1PreparedStatement[]): Promise<void> {
  for (let at = 0; at < statements.length; at += STATEMENTS_A_BATCH) {
    await db.batch(statements.slice(at, at + STATEMENTS_A_BATCH))
  }
}

/** How far some regular work has come: an instant; 0 before it was ever done. */
export async function progress(db: D1Database, name: string): Promise<number> {
  const row = await db
    .prepare(`SELECT until_ms FROM ledger_progress WHERE name = ?1`)
    .bind(name)
    .first<{ until_ms: number }>()
  return row?.until_ms ?? 0
}

/** To be written with the work itself. */
export function noteProgress(db: D1Database, name: string, untilMs: number): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO ledger_progress (name, until_ms) VALUES (?1, ?2)
      ON CONFLICT DO UPDATE SET until_ms = max(until_ms, excluded.until_ms)`,
    )
    .bind(name, untilMs)
}
