// What providers say is left of their own rate limits, and for which requests that is too little. Pure; how it is written in
// headers is known to dialects/provider-limit-headers.ts. Times are epoch ms.
import { type Amounts, counted } from '../limits/amounts.ts'
import type { RateUnit } from '../failure.ts'

/** One limit of a provider's, as an answer told of it. */
export interface ProviderLimit {
  readonly unit: RateUnit
  readonly left: number
  /** All of it; null where the provider doesn't say. */
  readonly size: number | null
  readonly atMs: number
  /** When all of it is there again. */
  readonly resetsAtMs: number
  /** It comes back bit by bit until then; else all of it only then. */
  readonly isGradual: boolean
}

/** The first limit that has no room for a request. */
export interface Shortage {
  readonly unit: RateUnit
  readonly left: number
  /** When there may be. */
  readonly resetsAtMs: number
}

/** Of a limit, this share counts as used up: other isolates use it as well. */
const MARGIN = 0.02

/** The limit that lacks room for a request of that size, if any does; of several the one that lacks it for longest. */
export function shortageOf(limits: readonly ProviderLimit[], amounts: Amounts, nowMs: number): Shortage | null {
  const needed = counted(amounts)
  let shortage: Shortage | null = null
  for (const limit of limits) {
    const left = leftAt(limit, nowMs)
    if (left === null || left >= needed[limit.unit] + Math.floor((limit.size ?? 0) * MARGIN)) continue
    // More than there will ever be is the provider's to refuse.
    if (limit.size !== null && needed[limit.unit] > limit.size) continue
    const { unit, resetsAtMs } = limit
    if (shortage === null || resetsAtMs > shortage.resetsAtMs) shortage = { unit, left, resetsAtMs }
  }
  return shortage
}

/** The limits after another request of that size. */
export function withRequest(
  limits: readonly ProviderLimit[],
  amounts: Amounts,
  nowMs: number,
): readonly ProviderLimit[] {
  const needed = counted(amounts)
  return limits.flatMap((limit) => {
    const left = leftAt(limit, nowMs)
    return left === null ? [] : [{ ...limit, left: Math.max(0, left - needed[limit.unit]), atMs: nowMs }]
  })
}

/** What is left by then; null once all of it is there again. */
function leftAt({ left, size, atMs, resetsAtMs, isGradual }: ProviderLimit, nowMs: number): number | null {
  if (nowMs >= resetsAtMs) return null
  if (!isGradual || size === null || nowMs <= atMs) return left
  return left + Math.floor(((size - left) * (nowMs - atMs)) / (resetsAtMs - atMs))
}
