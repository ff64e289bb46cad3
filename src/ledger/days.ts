// Usage by day of the tenant's own calendar: summed from the hours once a day is over, by the consumer's schedule, so that
// a report of months reads days. What comes late for such a day is marked (`usage_late`) in the transaction that takes it
// in, and the day is summed anew; until then reports read hours from there on.
import { isTimeZone, windowAt } from '../core/limits/window.ts'
import { GROUP_DIMENSIONS, ROLLUP_SUMS, selectList } from './columns.ts'
import { astray, inOrder } from './event-times.ts'
import { DAY_TABLES, WHOSE, type Whose, dayTogether, hoursTogether, weeksTogether } from './together.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000
/** Offsets of zones are of whole quarters of an hour, so that each lies in one day. */
export const QUARTER_MS = 900_000
/** A day is summed this long after it ended at the earliest. */
const SUMMED_AFTER_MS = 2 * HOUR_MS
/** An event that comes this long after it started is late: its day may have been summed. */
export const LATE_AFTER_MS = HOUR_MS
const FALLBACK_ZONE = 'UTC'
// A Worker may ask D1 a thousand times in a run: what is left over is for the next.
const STATEMENTS_A_RUN = 400
const TOGETHER_A_RUN = 200
const WEEKS_A_RUN = 40
const LATE_A_RUN_MAX = 100
/** The oldest days that are summed. */
const HISTORY_DAYS = 400

/** A stretch of time [startMs, endMs). */
export interface Day {
  readonly startMs: number
  readonly endMs: number
}

/** The day of `zone` that holds this instant. A zone that this runtime doesn't know is UTC. */
export function dayAt(zone: string, ms: number): Day {
  return windowAt('day', isTimeZone(zone) ? zone : FALLBACK_ZONE, ms)
}

/** The week of `zone` that holds this instant, from Monday on: seven whole days. */
export function weekAt(zone: string, ms: number): Day {
  return windowAt('week', isTimeZone(zone) ? zone : FALLBACK_ZONE, ms)
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
const CUT_HOURS = [
  ['?4', '?5'],
  ['?6', '?7'],
] as const

// Of ?1 the day ?2: the whole hours ?3, a list, so that each is looked up; and, where midnight isn't at a full hour, the
// events of both hours that it cuts.
function sumDaySql(whose: string): string {
  const raw = `SELECT ${selectList(GROUP_DIMENSIONS)}, ${selectList(ROLLUP_SUMS)} FROM usage_events WHERE ${whose}`
  return `INSERT INTO usage_daily (day_ms, ${[...GROUPS, ...SUMS].join(', ')})
  SELECT ?2, ${GROUPS.join(', ')}, ${SUMS.map((sum) => `sum(${sum})`).join(', ')} FROM (
    SELECT ${[...GROUPS, ...SUMS].join(', ')} FROM usage_hourly
      WHERE hour_ms IN (SELECT value FROM json_each(?3)) AND ${whose}
    ${CUT_HOURS.flatMap(([from, to]) => [inOrder(from, to), astray(from, to)])
      .map((where) => `UNION ALL ${raw} AND ${where}`)
      .join('\n')}
  ) GROUP BY ${GROUPS.join(', ')}`
}

/** Sums days that are over and were not summed, and anew those for which something came late or whose tenant is in another
 *  time zone by now. A run does a bounded part; the next goes on. Throws when D1 fails; what was done stays. */
export async function sumDays(db: D1Database, nowMs: number): Promise<void> {
  // That is a run of its own: it may be hundreds of days.
  if (await moveZone(db, nowMs)) return
  const zones = await zonesOf(db)
  await sumLate(db, zones)
  const first = await db.prepare(`SELECT min(hour_ms) AS ms FROM usage_hourly`).first<{ ms: number | null }>()
  if (first?.ms === null || first?.ms === undefined) return
  // No zone's date is more than a day from that of UTC.
  const begun = Math.max(first.ms - DAY_MS, nowMs - HISTORY_DAYS * DAY_MS)
  const names = [...new Set(zones.map((row) => row.time_zone))]
  let untilMs = Math.max(await progress(db, 'days'), Math.floor(begun / HOUR_MS) * HOUR_MS)
  const lastMs = Math.floor((nowMs - SUMMED_AFTER_MS) / QUARTER_MS) * QUARTER_MS
  for (let asked = 0; asked < STATEMENTS_A_RUN && untilMs < lastMs;) {
    const nextMs = Math.min(untilMs + DAY_MS, lastMs)
    const sums = names.flatMap((zone) =>
      daysEndingIn(zone, untilMs, nextMs).flatMap((day) => sumOf(db, 'zone', zone, day, 0)),
    )
    await db.batch([...sums, noteProgress(db, 'days', nextMs)])
    untilMs = nextMs
    asked += sums.length + 1
  }
  await sumTogether(db, names, { begunMs: Math.floor(begun / HOUR_MS) * HOUR_MS, lastMs: untilMs })
  await sumWeeks(db, names)
}

/** Sums weeks of keys, as far as days of all keys together are summed. */
async function sumWeeks(db: D1Database, zones: readonly string[]): Promise<void> {
  const lastMs = await progress(db, 'together')
  let untilMs = await progress(db, 'weeks')
  if (untilMs === 0) {
    const first = await db.prepare(`SELECT min(day_ms) AS ms FROM usage_daily_keys`).first<{ ms: number | null }>()
    untilMs = first?.ms ?? lastMs
  }
  for (let asked = 0; asked < WEEKS_A_RUN && untilMs < lastMs;) {
    const nextMs = Math.min(untilMs + 7 * DAY_MS, lastMs)
    const fromMs = untilMs
    const sums = zones.flatMap((zone) => weeksTogether(db, 'zone', zone, weeksEndingIn(zone, fromMs, nextMs)))
    await db.batch([...sums, noteProgress(db, 'weeks', nextMs)])
    untilMs = nextMs
    asked += sums.length + 1
  }
}

/** Sums hours and days of all keys together, as far as days are summed. */
async function sumTogether(
  db: D1Database,
  zones: readonly string[],
  { begunMs, lastMs }: { readonly begunMs: number; readonly lastMs: number },
): Promise<void> {
  let untilMs = Math.max(await progress(db, 'together'), begunMs)
  for (let asked = 0; asked < TOGETHER_A_RUN && untilMs < lastMs;) {
    const nextMs = Math.min(untilMs + DAY_MS, lastMs)
    const fromMs = untilMs
    const sums = [
      ...hoursTogether(db, null, hoursBetween(Math.floor(fromMs / HOUR_MS) * HOUR_MS, nextMs)),
      ...zones.flatMap((zone) =>
        daysEndingIn(zone, fromMs, nextMs).flatMap((day) => dayTogether(db, 'zone', zone, day.startMs)),
      ),
    ]
    await db.batch([...sums, noteProgress(db, 'together', nextMs)])
    untilMs = nextMs
    asked += sums.length + 1
  }
}

/** The hours that are over by `toMs`, from the full hour `fromMs` on. */
function hoursBetween(fromMs: number, toMs: number): readonly number[] {
  const hours: number[] = []
  for (let hourMs = fromMs; hourMs + HOUR_MS <= toMs; hourMs += HOUR_MS) hours.push(hourMs)
  return hours
}

interface ZoneRow {
  readonly tenant_id: string
  readonly time_zone: string
}

/** Sums all days of a tenant anew that is in another time zone by now; false where there is none. */
async function moveZone(db: D1Database, nowMs: number): Promise<boolean> {
  const moved = await db
    .prepare(
      `SELECT tenant_id, tenants.time_zone AS time_zone FROM usage_zones JOIN tenants ON tenants.id = tenant_id
       WHERE tenants.time_zone <> usage_zones.time_zone LIMIT 1`,
    )
    .first<ZoneRow>()
  if (moved === null) return false
  const { tenant_id: tenantId, time_zone: zone } = moved
  const far = await howFar(db)
  const { untilMs } = far
  const first = await db
    .prepare(`SELECT min(hour_ms) AS ms FROM usage_hourly WHERE tenant_id = ?1 AND hour_ms >= ?2`)
    .bind(tenantId, nowMs - HISTORY_DAYS * DAY_MS)
    .first<{ ms: number | null }>()
  const days = daysEndingIn(zone, first?.ms ?? untilMs, untilMs)
  const oldest = await db
    .prepare(`SELECT min(day_ms) AS ms FROM usage_daily_keys WHERE tenant_id = ?1`)
    .bind(tenantId)
    .first<{ ms: number | null }>()
  const oldestMs = Math.min(oldest?.ms ?? untilMs, days[0]?.startMs ?? untilMs)
  await db.batch([
    db.prepare(`UPDATE usage_zones SET time_zone = ?2 WHERE tenant_id = ?1`).bind(tenantId, zone),
    ...DAY_TABLES.map((table) =>
      db
        .prepare(`DELETE FROM ${table} WHERE tenant_id = ?1 AND day_ms >= ?2`)
        .bind(tenantId, (days[0]?.startMs ?? untilMs) - DAY_MS),
    ),
    ...days.flatMap((day) => sumAgain(db, tenantId, day, far)),
    // Weeks begin elsewhere, those of days that stay as well.
    db.prepare(`DELETE FROM usage_weekly_keys WHERE tenant_id = ?1`).bind(tenantId),
    ...weeksTogether(db, 'tenant', tenantId, weeksEndingIn(zone, oldestMs, far.weeksMs)),
  ])
  return true
}

async function zonesOf(db: D1Database): Promise<readonly ZoneRow[]> {
  return (await db.prepare(`SELECT tenant_id, time_zone FROM usage_zones`).all<ZoneRow>()).results
}

async function sumLate(db: D1Database, zones: readonly ZoneRow[]): Promise<void> {
  // Of days that are yet to be summed nothing came late.
  await db
    .prepare(`DELETE FROM usage_late WHERE quarter_ms >= ?1`)
    .bind(await progress(db, 'days'))
    .run()
  const late = await db
    .prepare(`SELECT tenant_id, quarter_ms FROM usage_late ORDER BY quarter_ms LIMIT ${LATE_A_RUN_MAX}`)
    .all<{ tenant_id: string; quarter_ms: number }>()
  if (late.results.length === 0) return
  const far = await howFar(db)
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
    const week = weekAt(zoneOf.get(tenantId) ?? FALLBACK_ZONE, day.startMs)
    const forget = `DELETE FROM usage_late WHERE tenant_id = ?1 AND quarter_ms IN (SELECT value FROM json_each(?2))`
    const hours = marks.map((ms) => Math.floor(ms / HOUR_MS) * HOUR_MS).filter((ms) => ms + HOUR_MS <= far.togetherMs)
    await db.batch([
      ...hoursTogether(db, tenantId, [...new Set(hours)]),
      ...(day.endMs <= far.untilMs ? sumAgain(db, tenantId, day, far) : []),
      ...weeksTogether(db, 'tenant', tenantId, week.endMs <= far.weeksMs ? [week] : []),
      db.prepare(forget).bind(tenantId, JSON.stringify(marks)),
    ])
  }
}

interface HowFar {
  /** Days that ended by then are summed. */
  readonly untilMs: number
  /** Days and hours that ended by then are, of all keys together. */
  readonly togetherMs: number
  /** Weeks of keys that ended by then are. */
  readonly weeksMs: number
  /** Events that started before are gone. */
  readonly rawFromMs: number
}

async function howFar(db: D1Database): Promise<HowFar> {
  const names = ['days', 'together', 'weeks', 'pruned']
  const [untilMs = 0, togetherMs = 0, weeksMs = 0, rawFromMs = 0] = await Promise.all(
    names.map((name) => progress(db, name)),
  )
  return { untilMs, togetherMs, weeksMs, rawFromMs }
}

/** Sums a day of a tenant anew, in all ways in which it was. */
function sumAgain(db: D1Database, tenantId: string, day: Day, far: HowFar): readonly D1PreparedStatement[] {
  return [
    ...sumOf(db, 'tenant', tenantId, day, far.rawFromMs),
    ...(day.endMs <= far.togetherMs ? dayTogether(db, 'tenant', tenantId, day.startMs) : []),
  ]
}

/** Sums one day anew. Before `rawFromMs` there are no events: an hour that midnight cuts is of the day it begins in. */
function sumOf(
  db: D1Database,
  whose: Whose,
  name: string,
  { startMs, endMs }: Day,
  rawFromMs: number,
): D1PreparedStatement[] {
  const firstHourMs = Math.ceil(startMs / HOUR_MS) * HOUR_MS
  const hasRaw = startMs >= rawFromMs
  const lastHourMs = hasRaw ? Math.floor(endMs / HOUR_MS) * HOUR_MS : endMs
  const hours = []
  for (let hourMs = firstHourMs; hourMs < lastHourMs; hourMs += HOUR_MS) hours.push(hourMs)
  const cut = hasRaw ? [startMs, firstHourMs, lastHourMs, endMs] : [0, 0, 0, 0]
  return [
    db.prepare(`DELETE FROM usage_daily WHERE ${WHOSE[whose]} AND day_ms = ?2`).bind(name, startMs),
    db.prepare(sumDaySql(WHOSE[whose])).bind(name, startMs, JSON.stringify(hours), ...cut),
  ]
}

/** The days of `zone` that end in (fromMs, toMs]. */
function daysEndingIn(zone: string, fromMs: number, toMs: number): readonly Day[] {
  const days: Day[] = []
  for (let day = dayAt(zone, fromMs); day.endMs <= toMs; day = dayAt(zone, day.endMs)) days.push(day)
  return days
}

/** The weeks of `zone` that end in (fromMs, toMs]. */
function weeksEndingIn(zone: string, fromMs: number, toMs: number): readonly Day[] {
  const weeks: Day[] = []
  for (let week = weekAt(zone, fromMs); week.endMs <= toMs; week = weekAt(zone, week.endMs)) weeks.push(week)
  return weeks
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
