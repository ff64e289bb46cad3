// When a request's attempts ran, on one line of time that begins with the request. Pure.
import type { ApiRequestRow } from '../api-types.ts'

/** An attempt on its request's line of time, in ms from the request's beginning. */
export interface AttemptBar {
  readonly row: ApiRequestRow
  readonly fromMs: number
  /** First content, within the bar; null for none. */
  readonly firstMs: number | null
  readonly endMs: number
  /** Another attempt was under way when it began. */
  readonly isBeside: boolean
}

export interface AttemptBars {
  readonly bars: readonly AttemptBar[]
  /** Some beginnings weren't noted: those are put at the end of what was over before. */
  readonly isGuessed: boolean
}

/** The attempts as bars, in the order in which they are given. */
export function attemptBars(attempts: readonly ApiRequestRow[]): AttemptBars {
  const bars: AttemptBar[] = []
  for (const row of attempts) {
    const endMs = row.latency_ms
    const fromMs = Math.min(row.after_ms ?? lastEndBefore(bars, endMs), endMs)
    const firstMs = row.ttft_ms === null ? null : Math.min(Math.max(row.ttft_ms, fromMs), endMs)
    bars.push({ row, fromMs, firstMs, endMs, isBeside: bars.some((other) => other.endMs > fromMs) })
  }
  return { bars, isGuessed: attempts.length > 1 && attempts.some((row) => row.after_ms === null) }
}

function lastEndBefore(bars: readonly AttemptBar[], ms: number): number {
  return Math.max(0, ...bars.map((bar) => bar.endMs).filter((endMs) => endMs <= ms))
}
