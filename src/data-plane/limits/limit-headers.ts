// What an answer or a refusal tells of the caller's limits: under OpenAI's names, at `/v1/messages` under Anthropic's, and
// money under ours. Only where there is a limit. https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers,
// https://docs.anthropic.com/en/api/rate-limits#response-headers (read 2026-11-21)
import type { Failure, RateUnit } from '../../core/failure.ts'
import type { ToldStandings } from '../../core/limits/standing.ts'
import type { Speaker } from '../../protocols/protocol.ts'

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

/** Takes one header. */
export type PutHeader = (name: string, value: string) => void

/** Puts what `standings` say. */
export function putLimitHeaders(
  put: PutHeader,
  protocol: Pick<Speaker, 'wire'>,
  { rates, budget }: ToldStandings,
  nowMs: number,
): void {
  putRate(put, protocol, 'requests', rates.requests, nowMs)
  putRate(put, protocol, 'tokens', rates.tokens, nowMs)
  putRate(put, protocol, 'inputTokens', rates.inputTokens, nowMs)
  putRate(put, protocol, 'outputTokens', rates.outputTokens, nowMs)
  if (budget !== undefined) putBudget(put, budget.limitNanoUsd, budget.leftNanoUsd, budget.resetsAtMs)
}

/** What a limit's refusal tells beside its body; nothing for any other failure. */
export function refusalHeaders(
  protocol: Pick<Speaker, 'wire'>,
  failure: Failure,
  nowMs: number,
): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {}
  const put: PutHeader = (name, value) => {
    headers[name] = value
  }
  if (failure.kind === 'rate-limited') {
    const { unit, size: limit, left, resetAfterMs } = failure
    if (limit === undefined || left === undefined || resetAfterMs === undefined) return headers
    putRate(put, protocol, unit, { limit, left, resetAfterMs }, nowMs)
  } else if (failure.kind === 'budget-exhausted') {
    putBudget(put, failure.limitNanoUsd, failure.leftNanoUsd ?? 0, failure.resetsAtMs)
  }
  return headers
}

interface RateNames {
  readonly limit: string
  readonly left: string
  readonly reset: string
}

/** Written once: putting a name together for each answer costs more than sending it. */
const OPENAI_NAMES = namesBy((unit) => ({
  limit: `x-ratelimit-limit-${unit}`,
  left: `x-ratelimit-remaining-${unit}`,
  reset: `x-ratelimit-reset-${unit}`,
}))
const ANTHROPIC_NAMES = namesBy((unit) => ({
  limit: `anthropic-ratelimit-${unit}-limit`,
  left: `anthropic-ratelimit-${unit}-remaining`,
  reset: `anthropic-ratelimit-${unit}-reset`,
}))

function namesBy(write: (unit: string) => RateNames): Readonly<Record<RateUnit, RateNames>> {
  const { requests, tokens, inputTokens, outputTokens } = UNITS
  return {
    requests: write(requests),
    tokens: write(tokens),
    inputTokens: write(inputTokens),
    outputTokens: write(outputTokens),
  }
}

function putRate(
  put: PutHeader,
  { wire }: Pick<Speaker, 'wire'>,
  unit: RateUnit,
  rate: ToldRate | undefined,
  nowMs: number,
): void {
  if (rate === undefined) return
  const { limit, left, resetAfterMs } = rate
  const isAnthropic = wire === 'anthropic-messages'
  const names = isAnthropic ? ANTHROPIC_NAMES[unit] : OPENAI_NAMES[unit]
  put(names.limit, String(limit))
  put(names.left, String(left))
  put(names.reset, isAnthropic ? rfc3339(nowMs + resetAfterMs) : duration(resetAfterMs))
}

/** A budget's limit and its end are the same on one answer after the other. */
let latestLimit = { nanoUsd: 0, text: usd(0) }
let latestReset = { atMs: 0, text: rfc3339(0) }

function putBudget(put: PutHeader, limitNanoUsd: number, leftNanoUsd: number, resetsAtMs: number): void {
  if (limitNanoUsd !== latestLimit.nanoUsd) latestLimit = { nanoUsd: limitNanoUsd, text: usd(limitNanoUsd) }
  if (resetsAtMs !== latestReset.atMs) latestReset = { atMs: resetsAtMs, text: rfc3339(resetsAtMs) }
  put('x-tidegate-budget-limit-usd', latestLimit.text)
  put('x-tidegate-budget-remaining-usd', usd(leftNanoUsd))
  put('x-tidegate-budget-reset', latestReset.text)
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
