// What an overview shows of a stretch of time, however many keys there are: the sums, those who spent most in each way to
// look at it, and what these spent over time. Everything but keys comes from the sums of all keys together; which keys spent
// most from the sums by key, and more than that is read of these alone.
import { IS_LIVE_KEY } from '../core/routing/shadow.ts'
import { type Ranking, rankKeys } from './rank-keys.ts'
import {
  type KeyOwner,
  type LedgerState,
  type Source,
  type SourceQuery,
  ledgerState,
  readable,
  sourceOf,
} from './report-source.ts'
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
  /** Those that were asked for. */
  readonly tables: Readonly<Partial<Record<SummaryDimension, SummaryTable>>>
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

/** The summary of [fromMs, toMs), or of the whole hours of it where single events are gone. Without the table of keys it
 *  takes no longer the more keys there are. */
export async function summary(
  db: D1Database,
  query: SummaryQuery,
  asked: readonly SummaryDimension[] = SUMMARY_DIMENSIONS,
): Promise<Summary> {
  const state = await ledgerState(db)
  const span = readable(query, state)
  const own = { ...query, ...span }
  const names = SUMMARY_DIMENSIONS.filter((name) => name !== 'key' && asked.includes(name))
  const [found, key] = await Promise.all([
    withoutKeys(db, own, state, names),
    asked.includes('key') ? keysTable(db, own, state) : null,
  ])
  const tableOf = (name: SummaryDimension): SummaryTable => {
    const rows = found.filter(({ dimension }) => dimension === name)
    return { rows: rows.map((row) => ({ id: row.id, ...sumsOf(row) })), count: rows[0]?.count ?? 0 }
  }
  const total = found.find(({ dimension }) => dimension === 'total')
  if (total === undefined) throw new Error('D1 answered a sum without a row')
  return {
    from: span.fromMs,
    to: span.toMs,
    total: sumsOf(total),
    tables: { ...Object.fromEntries(names.map((name) => [name, tableOf(name)])), ...(key === null ? {} : { key }) },
  }
}

/** The sums, and these tables, none of which is that of keys. */
async function withoutKeys(
  db: D1Database,
  query: SummaryQuery,
  state: LedgerState,
  names: readonly SummaryDimension[],
): Promise<readonly FoundRow[]> {
  const dimensions = Object.values(COLUMNS)
  const { sql, parameters } = sourceOf(sourceQuery(query, { dimensions, sums: SUMS, isByKey: false }), state)
  const groups = dimensions.join(', ')
  const tables = names.map(
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
  return found.results
}

/** The keys that spent most, and what each did. */
async function keysTable(db: D1Database, query: SummaryQuery, state: LedgerState): Promise<SummaryTable> {
  const ranking = await dearest(db, query, SUMMARY_ROWS, state)
  const isThese = keysOf(ranking.owners)
  const dimensions = [COLUMNS.tenant, COLUMNS.team, COLUMNS.key]
  const { sql, parameters } = sourceOf(sourceQuery(query, { dimensions, sums: SUMS, isByKey: true, ...isThese }), state)
  const own = parameters.length + 1
  const found = await db
    .prepare(
      `SELECT key_id AS id, ${SHOWN_SUMS} FROM (${sql}) WHERE ${OWN(own)}
        AND key_id IN (SELECT value FROM json_each(?${own + 2})) GROUP BY key_id`,
    )
    .bind(...parameters, query.tenantId, query.teamId, JSON.stringify(ranking.ids))
    .all<FoundRow>()
  const byId = new Map(found.results.map((row) => [row.id, row]))
  const rows = ranking.ids.flatMap((id) => {
    const row = byId.get(id)
    return row === undefined ? [] : [{ id, ...sumsOf(row) }]
  })
  return { rows, count: ranking.count }
}

function dearest(db: D1Database, query: SummaryQuery, limit: number, state: LedgerState): Promise<Ranking> {
  const { fromMs, toMs, tenantId, teamId } = query
  const tenants = tenantId === null ? null : [tenantId]
  const teams = teamId === null ? null : [teamId]
  return rankKeys(db, { fromMs, toMs, tenants, teams, by: 'cost_nano_usd', limit }, state)
}

/** Only these keys, where it is known whose they are. */
function keysOf(owners: readonly KeyOwner[] | null): { readonly keys?: readonly KeyOwner[] } {
  return owners === null ? {} : { keys: owners }
}

type Wanted = Pick<SourceQuery, 'dimensions' | 'sums' | 'isByKey' | 'keys'> & Partial<Pick<SourceQuery, 'time'>>

function sourceQuery({ fromMs, toMs, tenantId }: SummaryQuery, wanted: Wanted): SourceQuery {
  return {
    ...{ fromMs, toMs, time: null, withFeedback: false, ...wanted },
    ...(tenantId === null ? {} : { tenants: [tenantId] }),
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
  const asked = { ...query, ...span }
  const spent = query.by === 'key' ? await spentByKey(db, asked, state) : await spentBy(db, asked, state)
  const rows = spent.map(({ time, group_id: id, cost_nano_usd }) => ({
    at_ms: typeof time === 'string' ? Date.parse(`${time}T00:00:00Z`) : time,
    id: id === '' ? null : id,
    is_rest: id === null,
    cost_nano_usd,
  }))
  return { from: span.fromMs, to: span.toMs, by: query.by, bucket: query.bucket, rows }
}

interface Spent {
  readonly time: number | string
  /** Null for the rest. */
  readonly group_id: string | null
  readonly cost_nano_usd: string
}

async function spentBy(db: D1Database, query: HistoryQuery, state: LedgerState): Promise<readonly Spent[]> {
  const column = COLUMNS[query.by]
  const dimensions = [...new Set([COLUMNS.tenant, COLUMNS.team, COLUMNS.key, column])]
  const wanted = { dimensions, sums: ['cost_nano_usd'], isByKey: false }
  const whole = sourceOf(sourceQuery(query, wanted), state)
  // Who is dearest is asked of the days: hours are then summed into few groups.
  const top = await db
    .prepare(
      `SELECT ${column} AS id FROM (${whole.sql}) WHERE ${OWN(whole.parameters.length + 1)}
      GROUP BY ${column} ORDER BY sum(cost_nano_usd) DESC, id LIMIT ${HISTORY_SERIES}`,
    )
    .bind(...whole.parameters, query.tenantId, query.teamId)
    .all<{ id: string }>()
  const ids = top.results.map(({ id }) => id)
  return spentIn(db, query, {
    source: sourceOf(sourceQuery(query, { ...wanted, time: query.bucket }), state),
    column,
    ids,
  })
}

/** The dearest keys, each looked up in the hours; the rest is what all spent less that. */
async function spentByKey(db: D1Database, query: HistoryQuery, state: LedgerState): Promise<readonly Spent[]> {
  const ranking = await dearest(db, query, HISTORY_SERIES, state)
  const dimensions = [COLUMNS.tenant, COLUMNS.team, COLUMNS.key]
  const wanted = { dimensions, sums: ['cost_nano_usd'], time: query.bucket }
  const sources = [{ isByKey: true, ...keysOf(ranking.owners) }, { isByKey: false }].map((told) =>
    sourceOf(sourceQuery(query, { ...wanted, ...told }), state),
  )
  const [named = [], all = []] = await Promise.all(
    sources.map((source, at) => spentIn(db, query, { source, column: COLUMNS.key, ids: at === 0 ? ranking.ids : [] })),
  )
  const own = named.filter(({ group_id }) => group_id !== null)
  const left = new Map(all.map(({ time, cost_nano_usd }) => [time, BigInt(cost_nano_usd)]))
  for (const { time, cost_nano_usd } of own) left.set(time, (left.get(time) ?? 0n) - BigInt(cost_nano_usd))
  const rest = [...left].filter(([, nano]) => nano !== 0n)
  return [...own, ...rest.map(([time, nano]) => ({ time, group_id: null, cost_nano_usd: String(nano) }))]
}

interface SpentQuery {
  readonly source: Source
  readonly column: string
  /** Told by themselves. */
  readonly ids: readonly string[]
}

async function spentIn(
  db: D1Database,
  query: HistoryQuery,
  { source: { sql, parameters }, column, ids }: SpentQuery,
): Promise<readonly Spent[]> {
  const own = parameters.length + 1
  const found = await db
    .prepare(
      `SELECT time, iif(${column} IN (SELECT value FROM json_each(?${own + 2})), ${column}, NULL) AS group_id,
        CAST(sum(cost_nano_usd) AS TEXT) AS cost_nano_usd
      FROM (${sql}) WHERE ${OWN(own)} GROUP BY 1, 2 HAVING sum(cost_nano_usd) <> 0 ORDER BY 1, 2`,
    )
    .bind(...parameters, query.tenantId, query.teamId, JSON.stringify(ids))
    .all<Spent>()
  return found.results
}
