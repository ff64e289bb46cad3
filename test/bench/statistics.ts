// Medians and percentiles of what was measured. Nothing measured is NaN, which prints as a dash.
import type { Spread } from './job.ts'

/** The middle; of two middles their mean. */
export function median(values: readonly number[]): number {
  const sorted = values.filter((value) => !Number.isNaN(value)).toSorted((a, b) => a - b)
  const half = sorted.length >> 1
  const upper = sorted[half] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] ?? Number.NaN) + upper) / 2
}

/** The value that `percent` of 100 of an ascending list do not exceed. */
function percentile(sorted: Float64Array, percent: number): number {
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? Number.NaN
}

/** Half, 95 and 99 of 100 are no greater than these. All zero for an empty list. */
export function spreadOf(values: readonly number[]): Spread {
  if (values.length === 0) return { p50: 0, p95: 0, p99: 0 }
  const sorted = Float64Array.from(values).toSorted()
  return { p50: percentile(sorted, 50), p95: percentile(sorted, 95), p99: percentile(sorted, 99) }
}
