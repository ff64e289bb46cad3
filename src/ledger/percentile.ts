// Percentiles from counts of times, as the roll-ups keep them. Pure.
import { TIME_BOUNDS_MS } from './columns.ts'

/**
 * The time in ms that a share of all (0.5 for the median) doesn't exceed, from their counts in the stretches of
 * `TIME_BOUNDS_MS`; null for no times. Within a stretch times are taken for evenly spread, so the answer is in the stretch
 * of the true one; beyond the last bound it is that bound.
 */
export function percentile(counts: readonly number[], share: number): number | null {
  const total = counts.reduce((sum, count) => sum + count, 0)
  if (total === 0) return null
  const wanted = total * share
  let before = 0
  for (const [at, count] of counts.entries()) {
    const high = TIME_BOUNDS_MS[at]
    if (high === undefined) break
    if (count > 0 && before + count >= wanted) {
      const low = at === 0 ? 0 : (TIME_BOUNDS_MS[at - 1] ?? 0)
      return Math.round(low + (high - low) * ((wanted - before) / count))
    }
    before += count
  }
  return TIME_BOUNDS_MS.at(-1) ?? null
}
