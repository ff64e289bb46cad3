// Reports: some metrics, by some groups, in a stretch of time. Sums are taken in SQL; money leaves as text, because a sum
// of nano-USD may exceed what a JS number holds.
import { err, ok, type Result } from '../core/result.ts'
import { IS_LIVE_KEY, SHADOW_KEY_ID } from '../core/shadow.ts'
import { type GROUP_DIMENSIONS, timeColumns } from './columns.ts'
import { type FacetName, facetSource } from './report-facets.ts'
import { percentile } from './percentile.ts'
import { type LedgerState, type Source, type SourceQuery, ledgerState, readable, sourceOf } from './report-source.ts'

/** What can be asked for. */
export const METRICS = ['spend', 'tokens', 'requests', 'errors', 'latency', 'savings', 'feedback'] as const
export type Metric = (typeof METRICS)[number]

/** What rows can be grouped by, and which column that is. Hours are of UTC; days of each tenant's own calendar. */
const DIMENSION_COLUMNS = {
  tenant: 'tenant_id',
  team: 'team_id',
  key: 'key_id',
  cost_center: 'cost_center',
  provider: 'provider',
  model: 'model',
  route: 'route',
} as const satisfies Readonly<Record<string, keyof typeof GROUP_DIMENSIONS>>
type Dimension = keyof typeof DIMENSION_COLUMNS
export type Group = Dimension | FacetName | 'hour' | 'day' | 'traffic'
export const DIMENSIONS = ['tenant', 'team', 'key', 'cost_center', 'provider', 'model', 'route'] as const
export const FACETS = ['end_user', 'tag'] as const
export const GROUPS: readonly Group[] = ['hour', 'day', ...DIMENSIONS, 'traffic', ...FACETS]

/** Whether clients asked for it, or it mirrors what they asked for. */
const TRAFFIC = `iif(${IS_LIVE_KEY}, 'live', 'shadow')`

/** Only rows of one of these values; '' for rows that have none. `traffic`: `live`, unless it is a group or a filter. */
export type Filters = Readonly<Partial<Record<Dimension | FacetName | 'traffic', readonly string[]>>>

export interface ReportQuery {
  readonly fromMs: number
  readonly toMs: number
  readonly metrics: readonly Metric[]
  readonly groupBy: readonly Group[]
  readonly filters: Filters
  /** As many rows, those with most of the first metric. */
  readonly limit: number
  /** Whether each row says what it was in the stretch of the same length before; then rows come by how much they moved. */
  readonly isCompared: boolean
}

/** A group's values: texts for money and names, null for what there is none of. */
export type Values = Readonly<Record<string, string | number | null>>
export interface ReportRow {
  readonly values: Values
  /** What it was before, and how far the first metric moved; null where nothing is compared. */
  readonly previous: Values | null
  readonly change: string | number | null
}

export interface Report {
  /** The stretch that was read: asked for, or, where events are gone, whole hours. */
  readonly from: number
  readonly to: number
  readonly metrics: readonly Metric[]
  readonly group_by: readonly Group[]
  readonly rows: readonly ReportRow[]
  readonly total: Values
  /** True when there were more rows than the limit. */
  readonly is_cut: boolean
}

export const REPORT_ROWS_MAX = 20_000

const SUMS_OF: Readonly<Record<Metric, readonly string[]>> = {
  spend: ['cost_nano_usd'],
  tokens: [
    'input_tokens',
    'cache_read_tokens',
    'cache_write_tokens',
    'cache_write_long_tokens',
    'output_tokens',
    'reasoning_tokens',
    'audio_input_tokens',
    'audio_output_tokens',
  ],
  requests: ['requests', 'attempts', 'cache_hits'],
  errors: ['requests', 'errors'],
  latency: ['latency_ms', 'ttft_ms', 'speed_tokens', 'speed_ms', ...timeColumns('latency'), ...timeColumns('ttft')],
  savings: ['requests', 'cache_hits', 'saved_nano_usd'],
  feedback: [],
}
/** What rows are ordered by, and movers by: SQL over the sums. */
const FIRST_OF: Readonly<Record<Metric, readonly [sql: string, field: string]>> = {
  spend: ['sum(cost_nano_usd)', 'cost_nano_usd'],
  tokens: [`sum(input_tokens + output_tokens + cache_read_tokens + cache_write_tokens)`, 'output_tokens'],
  requests: ['sum(requests)', 'requests'],
  errors: ['sum(errors)', 'errors'],
  latency: ['sum(latency_ms)', 'latency_p50_ms'],
  savings: ['sum(saved_nano_usd)', 'saved_nano_usd'],
  feedback: ['sum(feedback_count)', 'feedback_count'],
}
const MONEY: ReadonlySet<string> = new Set(['cost_nano_usd', 'saved_nano_usd'])

type SumRow = Readonly<Record<string, string | number | null>>

/** The report. Refused where the roll-ups can't answer and the events that could are gone, or are more than may be read. */
export async function report(db: D1Database, query: ReportQuery): Promise<Result<Report, string>> {
  const state = await ledgerState(db)
  const span = readable(query, state)
  const current = await sumsOf(db, { ...query, ...span }, state, query.limit + 1)
  if (!current.ok) return current
  const { rows, total } = current.value
  const shown = rows
    .slice(0, query.limit)
    .map((row) => ({ values: valuesOf(row, query), previous: null, change: null }))
  const result = {
    from: span.fromMs,
    to: span.toMs,
    metrics: query.metrics,
    group_by: query.groupBy,
    total: valuesOf(total, { ...query, groupBy: [] }),
    is_cut: rows.length > query.limit,
  }
  if (!query.isCompared) return ok({ ...result, rows: shown })
  const lengthMs = span.toMs - span.fromMs
  const earlier = readable({ fromMs: span.fromMs - lengthMs, toMs: span.fromMs }, state)
  const previous = await sumsOf(db, { ...query, ...earlier }, state, REPORT_ROWS_MAX)
  if (!previous.ok) return previous
  return ok({
    ...result,
    rows: movers(
      rows.map((row) => valuesOf(row, query)),
      previous.value.rows,
      query,
    ),
  })
}

interface Sums {
  readonly rows: readonly SumRow[]
  readonly total: SumRow
}

async function sumsOf(
  db: D1Database,
  query: ReportQuery,
  state: LedgerState,
  limit: number,
): Promise<Result<Sums, string>> {
  const source = sourceFor(query, state)
  if (!source.ok) return source
  const { sql, parameters } = source.value
  const wanted = (name: Group): boolean => query.groupBy.includes(name)
  const groups = query.groupBy.map((name) => `${groupSql(name)} AS "${name}"`)
  const filters = Object.entries(query.filters)
  const where = filters.map(([name], at) => {
    return `${columnOf(name)} IN (SELECT value FROM json_each(?${parameters.length + at + 1}))`
  })
  if (!hasFacet(query) && !mayMirror(query)) where.push(IS_LIVE_KEY)
  const values = [...parameters, ...filters.map(([, allowed]) => JSON.stringify(allowed))]
  const from = `FROM (${sql}) ${where.length === 0 ? '' : `WHERE ${where.join(' AND ')}`}`
  const sums = [...sumNames(query).map(sumSql), ...(query.metrics.includes('feedback') ? FEEDBACK_SUMS : [])]
  const positions = groups.map((_, at) => at + 1).join(', ')
  const [first = 'spend'] = query.metrics
  const order = wanted('hour') || wanted('day') ? positions : `${FIRST_OF[first][0]} DESC, ${positions}`
  // Compared rows are chosen by how they moved, which isn't known before both are.
  const most = query.isCompared ? REPORT_ROWS_MAX : limit
  const grouped = groups.length === 0 ? '' : `GROUP BY ${positions} ORDER BY ${order} LIMIT ${most}`
  const [rows, total] = await db.batch<SumRow>([
    db.prepare(`SELECT ${[...groups, ...sums].join(', ')} ${from} ${grouped}`).bind(...values),
    ...(groups.length === 0 ? [] : [db.prepare(`SELECT ${sums.join(', ')} ${from}`).bind(...values)]),
  ])
  const [all = {}] = total?.results ?? rows?.results ?? []
  return ok({ rows: rows?.results ?? [], total: all })
}

const FEEDBACK_SUMS = [
  `coalesce(sum(feedback_count), 0) AS feedback_count`,
  `coalesce(sum(feedback_milli), 0) AS feedback_milli`,
]

function sumNames(query: ReportQuery): readonly string[] {
  return [...new Set(query.metrics.flatMap((metric) => SUMS_OF[metric]))]
}

function sumSql(name: string): string {
  const sum = `coalesce(sum(${name}), 0)`
  return `${MONEY.has(name) ? `CAST(${sum} AS TEXT)` : sum} AS ${name}`
}

function isDimension(name: string): name is Dimension {
  return Object.hasOwn(DIMENSION_COLUMNS, name)
}

/** Whether what mirrors clients' requests is asked for: as such, or by the key that it has. */
function mayMirror({ groupBy, filters }: ReportQuery): boolean {
  return groupBy.includes('traffic') || filters.traffic !== undefined || filters.key?.includes(SHADOW_KEY_ID) === true
}

/** What is by end user or tag: mirrored requests have neither. */
function hasFacet({ groupBy, filters }: ReportQuery): boolean {
  return FACETS.some((name) => groupBy.includes(name) || filters[name] !== undefined)
}

function columnOf(name: string): string {
  if (name === 'traffic') return TRAFFIC
  return isDimension(name) ? DIMENSION_COLUMNS[name] : 'facet'
}

function groupSql(name: Group): string {
  return name === 'hour' || name === 'day' ? 'time' : `nullif(${columnOf(name)}, '')`
}

function sourceFor(query: ReportQuery, state: LedgerState): Result<Source, string> {
  const names = new Set<string>([...query.groupBy, ...Object.keys(query.filters)])
  const facets = FACETS.filter((name) => names.has(name))
  const time = query.groupBy.find((name) => name === 'hour' || name === 'day') ?? null
  const base: SourceQuery = {
    fromMs: query.fromMs,
    toMs: query.toMs,
    time,
    dimensions: DIMENSIONS.filter((name) => names.has(name) || (name === 'key' && facets.length === 0)).map(
      (name) => DIMENSION_COLUMNS[name],
    ),
    sums: sumNames(query),
    withFeedback: query.metrics.includes('feedback'),
  }
  const [facet, other] = facets
  if (facet === undefined) return ok(sourceOf(base, state))
  if (other !== undefined) return err('One report can be about end users or tags, not both.')
  if (base.withFeedback) return err('Feedback can not be reported by end user or tag.')
  return facetSource(base, facet, state)
}

/** Rows by how far the first metric moved from the previous stretch; those that are gone count as well. */
function movers(current: readonly Values[], before: readonly SumRow[], query: ReportQuery): readonly ReportRow[] {
  const nameOf = (row: Values): string => JSON.stringify(query.groupBy.map((group) => row[group] ?? null))
  const previous = new Map(before.map((row) => [nameOf(row), valuesOf(row, query)]))
  const gone = new Map(previous)
  for (const row of current) gone.delete(nameOf(row))
  const nothing = valuesOf({}, { ...query, groupBy: [] })
  const all = [
    ...current.map((row) => ({ row, was: previous.get(nameOf(row)) ?? nothing })),
    ...[...gone.values()].map((was) => ({ row: { ...groupsOf(was, query), ...nothing }, was })),
  ]
  const [first = 'spend'] = query.metrics
  const [, field] = FIRST_OF[first]
  return all
    .map(({ row, was }) => ({
      values: row,
      previous: withoutGroups(was, query),
      change: difference(row[field], was[field]),
    }))
    .toSorted((a, b) => Math.abs(Number(b.change)) - Math.abs(Number(a.change)))
    .slice(0, query.limit)
}

/** Money stays exact. */
function difference(
  now: string | number | null | undefined,
  then: string | number | null | undefined,
): string | number {
  if (typeof now === 'string' || typeof then === 'string') return String(BigInt(now ?? 0) - BigInt(then ?? 0))
  return (now ?? 0) - (then ?? 0)
}

function groupsOf(row: Values, query: ReportQuery): Values {
  return Object.fromEntries(query.groupBy.map((group) => [group, row[group] ?? null]))
}

function withoutGroups(row: Values, query: ReportQuery): Values {
  const groups: ReadonlySet<string> = new Set(query.groupBy)
  return Object.fromEntries(Object.entries(row).filter(([name]) => !groups.has(name)))
}

function valuesOf(row: SumRow, query: ReportQuery): Values {
  const count = (name: string): number => Number(row[name] ?? 0)
  const values: Record<string, string | number | null> = { ...groupsOf(row, query) }
  const share = (of: number, all: number, digits: number): number | null => {
    return all === 0 ? null : Number((of / all).toFixed(digits))
  }
  const metrics: Readonly<Record<Metric, () => Values>> = {
    spend: () => ({ cost_nano_usd: String(row['cost_nano_usd'] ?? 0) }),
    tokens: () => ({
      input_tokens: count('input_tokens') + count('audio_input_tokens'),
      cache_read_tokens: count('cache_read_tokens'),
      cache_write_tokens: count('cache_write_tokens') + count('cache_write_long_tokens'),
      output_tokens: count('output_tokens') + count('audio_output_tokens'),
      reasoning_tokens: count('reasoning_tokens'),
    }),
    requests: () => ({ requests: count('requests'), attempts: count('attempts'), cache_hits: count('cache_hits') }),
    errors: () => ({
      requests: count('requests'),
      errors: count('errors'),
      error_rate: share(count('errors'), count('requests'), 6),
    }),
    latency: () => ({
      ...timesOf('latency', count),
      ...timesOf('ttft', count),
      tokens_per_second: share(count('speed_tokens') * 1000, count('speed_ms'), 1),
    }),
    savings: () => ({
      saved_nano_usd: String(row['saved_nano_usd'] ?? 0),
      cache_hits: count('cache_hits'),
      cache_hit_rate: share(count('cache_hits'), count('requests'), 6),
    }),
    feedback: () => ({
      feedback_count: count('feedback_count'),
      feedback_mean: share(count('feedback_milli') / 1000, count('feedback_count'), 4),
    }),
  }
  for (const metric of query.metrics) Object.assign(values, metrics[metric]())
  return values
}

function timesOf(name: 'latency' | 'ttft', count: (name: string) => number): Values {
  const counts = timeColumns(name).map(count)
  const total = counts.reduce((sum, one) => sum + one, 0)
  return {
    [`${name}_mean_ms`]: total === 0 ? null : Math.round(count(`${name}_ms`) / total),
    [`${name}_p50_ms`]: percentile(counts, 0.5),
    [`${name}_p90_ms`]: percentile(counts, 0.9),
    [`${name}_p95_ms`]: percentile(counts, 0.95),
    [`${name}_p99_ms`]: percentile(counts, 0.99),
  }
}
