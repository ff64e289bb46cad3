// Reports: some metrics, by some groups, in a stretch of time. Sums are taken in SQL; money leaves as text, because a sum
// of nano-USD may exceed what a JS number holds.
import { ok, type Result } from '../core/result.ts'
import { timeColumns } from './columns.ts'
import { percentile } from './percentile.ts'
import { type Group, type Metric, REPORT_ROWS_MAX, type ReportQuery } from './report-query.ts'
import { ledgerState, readable } from './report-source.ts'
import { FIRST_OF, type SumRow, sumsOf } from './report-sums.ts'

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
