// What an overview shows of a stretch of time, however many keys there are: the sums, those who spent most in each way to
// look at it, and what these spent over time. Everything is read once and grouped from there. Days come from the sums by
// day, so that a month of ten thousand keys is read in a fraction of the time that its hours would take.
import { IS_LIVE_KEY } from '../core/shadow.ts'
import { ledgerState, readable, sourceOf } from './report-source.ts'
import type { UsageSums } from './usage-report.ts'

/** The ways to look at spending, and the column of each. */
const COLUMNS = { model: 'model', key: 'key_id', team: 'team_id', tenant: 'tenant_id' } as const
export type SummaryDimension = keyof typeof COLUMNS
export const SUMMARY_DIMENSIONS = ['model', 'key', 'team', 'tenant'] as const

/** Lines of each table: those that cost most. */
export const SUMMARY_ROWS = 50
/** Series by themselves in a history; all others are one. */
export const HISTORY_SERIES = 7

export interface SummaryQuery {
  readonly fromMs: number
  readonly toMs: number
  /** Only this tenant's, or only this team's of it; everybody's where null. */
  readonly tenantId: string | null
  readonly teamId: string | null
}

/** Sums of one model, key, team or tenant; null for requests that had none. */
export interface SummaryRow extends UsageSums {
  readonly id: string | null
}

export interface SummaryTable {
  /** The dearest first, `SUMMARY_ROWS` at most. */
  readonly rows: readonly SummaryRow[]
  /** How many there are in all. */
  readonly count: number
}

export interface Summary {
  readonly from: number
  readonly to: number
  readonly total: UsageSums
  readonly tables: Readonly<Record<SummaryDimension, SummaryTable>>
}

const SUMS = [
  ...['requests', 'errors', 'cache_hits', 'unpriced', 'input_tokens', 'audio_input_tokens', 'cache_read_tokens'],
  ...['cache_write_tokens', 'cache_write_long_tokens', 'output_tokens', 'audio_output_tokens', 'reasoning_tokens'],
  ...['cost_nano_usd', 'saved_nano_usd'],
]

/** `UsageSums` of a row of `base`. */
const SHOWN: Readonly<Record<keyof UsageSums, string>> = {
  requests: 'requests',
  errors: 'errors',
  cache_hits: 'cache_hits',
  unpriced: 'unpriced',
  input_tokens: 'input_tokens + audio_input_tokens',
  cache_read_tokens: 'cache_read_tokens',
  cache_write_tokens: 'cache_write_tokens + cache_write_long_tokens',
  output_tokens: 'output_tokens + audio_output_tokens',
  reasoning_tokens: 'reasoning_tokens',
  cost_nano_usd: 'cost_nano_usd',
  saved_nano_usd: 'saved_nano_usd',
}
const IS_MONEY: ReadonlySet<string> = new Set(['cost_nano_usd', 'saved_nano_usd'])
const SHOWN_SUMS = Object.entries(SHOWN)
  .map(([name, value]) => {
    const sum = `coalesce(sum(${value}), 0)`
    return `${IS_MONEY.has(name) ? `CAST(${sum} AS TEXT)` : sum} AS ${name}`
  })
  .join(', ')

const OWN = (first: number): string =>
  `${IS_LIVE_KEY} AND (?${first} IS NULL OR tenant_id = ?${first}) AND (?${first + 1} IS NULL OR team_id = ?${first + 1})`

interface FoundRow extends UsageSums {
  readonly dimension: SummaryDimension | 'total'
  readonly id: string | null
  readonly count: number
}

/** The summary of [fromMs, toMs), or of the whole hours of it where single events are gone. */
export async function summary(db: D1Database, query: SummaryQuery): Promise<Summary> {
  const state = await ledgerState(db)
  const span = readable(query, state)
  const dimensions = Object.values(COLUMNS)
  const base = { ...span, time: null, dimensions, sums: SUMS, withFeedback: false }
  const { sql, parameters } = sourceOf(base, state)
  const groups = dimensions.join(', ')
  const tables = SUMMARY_DIMENSIONS.map(
    (
      name,
    ) => `SELECT * FROM (SELECT '${name}' AS dimension, nullif(${COLUMNS[name]}, '') AS id, count(*) OVER () AS count, ${SHOWN_SUMS}
      FROM base GROUP BY ${COLUMNS[name]} ORDER BY sum(cost_nano_usd) DESC, sum(requests) DESC, id LIMIT ${SUMMARY_ROWS})`,
  )
  const found = await db
    .prepare(
      `WITH base AS MATERIALIZED (SELECT ${groups}, ${SUMS.map((name) => `sum(${name}) AS ${name}`).join(', ')}
        FROM (${sql}) WHERE ${OWN(parameters.length + 1)} GROUP BY ${groups})
      SELECT 'total' AS dimension, NULL AS id, 0 AS count, ${SHOWN_SUMS} FROM base
      ${tables.map((one) => `UNION ALL ${one}`).join('\n')}`,
    )
    .bind(...parameters, query.tenantId, query.teamId)
    .all<FoundRow>()
  const tableOf = (name: SummaryDimension): SummaryTable => {
    const own = found.results.filter(({ dimension }) => dimension === name)
    return { rows: own.map((row) => ({ id: row.id, ...sumsOf(row) })), count: own[0]?.count ?? 0 }
  }
  const total = found.results.find(({ dimension }) => dimension === 'total')
  if (total === undefined) throw new Error('D1 answered a sum without a row')
  return {
    from: span.fromMs,
    to: span.toMs,
    total: sumsOf(total),
    tables: { model: tableOf('model'), key: tableOf('key'), team: tableOf('team'), tenant: tableOf('tenant') },
  }
}

function sumsOf(row: FoundRow): UsageSums {
  const { requests, errors, cache_hits, unpriced, cost_nano_usd, saved_nano_usd } = row
  const { input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens } = row
  const tokens = { input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens }
  return { requests, errors, cache_hits, unpriced, ...tokens, cost_nano_usd, saved_nano_usd }
}

/** Hours of UTC, or days of each tenant's own calendar. */
export type HistoryBucket = 'hour' | 'day'

export interface HistoryQuery extends SummaryQuery {
  readonly by: SummaryDimension
  readonly bucket: HistoryBucket
}

export interface HistoryRow {
  /** Beginning of the hour, or of the day's date in UTC; epoch ms. */
  readonly at_ms: number
  readonly id: string | null
  /** True for all that aren't among the dearest together; `id` is null then. */
  readonly is_rest: boolean
  readonly cost_nano_usd: string
}

export interface History {
  readonly from: number
  readonly to: number
  readonly by: SummaryDimension
  readonly bucket: HistoryBucket
  readonly rows: readonly HistoryRow[]
}

/** What the dearest of a dimension spent in each hour or day, and all others together. */
export async function history(db: D1Database, query: HistoryQuery): Promise<History> {
  const state = await ledgerState(db)
  const span = readable(query, state)
  const column = COLUMNS[query.by]
  const dimensions = [...new Set([COLUMNS.tenant, COLUMNS.team, COLUMNS.key, column])]
  const read = { ...span, dimensions, sums: ['cost_nano_usd'], withFeedback: false }
  const whole = sourceOf({ ...read, time: null }, state)
  // Who is dearest is asked of the days: hours are then summed into few groups, and not by every key.
  const top = await db
    .prepare(
      `SELECT ${column} AS id FROM (${whole.sql}) WHERE ${OWN(whole.parameters.length + 1)}
      GROUP BY ${column} ORDER BY sum(cost_nano_usd) DESC, id LIMIT ${HISTORY_SERIES}`,
    )
    .bind(...whole.parameters, query.tenantId, query.teamId)
    .all<{ id: string }>()
  const { sql, parameters } = sourceOf({ ...read, time: query.bucket }, state)
  const own = parameters.length + 1
  const found = await db
    .prepare(
      `SELECT time, iif(${column} IN (SELECT value FROM json_each(?${own + 2})), ${column}, NULL) AS group_id,
        CAST(sum(cost_nano_usd) AS TEXT) AS cost_nano_usd
      FROM (${sql}) WHERE ${OWN(own)} GROUP BY 1, 2 HAVING sum(cost_nano_usd) <> 0 ORDER BY 1, 2`,
    )
    .bind(...parameters, query.tenantId, query.teamId, JSON.stringify(top.results.map(({ id }) => id)))
    .all<{ time: number | string; group_id: string | null; cost_nano_usd: string }>()
  const rows = found.results.map(({ time, group_id: id, cost_nano_usd }) => ({
    at_ms: typeof time === 'string' ? Date.parse(`${time}T00:00:00Z`) : time,
    id: id === '' ? null : id,
    is_rest: id === null,
    cost_nano_usd,
  }))
  return { from: span.fromMs, to: span.toMs, by: query.by, bucket: query.bucket, rows }
}
