// Where a report reads what: whole days of each tenant's calendar from the days, what remains from the hours, and what is
// less than an hour from the events. Together they hold every event of a stretch of time exactly once. Where keys need not be
// told apart, days and hours are those of all keys of a team together, so that a report reads no more for having more keys.
import { GROUP_DIMENSIONS, ROLLUP_SUMS } from './columns.ts'
import { dateOffsetMs, dayAt, weekAt } from './days.ts'
import { astray, inOrder } from './event-times.ts'
import { IS_OWN, arm, feedbackArm, timeOf } from './report-arms.ts'
import { KEY_SUMS } from './together.ts'

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
  /** Whether keys are told apart. Where they aren't, `key_id` says only whether it was a client's, or a mirror's. */
  readonly isByKey: boolean
  /** Only these tenants'; left out: everybody's. */
  readonly tenants?: readonly string[]
  /** Only these keys, which are looked up one by one. */
  readonly keys?: readonly KeyOwner[]
}

/** A key and whose it is. */
export interface KeyOwner {
  readonly tenant_id: string
  /** '' for none. */
  readonly team_id: string
  readonly key_id: string
}

/** SQL of a select with the columns asked for (`time` for the group of time), and its parameters, from ?1 on. */
export interface Source {
  readonly sql: string
  readonly parameters: readonly string[]
}

/** How far the ledger is. */
export interface LedgerState {
  readonly zones: readonly string[]
  /** Days that ended by then are summed. */
  readonly daysUntilMs: number
  /** Days and hours that ended by then are summed for all keys together. */
  readonly togetherUntilMs: number
  /** Weeks of keys that ended by then are summed. */
  readonly weeksUntilMs: number
  /** Days of UTC until then are summed by end user and by tag. */
  readonly facetsUntilMs: number
  /** Events that started before are gone. */
  readonly prunedUntilMs: number
}

const STATE = `SELECT
  (SELECT json_group_array(DISTINCT time_zone) FROM usage_zones) AS zones,
  (SELECT until_ms FROM ledger_progress WHERE name = 'days') AS days,
  (SELECT until_ms FROM ledger_progress WHERE name = 'together') AS together,
  (SELECT until_ms FROM ledger_progress WHERE name = 'weeks') AS weeks,
  (SELECT min(quarter_ms) FROM usage_late) AS late,
  (SELECT until_ms FROM ledger_progress WHERE name = 'facets') AS facets,
  (SELECT until_ms FROM ledger_progress WHERE name = 'pruned') AS pruned`

/** Reads how far the ledger is: a few rows. */
export async function ledgerState(db: D1Database): Promise<LedgerState> {
  const row = await db.prepare(STATE).first<StateRow>()
  const zones: readonly string[] = JSON.parse(row?.zones ?? '[]')
  const lateMs = row?.late ?? Infinity
  return {
    zones,
    daysUntilMs: Math.min(row?.days ?? 0, lateMs),
    togetherUntilMs: Math.min(row?.together ?? 0, lateMs),
    weeksUntilMs: Math.min(row?.weeks ?? 0, lateMs),
    facetsUntilMs: row?.facets ?? 0,
    prunedUntilMs: row?.pruned ?? 0,
  }
}

interface StateRow {
  readonly zones: string
  readonly days: number | null
  readonly together: number | null
  readonly weeks: number | null
  readonly late: number | null
  readonly facets: number | null
  readonly pruned: number | null
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
  /** Beginnings of those that are read as weeks. */
  readonly weeks: readonly number[]
  /** The others, each stretch as [from, to). */
  readonly stretches: readonly (readonly [from: number, to: number])[]
  /** Their beginnings, where keys are looked up day by day. */
  readonly days: readonly number[]
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
  const [firstWeekMs, lastWeekMs] = weeksWithin(zone, [firstDayMs, lastDayMs], query, state)
  const weeks: number[] = []
  for (let ms = firstWeekMs; ms < lastWeekMs; ms = weekAt(zone, ms).endMs) weeks.push(ms)
  const stretches = (
    [
      [firstDayMs, firstWeekMs],
      [lastWeekMs, lastDayMs],
    ] as const
  ).filter(isStretch)
  const days = query.keys === undefined ? [] : stretches.flatMap(([from, to]) => daysFrom(zone, from, to))
  return { zone, firstDayMs, lastDayMs, weeks, stretches, days, otherDays, offsetMs: dateOffsetMs(zone, fromMs) }
}

/** Beginning and end of the weeks in a stretch of whole days, where they may be read; else the stretch's end, twice. */
function weeksWithin(
  zone: string,
  [fromMs, toMs]: readonly [number, number],
  query: SourceQuery,
  state: LedgerState,
): readonly [from: number, to: number] {
  if (fromMs >= toMs || query.time !== null || tableOf(query, state) !== 'usage_daily_keys') return [toMs, toMs]
  const week = weekAt(zone, fromMs)
  const firstMs = week.startMs === fromMs ? fromMs : week.endMs
  const lastMs = weekAt(zone, Math.min(toMs, state.weeksUntilMs)).startMs
  return firstMs < lastMs ? [firstMs, lastMs] : [toMs, toMs]
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
  const hours = hasHours ? hoursOf(spans, firstHourMs, lastHourMs) : []
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
  const ranges = cut.filter(([from, to]) => from < to)
  return new Writing(query, { spans, hours, ranges, table: tableOf(query, state), state }).source()
}

/** What days are read from, and whether hours are those of all keys together, too. */
type DayTable = 'usage_daily' | 'usage_daily_teams' | 'usage_daily_keys'

function tableOf({ toMs, time, isByKey, dimensions, sums }: SourceQuery, state: LedgerState): DayTable {
  if (state.togetherUntilMs < Math.min(toMs, state.daysUntilMs)) return 'usage_daily'
  if (!isByKey) return 'usage_daily_teams'
  const isOfKeys =
    time !== 'hour' && dimensions.every((name) => OF_KEYS.has(name)) && sums.every((name) => KEY_SUMS.includes(name))
  return isOfKeys ? 'usage_daily_keys' : 'usage_daily'
}

const OF_KEYS: ReadonlySet<string> = new Set(['tenant_id', 'team_id', 'key_id'])

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

interface Reading {
  readonly spans: readonly Span[]
  readonly hours: readonly (readonly [from: number, to: number])[]
  readonly ranges: readonly Range[]
  readonly table: DayTable
  readonly state: LedgerState
}

/** A source as it is written: SQL, and the parameters that it names. */
class Writing {
  readonly #query: SourceQuery
  readonly #reading: Reading
  readonly #parameters: string[] = []

  constructor(query: SourceQuery, reading: Reading) {
    this.#query = query
    this.#reading = reading
  }

  source(): Source {
    const query = this.#query
    const arms = [this.#days(), this.#hours(), ...this.#events()]
    if (query.withFeedback) arms.push(feedbackArm(query, this.#place([query.fromMs, query.toMs])))
    const sql = `WITH ${[this.#spans(), ...this.#keys()].join(', ')}
      ${arms.map((one) => `SELECT ${one}`).join('\nUNION ALL ')}`
    return { sql, parameters: this.#parameters }
  }

  #place(value: unknown): string {
    return `?${this.#parameters.push(JSON.stringify(value))}`
  }

  #spans(): string {
    const bound = this.#reading.spans.map((span) => {
      return [
        span.zone,
        span.firstDayMs,
        span.lastDayMs,
        span.offsetMs,
        span.otherDays,
        span.days,
        span.stretches,
        span.weeks,
      ]
    })
    const { tenants } = this.#query
    const own = tenants === undefined ? '' : `WHERE tenant_id IN (SELECT value FROM json_each(${this.#place(tenants)}))`
    return `span AS MATERIALIZED (
      SELECT tenant_id AS of_tenant, value ->> 1 AS first_day, value ->> 2 AS last_day, value ->> 3 AS offset_ms,
        value -> 4 AS other_days, value -> 5 AS whole_days, value -> 6 AS stretches, value -> 7 AS weeks, time_zone
      FROM json_each(${this.#place(bound)}) JOIN usage_zones ON time_zone = value ->> 0 ${own})`
  }

  #keys(): readonly string[] {
    const { keys } = this.#query
    if (keys === undefined) return []
    const owners = keys.map((key) => [key.tenant_id, key.team_id, key.key_id])
    return [
      `own AS MATERIALIZED (SELECT value ->> 0 AS own_tenant, value ->> 1 AS own_team, value ->> 2 AS own_key
        FROM json_each(${this.#place(owners)}))`,
    ]
  }

  #days(): string {
    const { time, keys } = this.#query
    const { table } = this.#reading
    const columns = this.#rolled(time === 'hour' ? 'NULL' : timeOf(time, 'day_ms', 'day_ms'))
    if (keys === undefined) {
      const days = `${columns} FROM span CROSS JOIN json_each(stretches) AS d CROSS JOIN ${table}
        ON tenant_id = of_tenant AND day_ms >= d.value ->> 0 AND day_ms < d.value ->> 1 ${this.#grouped()}`
      return this.#withWeeks(
        days,
        `${columns} FROM span CROSS JOIN json_each(weeks) AS w CROSS JOIN usage_weekly_keys
        ON tenant_id = of_tenant AND week_ms = w.value ${this.#grouped()}`,
      )
    }
    const days = `${columns} FROM span CROSS JOIN own ON own_tenant = of_tenant CROSS JOIN json_each(whole_days) AS d
      CROSS JOIN ${table} ON tenant_id = of_tenant AND day_ms = d.value AND team_id = own_team AND key_id = own_key`
    return this.#withWeeks(
      days,
      `${columns} FROM span CROSS JOIN own ON own_tenant = of_tenant CROSS JOIN json_each(weeks) AS w
      CROSS JOIN usage_weekly_keys ON tenant_id = of_tenant AND week_ms = w.value AND key_id = own_key AND team_id = own_team`,
    )
  }

  /** Both as one select: SQLite in Workers takes five in a row at most. */
  #withWeeks(days: string, weeks: string): string {
    const hasWeeks = this.#reading.spans.some((span) => span.weeks.length > 0)
    return hasWeeks ? `* FROM (SELECT ${days} UNION ALL SELECT ${weeks})` : days
  }

  #hours(): string {
    const { hours, table, state } = this.#reading
    const columns = this.#rolled(timeOf(this.#query.time, 'hour_ms'))
    const isOutside = `(hour_ms + ${HOUR_MS} <= first_day OR hour_ms >= last_day)`
    if (this.#query.keys !== undefined) {
      return `${columns} FROM json_each(${this.#place(hours.flatMap(beginnings))}) AS h CROSS JOIN own CROSS JOIN usage_hourly
          ON hour_ms = h.value AND tenant_id = own_tenant AND team_id = own_team AND key_id = own_key
        CROSS JOIN span ON of_tenant = tenant_id WHERE ${isOutside}`
    }
    const apart = (ranges: Reading['hours']): string => `${columns}
      FROM json_each(${this.#place(ranges)}) AS r CROSS JOIN usage_hourly CROSS JOIN span ON of_tenant = tenant_id
      WHERE hour_ms >= r.value ->> 0 AND hour_ms < r.value ->> 1 AND ${isOutside} ${this.#grouped()}`
    if (table !== 'usage_daily_teams') return apart(hours)
    const untilMs = Math.floor(state.togetherUntilMs / HOUR_MS) * HOUR_MS
    const before = hours.map(([from, to]) => [from, Math.min(to, untilMs)] as const).filter(isStretch)
    const after = hours.map(([from, to]) => [Math.max(from, untilMs), to] as const).filter(isStretch)
    // SQLite in Workers takes five selects in a row at most: these two count as one.
    return `* FROM (SELECT ${columns}
      FROM span CROSS JOIN json_each(${this.#place(before)}) AS r CROSS JOIN usage_hourly_teams
        ON tenant_id = of_tenant AND hour_ms >= r.value ->> 0 AND hour_ms < r.value ->> 1
      WHERE ${isOutside} UNION ALL SELECT ${apart(after)})`
  }

  #events(): readonly string[] {
    const { time, dimensions, sums, keys } = this.#query
    const columns = arm(this.#query, {
      time: timeOf(time, 'started_at_ms'),
      dimensions: dimensions.map((name) => `${GROUP_DIMENSIONS[name]} AS ${name}`),
      sums: sums.map((name) => `${ROLLUP_SUMS[name]} AS ${name}`),
    })
    const range = `json_each(${this.#place(this.#reading.ranges)}) AS r CROSS JOIN usage_events CROSS JOIN span
      ON of_tenant = tenant_id AND coalesce(r.value ->> 2 = time_zone, 1)`
    const isOutside = `NOT (started_at_ms >= first_day AND started_at_ms < last_day) ${keys === undefined ? '' : IS_OWN}`
    const [from, to] = ['(r.value ->> 0)', '(r.value ->> 1)']
    return [inOrder(from, to), astray(from, to)].map(
      (where) => `${columns} FROM ${range} WHERE ${where} AND ${isOutside}`,
    )
  }

  #rolled(time: string): string {
    const { dimensions, sums } = this.#query
    const isSummed = this.#isSummed()
    return arm(this.#query, { time, dimensions, sums: isSummed ? sums.map((name) => `sum(${name}) AS ${name}`) : sums })
  }

  /** Many rows of keys are summed where they are read: all together would be sorted in three times the time. */
  #isSummed(): boolean {
    const { isByKey, keys, dimensions } = this.#query
    return isByKey && keys === undefined && dimensions.length > 0
  }

  #grouped(): string {
    const { time, dimensions } = this.#query
    const count = dimensions.length + (time === null ? 0 : 1)
    return this.#isSummed() ? `GROUP BY ${Array.from({ length: count }, (_, at) => at + 1).join(', ')}` : ''
  }
}

function isStretch([from, to]: readonly [number, number]): boolean {
  return from < to
}

function beginnings([fromMs, toMs]: readonly [number, number]): readonly number[] {
  return Array.from({ length: Math.max(0, Math.ceil((toMs - fromMs) / HOUR_MS)) }, (_, at) => fromMs + at * HOUR_MS)
}
