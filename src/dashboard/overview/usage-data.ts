// What the tables and the chart show, computed from usage rows. Pure: rows in, sorted groups and stacked series out.
// Money stays BigInt nano-USD; identities are ids, never names, so that two keys of one name stay two.
import type {
  ApiHistory,
  ApiRequestRow,
  ApiSummaryRow,
  ApiUsageCounters,
  ApiUsageRow,
  UsageBucket,
} from '../api-types.ts'
import { readNanoUsd } from '../parts/format.ts'
import { bucketMs, type SpendDimension } from '../parts/ranges.ts'

/** Series drawn by themselves; the rest is drawn as one. */
export const SERIES_MAX = 7

export interface Counters {
  readonly requests: number
  readonly errors: number
  readonly cacheHits: number
  readonly inputTokens: number
  readonly outputTokens: number
  readonly costNanoUsd: bigint
  readonly savedNanoUsd: bigint
}

/** One line of a spend table. */
export interface SpendGroup {
  /** Null for "none": no team, no model reached. */
  readonly id: string | null
  readonly requests: number
  readonly tokens: number
  readonly costNanoUsd: bigint
}

/** Spend of one thing at one instant: what a series is made of. */
export interface SpendPoint {
  readonly atMs: number
  readonly id: string | null
  /** True for what belongs to the one series of all others. */
  readonly isRest?: boolean
  readonly costNanoUsd: bigint
}

export interface SpendSeries {
  readonly id: string | null
  /** True for the one series that holds everything beyond `SERIES_MAX`. */
  readonly isRest: boolean
  /** One amount per bucket. */
  readonly costs: readonly bigint[]
  readonly totalNanoUsd: bigint
}

export interface SpendHistory {
  /** Bucket starts, epoch ms, evenly `widthMs` apart. */
  readonly starts: readonly number[]
  readonly widthMs: number
  /** Largest first, the rest last. */
  readonly series: readonly SpendSeries[]
}

/** The API's counters, with prompt tokens of every kind together and reasoning counted as output. */
export function readCounters(row: ApiUsageCounters): Counters {
  return {
    requests: row.requests,
    errors: row.errors,
    cacheHits: row.cache_hits,
    inputTokens: row.input_tokens + row.cache_read_tokens + (row.cache_write_tokens ?? 0),
    outputTokens: row.output_tokens + row.reasoning_tokens,
    costNanoUsd: readNanoUsd(row.cost_nano_usd),
    savedNanoUsd: readNanoUsd(row.saved_nano_usd),
  }
}

/** The lines of a table, in the order they came in. */
export function spendGroups(rows: readonly ApiSummaryRow[]): readonly SpendGroup[] {
  return rows.map((row) => {
    const { requests, inputTokens, outputTokens, costNanoUsd } = readCounters(row)
    return { id: row.id, requests, tokens: inputTokens + outputTokens, costNanoUsd }
  })
}

/** A history as points. Days are of each tenant's own calendar: one that has begun elsewhere only is within the window. */
export function pointsFromHistory({ rows, from, to }: ApiHistory): readonly SpendPoint[] {
  return rows.map((row) => ({
    atMs: Math.min(Math.max(row.at_ms, from), to),
    id: row.id,
    isRest: row.is_rest,
    costNanoUsd: readNanoUsd(row.cost_nano_usd),
  }))
}

/** Bucketed usage rows as points. */
export function pointsFromUsage(
  rows: readonly ApiUsageRow[],
  dimension: SpendDimension,
  bucket: UsageBucket,
): readonly SpendPoint[] {
  return rows.map((row) => ({
    atMs: row[bucket] ?? 0,
    id: row[dimension] ?? null,
    costNanoUsd: readNanoUsd(row.cost_nano_usd),
  }))
}

/** Attempts as points, for ranges in which an hour is too coarse. */
export function pointsFromRequests(rows: readonly ApiRequestRow[], dimension: SpendDimension): readonly SpendPoint[] {
  return rows.map((row) => ({
    atMs: row.started_at_ms,
    id: row[dimension],
    costNanoUsd: readNanoUsd(row.cost_nano_usd),
  }))
}

export interface HistoryWindow {
  readonly fromMs: number
  readonly toMs: number
  readonly widthMs: number
}

/** Points gathered into even buckets over the window, one series per id, the largest `SERIES_MAX` by themselves. */
export function spendHistory(points: readonly SpendPoint[], { fromMs, toMs, widthMs }: HistoryWindow): SpendHistory {
  const firstMs = Math.floor(fromMs / widthMs) * widthMs
  const count = Math.max(1, Math.floor(toMs / widthMs) - firstMs / widthMs + 1)
  const costs = new Map<string | null, bigint[]>()
  const nothing = (): bigint[] => Array.from({ length: count }, () => 0n)
  const rest = nothing()
  for (const { atMs, id, isRest = false, costNanoUsd } of points) {
    const index = Math.floor((atMs - firstMs) / widthMs)
    if (index < 0 || index >= count || costNanoUsd === 0n) continue
    const line = isRest ? rest : (costs.get(id) ?? nothing())
    line[index] = (line[index] ?? 0n) + costNanoUsd
    if (!isRest) costs.set(id, line)
  }
  const all = [...costs].map(([id, line]) => ({ id, isRest: false, costs: line, totalNanoUsd: sum(line) }))
  all.sort((a, b) => compare(b.totalNanoUsd, a.totalNanoUsd) || compare(a.id ?? '', b.id ?? ''))
  const starts = Array.from({ length: count }, (_, index) => firstMs + index * widthMs)
  return { starts, widthMs, series: withRest(all, rest) }
}

/** The window of a bucketed usage answer. */
export function usageWindow(fromMs: number, toMs: number, bucket: UsageBucket): HistoryWindow {
  return { fromMs, toMs, widthMs: bucketMs(bucket) }
}

/** Gives each id a colour slot: an id keeps the one it had, a new id takes the lowest that is free. */
export function assignSlots(before: ReadonlyMap<string, number>, ids: readonly string[]): ReadonlyMap<string, number> {
  const kept = ids.filter((id) => before.has(id)).map((id) => [id, before.get(id) ?? 0] as const)
  const slots = new Map<string, number>(kept)
  const taken = new Set(slots.values())
  for (const id of ids) {
    if (slots.has(id)) continue
    let slot = 0
    while (taken.has(slot)) slot += 1
    slots.set(id, slot)
    taken.add(slot)
  }
  return slots
}

function withRest(all: readonly SpendSeries[], others: readonly bigint[]): readonly SpendSeries[] {
  const rest = all.slice(SERIES_MAX)
  const costs = others.map((cost, index) => cost + sum(rest.map((series) => series.costs[index] ?? 0n)))
  if (costs.every((cost) => cost === 0n)) return all
  return [...all.slice(0, SERIES_MAX), { id: null, isRest: true, costs, totalNanoUsd: sum(costs) }]
}

function compare<Value extends bigint | string>(a: Value, b: Value): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function sum(amounts: readonly bigint[]): bigint {
  return amounts.reduce((total, amount) => total + amount, 0n)
}
