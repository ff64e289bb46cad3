// The sums of a report, by group and altogether, taken in SQL. A report by key and something else reads what the keys that
// come first did, and says of the others what they did together: so it doesn't take longer the more keys there are.
import { err, ok, type Result } from '../core/result.ts'
import { IS_LIVE_KEY, SHADOW_KEY_ID } from '../core/routing/shadow.ts'
import { timeColumns } from './columns.ts'
import { ownersOf, rankKeys } from './rank-keys.ts'
import { facetSource } from './report-facets.ts'
import {
  DIMENSION_COLUMNS,
  DIMENSIONS,
  type Dimension,
  FACETS,
  type Group,
  type Metric,
  REPORT_ROWS_MAX,
  type ReportQuery,
} from './report-query.ts'
import {
  type KeyOwner,
  type LedgerState,
  type Source,
  type SourceQuery,
  type TimeGroup,
  sourceOf,
} from './report-source.ts'
import { KEY_SUMS } from './together.ts'

const HOUR_MS = 3_600_000
/** Whether clients asked for it, or it mirrors what they asked for. */
const TRAFFIC = `iif(${IS_LIVE_KEY}, 'live', 'shadow')`
/** Keys that a report by key and more tells by themselves. */
export const KEYS_TOLD = 200
/** Keys that are looked up one by one: for more, all are read in less time. */
const LOOKED_UP_MAX = 2_000

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
export const FIRST_OF: Readonly<Record<Metric, readonly [sql: string, field: string]>> = {
  spend: ['sum(cost_nano_usd)', 'cost_nano_usd'],
  tokens: [`sum(input_tokens + output_tokens + cache_read_tokens + cache_write_tokens)`, 'output_tokens'],
  requests: ['sum(requests)', 'requests'],
  errors: ['sum(errors)', 'errors'],
  latency: ['sum(latency_ms)', 'latency_p50_ms'],
  savings: ['sum(saved_nano_usd)', 'saved_nano_usd'],
  feedback: ['sum(feedback_count)', 'feedback_count'],
}
const MONEY: ReadonlySet<string> = new Set(['cost_nano_usd', 'saved_nano_usd'])

export type SumRow = Readonly<Record<string, string | number | null>>
/** Rows that are sorted by their groups are told apart by the key soonest. */
const KEY_FIRST = DIMENSIONS.toSorted((a, b) => Number(b === 'key') - Number(a === 'key'))

/** What keys are ranked by, the columns' sum. */
const RANKED_BY: Readonly<Record<Metric, string>> = {
  spend: 'cost_nano_usd',
  tokens: 'input_tokens + output_tokens + cache_read_tokens + cache_write_tokens',
  requests: 'requests',
  errors: 'errors',
  latency: 'latency_ms',
  savings: 'saved_nano_usd',
  feedback: 'requests',
}

export interface Sums {
  readonly rows: readonly SumRow[]
  readonly total: SumRow
}

/** The `limit` first groups of a query, and the sums of all. */
export async function sumsOf(
  db: D1Database,
  query: ReportQuery,
  state: LedgerState,
  limit: number,
): Promise<Result<Sums, string>> {
  const known = query.filters.key === undefined ? null : await ownersOf(db, query.filters.key)
  const total = summed(db, { ...query, groupBy: [] }, state, { keys: known, limit: 1 })
  if (!total.ok) return total
  const told = known === null ? keysTold(query, limit) : null
  const rows = told === null ? null : await toldApart(db, query, state, { told, limit })
  if (rows !== null) return ok({ rows, total: (await total.value.all<SumRow>()).results[0] ?? {} })
  const all = summed(db, query, state, { keys: known, limit })
  if (!all.ok) return all
  const found = await db.batch<SumRow>([total.value, ...(query.groupBy.length === 0 ? [] : [all.value])])
  const [sum] = found[0]?.results ?? []
  return ok({ rows: (found[1] ?? found[0])?.results ?? [], total: sum ?? {} })
}

const OF_KEYS: ReadonlySet<string> = new Set(['tenant', 'team', 'key'])

/** How many keys are told by themselves; null where the sums by key say it all, or keys aren't asked for. */
function keysTold(query: ReportQuery, limit: number): { readonly most: number; readonly withOthers: boolean } | null {
  const { groupBy, filters } = query
  const isOther = Object.keys(filters).some((name) => name !== 'tenant' && name !== 'team')
  if (!groupBy.includes('key') || isOther || hasFacet(query) || mayMirror(query)) return null
  const time = timeOf(query)
  const withOthers = time !== null || groupBy.some((name) => !OF_KEYS.has(name))
  if (withOthers) {
    const lengthMs = time === null ? 0 : query.toMs - query.fromMs
    const stretches = 1 + lengthMs / (time === 'hour' ? HOUR_MS : 24 * HOUR_MS)
    return { most: Math.max(1, Math.min(KEYS_TOLD, Math.floor(REPORT_ROWS_MAX / stretches))), withOthers }
  }
  const isEnough = sumNames(query).every((name) => KEY_SUMS.includes(name)) && !query.metrics.includes('feedback')
  const most = query.isCompared ? REPORT_ROWS_MAX : limit
  return isEnough || most > LOOKED_UP_MAX ? null : { most, withOthers }
}

interface Telling {
  readonly told: { readonly most: number; readonly withOthers: boolean }
  readonly limit: number
}

/** The groups of the keys that come first, and those of all others under the key null; null where keys can't be looked up. */
async function toldApart(
  db: D1Database,
  query: ReportQuery,
  state: LedgerState,
  { told, limit }: Telling,
): Promise<readonly SumRow[] | null> {
  const [first = 'spend'] = query.metrics
  const { tenant: tenants = null, team: teams = null } = query.filters
  const { fromMs, toMs } = query
  const ranking = await rankKeys(db, { fromMs, toMs, tenants, teams, by: RANKED_BY[first], limit: told.most }, state)
  if (ranking.owners === null) return null
  const named = summed(db, query, state, { keys: ranking.owners, limit: REPORT_ROWS_MAX })
  const groupBy = query.groupBy.filter((name) => name !== 'key')
  const all = summed(db, { ...query, groupBy }, state, { keys: null, limit: REPORT_ROWS_MAX })
  if (!named.ok || !all.ok) return null
  const hasOthers = told.withOthers && ranking.count > ranking.ids.length
  const found = await db.batch<SumRow>([named.value, ...(hasOthers ? [all.value] : [])])
  const [own, whole] = found.map(({ results }) => results)
  if (own === undefined || whole === undefined) return own?.slice(0, limit) ?? []
  return inOrder([...own, ...lessOwn(whole, own, groupBy)], query).slice(0, limit)
}

/** What is left of groups once the keys told by themselves are taken off. */
function lessOwn(whole: readonly SumRow[], own: readonly SumRow[], groupBy: readonly Group[]): readonly SumRow[] {
  const nameOf = (row: SumRow): string => JSON.stringify(groupBy.map((group) => row[group] ?? null))
  const members = Map.groupBy(own, nameOf)
  return whole.flatMap((row) => {
    const taken = members.get(nameOf(row)) ?? []
    const left = Object.entries(row).map(([name, value]) => {
      if (groupBy.some((group) => group === name)) return [name, value] as const
      const sum = taken.reduce((rest, one) => rest - BigInt(one[name] ?? 0), BigInt(value ?? 0))
      return [name, MONEY.has(name) ? String(sum) : Number(sum)] as const
    })
    const isNothing = left.every(([name, value]) => groupBy.some((group) => group === name) || Number(value) === 0)
    return isNothing ? [] : [{ ...Object.fromEntries(left), key: null }]
  })
}

/** By time, where rows are of some; else by the first metric, the most first. */
function inOrder(rows: readonly SumRow[], query: ReportQuery): readonly SumRow[] {
  const time = timeOf(query)
  if (time !== null)
    return rows.toSorted((a, b) => (String(a[time]) < String(b[time]) ? -1 : a[time] === b[time] ? 0 : 1))
  const [first = 'spend'] = query.metrics
  const valueOf = (row: SumRow): number =>
    RANKED_BY[first].split(' + ').reduce((sum, name) => sum + Number(row[name]), 0)
  return rows.toSorted((a, b) => valueOf(b) - valueOf(a))
}

/** The statement that sums a query by its groups. */
function summed(
  db: D1Database,
  query: ReportQuery,
  state: LedgerState,
  { keys, limit }: { readonly keys: readonly KeyOwner[] | null; readonly limit: number },
): Result<D1PreparedStatement, string> {
  const source = sourceFor(query, state, keys)
  if (!source.ok) return source
  const { sql, parameters } = source.value
  const groups = query.groupBy.map((name) => `${groupSql(name)} AS "${name}"`)
  const filters = Object.entries(query.filters)
  const where = filters.map(([name], at) => {
    const allowed = `json_each(?${parameters.length + at + 1})`
    return isFacet(name) ? IS_ALLOWED(allowed) : `${columnOf(name)} IN (SELECT value FROM ${allowed})`
  })
  if (!hasFacet(query) && !mayMirror(query)) where.push(IS_LIVE_KEY)
  const values = [...parameters, ...filters.map(([, allowed]) => JSON.stringify(allowed))]
  const from = `FROM (${sql}) ${where.length === 0 ? '' : `WHERE ${where.join(' AND ')}`}`
  const sums = [...sumNames(query).map(sumSql), ...(query.metrics.includes('feedback') ? FEEDBACK_SUMS : [])]
  const positions = groups.map((_, at) => at + 1).join(', ')
  const [first = 'spend'] = query.metrics
  const order = timeOf(query) === null ? `${FIRST_OF[first][0]} DESC, ${positions}` : positions
  // Compared rows are chosen by how they moved, which isn't known before both are.
  const most = query.isCompared ? REPORT_ROWS_MAX : limit
  const grouped = groups.length === 0 ? '' : `GROUP BY ${positions} ORDER BY ${order} LIMIT ${most}`
  return ok(db.prepare(`SELECT ${[...groups, ...sums].join(', ')} ${from} ${grouped}`).bind(...values))
}

/** One of those, or what begins as one that ends in `*` does. */
const IS_ALLOWED = (allowed: string): string => `EXISTS (SELECT 1 FROM ${allowed} AS one WHERE facet = one.value
  OR (one.value LIKE '_%*' AND substr(facet, 1, length(one.value) - 1) = substr(one.value, 1, length(one.value) - 1)))`

function isFacet(name: string): boolean {
  return FACETS.some((facet) => facet === name)
}

function timeOf({ groupBy }: ReportQuery): TimeGroup | null {
  return groupBy.find((name) => name === 'hour' || name === 'day') ?? null
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

/** The source of a query; of single keys, where it is known whose they are. */
function sourceFor(query: ReportQuery, state: LedgerState, keys: readonly KeyOwner[] | null): Result<Source, string> {
  const names = new Set<string>([...query.groupBy, ...Object.keys(query.filters)])
  const facets = FACETS.filter((name) => names.has(name))
  const { tenant: tenants } = query.filters
  const base: SourceQuery = {
    fromMs: query.fromMs,
    toMs: query.toMs,
    time: timeOf(query),
    dimensions: KEY_FIRST.filter((name) => names.has(name) || (name === 'key' && facets.length === 0)).map(
      (name) => DIMENSION_COLUMNS[name],
    ),
    sums: sumNames(query),
    withFeedback: query.metrics.includes('feedback'),
    isByKey: names.has('key'),
    ...(tenants === undefined ? {} : { tenants }),
    ...(keys === null ? {} : { keys }),
  }
  const [facet, other] = facets
  if (facet === undefined) return ok(sourceOf(base, state))
  if (other !== undefined) return err('One report can be about end users or tags, not both.')
  return facetSource(base, facet, state)
}
