// Where a report reads what: whole days of each tenant's calendar from the days, what remains from the hours, and what is
// less than an hour from the events. Together they hold every event of a stretch of time exactly once.
import { GROUP_DIMENSIONS, ROLLUP_SUMS } from './columns.ts'
import { dateOffsetMs, dayAt } from './days.ts'
import { astray, inOrder } from './event-times.ts'

const HOUR_MS = 3_600_000

/** Time by which rows may be grouped: UTC hours as epoch ms; dates of the tenant's calendar as text. */
export type TimeGroup = 'hour' | 'day'

/** What a report reads. */
export interface SourceQuery {
  readonly fromMs: number
  readonly toMs: number
  readonly time: TimeGroup | null
  /** Columns of `GROUP_DIMENSIONS` that are needed. */
  readonly dimensions: readonly (keyof typeof GROUP_DIMENSIONS)[]
  /** Columns of `ROLLUP_SUMS` that are needed. */
  readonly sums: readonly string[]
  /** Whether `feedback_count` and `feedback_milli` are, too. */
  readonly withFeedback: boolean
}

/** SQL of a select with the columns asked for (`time` for the group of time), and its parameters, ?1 to ?4. */
export interface Source {
  readonly sql: string
  readonly parameters: readonly string[]
}

/** How far the ledger is. */
export interface LedgerState {
  readonly zones: readonly string[]
  /** Days that ended by then are summed. */
  readonly daysUntilMs: number
  /** Days of UTC until then are summed by end user and by tag. */
  readonly facetsUntilMs: number
  /** Events that started before are gone. */
  readonly prunedUntilMs: number
}

const STATE = `SELECT
  (SELECT json_group_array(DISTINCT time_zone) FROM usage_zones) AS zones,
  (SELECT until_ms FROM ledger_progress WHERE name = 'days') AS days,
  (SELECT min(quarter_ms) FROM usage_late) AS late,
  (SELECT until_ms FROM ledger_progress WHERE name = 'facets') AS facets,
  (SELECT until_ms FROM ledger_progress WHERE name = 'pruned') AS pruned`

/** Reads how far the ledger is: a few rows. */
export async function ledgerState(db: D1Database): Promise<LedgerState> {
  const row = await db
    .prepare(STATE)
    .first<{ zones: string; days: number | null; late: number | null; facets: number | null; pruned: number | null }>()
  const zones: readonly string[] = JSON.parse(row?.zones ?? '[]')
  const daysUntilMs = Math.min(row?.days ?? 0, row?.late ?? Infinity)
  return { zones, daysUntilMs, facetsUntilMs: row?.facets ?? 0, prunedUntilMs: row?.pruned ?? 0 }
}

/** Where events are gone, a stretch of time ends at full hours. */
export function readable(
  query: { fromMs: number; toMs: number },
  state: LedgerState,
): { fromMs: number; toMs: number } {
  const whole = (ms: number): number => (ms < state.prunedUntilMs ? Math.floor(ms / HOUR_MS) * HOUR_MS : ms)
  return { fromMs: whole(query.fromMs), toMs: whole(query.toMs) }
}

/** What is read for a zone: whole days in [firstDayMs, lastDayMs). */
interface Span {
  readonly zone: string
  readonly firstDayMs: number
  readonly lastDayMs: number
  /** Beginnings of the other days, where they are asked for. */
  readonly otherDays: readonly number[]
  readonly offsetMs: number
}

type Range = readonly [from: number, to: number, zone: string | null]

function spanOf(zone: string, query: SourceQuery, state: LedgerState): Span {
  const { fromMs, toMs } = query
  const first = dayAt(zone, fromMs)
  const wholeFromMs = first.startMs === fromMs ? fromMs : first.endMs
  const wholeToMs = dayAt(zone, Math.min(toMs, state.daysUntilMs)).startMs
  const hasDays = query.time !== 'hour' && wholeFromMs < wholeToMs
  const [firstDayMs, lastDayMs] = hasDays ? [wholeFromMs, wholeToMs] : [toMs, toMs]
  const otherDays =
    query.time === 'day' ? [first.startMs, ...daysFrom(zone, hasDays ? wholeToMs : first.endMs, toMs)] : []
  return { zone, firstDayMs, lastDayMs, otherDays, offsetMs: dateOffsetMs(zone, fromMs) }
}

function daysFrom(zone: string, fromMs: number, toMs: number): readonly number[] {
  const days: number[] = []
  for (let day = dayAt(zone, fromMs); day.startMs < toMs; day = dayAt(zone, day.endMs)) days.push(day.startMs)
  return days
}

/** The source of a report on [fromMs, toMs), which is `readable`. */
export function sourceOf(query: SourceQuery, state: LedgerState): Source {
  const { fromMs, toMs } = query
  const zones = state.zones.length === 0 ? ['UTC'] : state.zones
  const spans = zones.map((zone) => spanOf(zone, query, state))
  const firstHourMs = Math.ceil(fromMs / HOUR_MS) * HOUR_MS
  const lastHourMs = Math.floor(toMs / HOUR_MS) * HOUR_MS
  const hasHours = firstHourMs < lastHourMs
  const cut: Range[] = hasHours
    ? [
        [fromMs, firstHourMs, null],
        [lastHourMs, toMs, null],
      ]
    : [[fromMs, toMs, null]]
  // Hours that a midnight cuts: what isn't in the day.
  for (const { zone, firstDayMs, lastDayMs } of spans.filter(hasDays)) {
    cut.push([Math.max(Math.floor(firstDayMs / HOUR_MS) * HOUR_MS, firstHourMs), firstDayMs, zone])
    cut.push([lastDayMs, Math.min(Math.ceil(lastDayMs / HOUR_MS) * HOUR_MS, lastHourMs), zone])
  }
  const bound = spans.map((span) => [span.zone, span.firstDayMs, span.lastDayMs, span.offsetMs, span.otherDays])
  const parameters = [
    bound,
    hasHours ? hoursOf(spans, firstHourMs, lastHourMs) : [],
    cut.filter(([from, to]) => from < to),
    ...(query.withFeedback ? [[fromMs, toMs]] : []),
  ].map((value) => JSON.stringify(value))
  return { sql: sqlOf(query), parameters }
}

function hasDays({ firstDayMs, lastDayMs }: Span): boolean {
  return firstDayMs < lastDayMs
}

/** Where hours may be needed: all, or those around the days of all zones. */
function hoursOf(spans: readonly Span[], fromMs: number, toMs: number): readonly (readonly [number, number])[] {
  const beforeMs = Math.max(...spans.map((span) => span.firstDayMs))
  const afterMs = Math.min(...spans.map((span) => span.lastDayMs)) - HOUR_MS
  if (!spans.every(hasDays) || beforeMs >= afterMs) return [[fromMs, toMs]]
  return [
    [fromMs, beforeMs],
    [afterMs, toMs],
  ]
}

const SPANS = `span AS MATERIALIZED (
    SELECT tenant_id AS of_tenant, value ->> 1 AS first_day, value ->> 2 AS last_day, value ->> 3 AS offset_ms,
      value -> 4 AS other_days, time_zone
    FROM json_each(?1) JOIN usage_zones ON time_zone = value ->> 0)`

function sqlOf(query: SourceQuery): string {
  const { dimensions, sums } = query
  const raw = arm(query, {
    time: timeOf(query.time, 'started_at_ms'),
    dimensions: dimensions.map((name) => `${GROUP_DIMENSIONS[name]} AS ${name}`),
    sums: sums.map((name) => `${ROLLUP_SUMS[name]} AS ${name}`),
  })
  const rolled = (time: string): string => arm(query, { time, dimensions, sums })
  const range = `json_each(?3) AS r CROSS JOIN usage_events CROSS JOIN span
      ON of_tenant = tenant_id AND coalesce(r.value ->> 2 = time_zone, 1)`
  const [from, to] = ['(r.value ->> 0)', '(r.value ->> 1)']
  const isOutside = 'NOT (started_at_ms >= first_day AND started_at_ms < last_day)'
  const arms = [
    `${rolled(query.time === 'hour' ? 'NULL' : timeOf(query.time, 'day_ms', 'day_ms'))}
      FROM span CROSS JOIN usage_daily ON tenant_id = of_tenant AND day_ms >= first_day AND day_ms < last_day`,
    `${rolled(timeOf(query.time, 'hour_ms'))}
      FROM json_each(?2) AS r CROSS JOIN usage_hourly CROSS JOIN span ON of_tenant = tenant_id
      WHERE hour_ms >= ${from} AND hour_ms < ${to} AND (hour_ms + ${HOUR_MS} <= first_day OR hour_ms >= last_day)`,
    `${raw} FROM ${range} WHERE ${inOrder(from, to)} AND ${isOutside}`,
    `${raw} FROM ${range} WHERE ${astray(from, to)} AND ${isOutside}`,
    ...(query.withFeedback ? [feedbackArm(query)] : []),
  ]
  return `WITH ${SPANS} ${arms.map((one) => `SELECT ${one}`).join('\nUNION ALL ')}`
}

interface Arm {
  readonly time: string
  readonly dimensions: readonly string[]
  readonly sums: readonly string[]
}

function arm({ withFeedback, time }: SourceQuery, columns: Arm): string {
  const feedback = withFeedback ? ['0 AS feedback_count', '0 AS feedback_milli'] : []
  const all = [
    ...(time === null ? [] : [`${columns.time} AS time`]),
    ...columns.dimensions,
    ...columns.sums,
    ...feedback,
  ]
  return all.length === 0 ? '1 AS one' : all.join(', ')
}

function feedbackArm({ time, dimensions, sums }: SourceQuery): string {
  const columns = [
    ...(time === null ? [] : [`${timeOf(time, 'started_at_ms')} AS time`]),
    ...dimensions,
    ...sums.map((name) => `0 AS ${name}`),
    '1 AS feedback_count',
    'score_milli AS feedback_milli',
  ]
  return `${columns.join(', ')} FROM feedback JOIN span ON of_tenant = tenant_id
    WHERE started_at_ms >= ?4 ->> 0 AND started_at_ms < ?4 ->> 1`
}

/** The group of time of a row whose time is `column`; `day` is its day where that is known. */
function timeOf(time: TimeGroup | null, column: string, day?: string): string {
  if (time === null) return 'NULL'
  if (time === 'hour') return `${column} - ${column} % ${HOUR_MS}`
  const found = day ?? `(SELECT max(d.value) FROM json_each(other_days) AS d WHERE d.value <= ${column})`
  return `strftime('%Y-%m-%d', (${found} + offset_ms) / 1000, 'unixepoch')`
}
