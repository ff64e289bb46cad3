// What an answer or a refusal tells of the caller's limits: under OpenAI's names, at `/v1/messages` under Anthropic's, and
// money under ours. Only where there is a limit. https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers,
// https://docs.anthropic.com/en/api/rate-limits#response-headers (read 2026-11-21)
import type { Failure, RateUnit } from '../core/failure.ts'
import type { ToldStandings } from '../core/standing.ts'
import type { Speaker } from '../protocols/protocol.ts'

/** A rate as headers have it. */
interface ToldRate {
  readonly limit: number
  readonly left: number
  readonly resetAfterMs: number
}

/** OpenAI has no names for tokens in and out: those are Anthropic's. */
const UNITS: Readonly<Record<RateUnit, string>> = {
  requests: 'requests',
  tokens: 'tokens',
  inputTokens: 'input-tokens',
  outputTokens: 'output-tokens',
}

/** Adds what `standings` say to `headers`. */
export function addLimitHeaders(
  headers: Record<string, string>,
  protocol: Pick<Speaker, 'wire'>,
  { rates, budget }: ToldStandings,
  nowMs: number,
): void {
  addRate(headers, protocol, 'requests', rates.requests, nowMs)
  addRate(headers, protocol, 'tokens', rates.tokens, nowMs)
  addRate(headers, protocol, 'inputTokens', rates.inputTokens, nowMs)
  addRate(headers, protocol, 'outputTokens', rates.outputTokens, nowMs)
  if (budget !== undefined) addBudget(headers, budget.limitNanoUsd, budget.leftNanoUsd, budget.resetsAtMs)
}

/** What a limit's refusal tells beside its body; nothing for any other failure. */
export function refusalHeaders(
  protocol: Pick<Speaker, 'wire'>,
  failure: Failure,
  nowMs: number,
): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {}
  if (failure.kind === 'rate-limited') {
    const { unit, size: limit, left, resetAfterMs } = failure
    if (limit === undefined || left === undefined || resetAfterMs === undefined) return headers
    addRate(headers, protocol, unit, { limit, left, resetAfterMs }, nowMs)
  } else if (failure.kind === 'budget-exhausted') {
    addBudget(headers, failure.limitNanoUsd, failure.leftNanoUsd ?? 0, failure.resetsAtMs)
  }
  return headers
}

function addRate(
  headers: Record<string, string>,
  { wire }: Pick<Speaker, 'wire'>,
  unit: RateUnit,
  rate: ToldRate | undefined,
  nowMs: number,
): void {
  if (rate === undefined) return
  const { limit, left, resetAfterMs } = rate
  if (wire === 'anthropic-messages') {
    const name = `anthropic-ratelimit-${UNITS[unit]}`
    headers[`${name}-limit`] = String(limit)
    headers[`${name}-remaining`] = String(left)
    headers[`${name}-reset`] = rfc3339(nowMs + resetAfterMs)
    return
  }
  const name = UNITS[unit]
  headers[`x-ratelimit-limit-${name}`] = String(limit)
  headers[`x-ratelimit-remaining-${name}`] = String(left)
  headers[`x-ratelimit-reset-${name}`] = duration(resetAfterMs)
}

function addBudget(
  headers: Record<string, string>,
  limitNanoUsd: number,
  leftNanoUsd: number,
  resetsAtMs: number,
): void {
  headers['x-tidegate-budget-limit-usd'] = usd(limitNanoUsd)
  headers['x-tidegate-budget-remaining-usd'] = usd(leftNanoUsd)
  headers['x-tidegate-budget-reset'] = rfc3339(resetsAtMs)
}

/** A wait as OpenAI writes it: `120ms`, `1s`, `7.66s`, `6m0s`, `1h0m0s`. */
export function duration(ms: number): string {
  if (ms < 1000) return `${ms}ms`
  const totalSeconds = ms < 60_000 ? ms / 1000 : Math.ceil(ms / 1000)
  const hours = Math.floor(totalSeconds / 3600)
  const minutes = Math.floor((totalSeconds % 3600) / 60)
  // To the millisecond, which is as fine as it is known.
  const seconds = `${Math.round((totalSeconds % 60) * 1000) / 1000}s`
  if (hours > 0) return `${hours}h${minutes}m${seconds}`
  return minutes > 0 ? `${minutes}m${seconds}` : seconds
}

/** Whole seconds, rounded up: what is told to be there is there. */
function rfc3339(atMs: number): string {
  return new Date(Math.ceil(atMs / 1000) * 1000).toISOString().replace('.000Z', 'Z')
}

/** Nano-USD as a decimal amount of USD, exact. */
export function usd(nanoUsd: number): string {
  const digits = String(nanoUsd).padStart(10, '0')
  return `${digits.slice(0, -9)}.${digits.slice(-9)}`
}
