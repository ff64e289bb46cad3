// When to try again, and how long to wait before it. Retries have a budget per target, so that a target in trouble gets
// at most a tenth more calls than it would without retries.
import type { UpstreamClass } from '../failure.ts'

/** Tokens of a retry budget: earned by first attempts, spent by retries. */
export interface RetryBudget {
  readonly tokens: number
}

const EARNED_PER_ATTEMPT = 0.1
const TOKENS_MAX = 10
const BACKOFF_BASE_MS = 100
const BACKOFF_MS_MAX = 5_000
/** A provider that asks for a longer wait than this is left to the next candidate. */
const WAIT_MS_MAX = 2_000

/** A fresh budget allows a few retries at once. */
export const FULL_RETRY_BUDGET: RetryBudget = { tokens: TOKENS_MAX }

/** A first attempt earns a tenth of a retry. */
export function earned(budget: RetryBudget): RetryBudget {
  return { tokens: Math.min(TOKENS_MAX, budget.tokens + EARNED_PER_ATTEMPT) }
}

/** The budget after one retry; null when it has none left. */
export function spentRetry(budget: RetryBudget): RetryBudget | null {
  return budget.tokens >= 1 ? { tokens: budget.tokens - 1 } : null
}

/** Whether the same target may be asked again after such a failure. */
export function mayRetrySameTarget(upstream: UpstreamClass): boolean {
  return upstream === 'connection' || upstream === 'server' || upstream === 'overloaded' || upstream === 'stream'
}

/** Whether the next candidate may be asked. The client's own mistake would be one everywhere. */
export function mayFallBack(upstream: UpstreamClass): boolean {
  return upstream !== 'client'
}

/**
 * How long to wait before retry number `retry` (from 0): full jitter over a doubling ceiling, and never less than the
 * provider asked for. Null when it asked for more than is worth waiting. `draw` is in [0, 1).
 */
export function backoffMs(retry: number, retryAfterMs: number | null, draw: number): number | null {
  if (retryAfterMs !== null && retryAfterMs > WAIT_MS_MAX) return null
  const ceiling = Math.min(BACKOFF_MS_MAX, BACKOFF_BASE_MS * 2 ** retry)
  return Math.max(retryAfterMs ?? 0, Math.round(draw * ceiling))
}
