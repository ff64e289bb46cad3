// What is said where a limit refuses: which one, how much is left of it, when there is more. One contract for all protocols.
import type { BudgetPeriod, CalendarPeriod, Failure, RateUnit } from '../core/failure.ts'
import type { JsonObject } from '../core/json.ts'
import { withoutUndefined } from '../wire/write.ts'
import type { Phrase } from './phrase.ts'

type Arm<Kind extends Failure['kind']> = Extract<Failure, { kind: Kind }>

/** A rate has not enough left. Without a wait the request is larger than the limit ever allows. */
export function rateLimited(failure: Arm<'rate-limited'>): Phrase {
  const { unit, limitPerMinute, requested, left, size, resetAfterMs, retryAfterMs } = failure
  const numbers = `Limit ${limitPerMinute}, requested ${requested}${left === undefined ? '' : `, left ${left}`}.`
  const head = `Rate limit reached for ${limitedBy(failure)} on ${RATE_UNITS[unit]}: ${numbers}`
  const limit = limitOf(failure, {
    kind: 'rate',
    unit: UNIT_NAMES[unit],
    per_minute: limitPerMinute,
    size,
    requested,
    remaining: left,
    reset_after_ms: resetAfterMs,
  })
  const base = { status: 429, type: unit === 'requests' ? 'requests' : 'tokens', code: 'rate_limit_exceeded', limit }
  if (retryAfterMs === null) {
    const message = `${head} The request is larger than the limit ever allows: reduce its input or its output bound.`
    return { ...base, message, mayRetry: false }
  }
  return { ...base, message: `${head} Please try again in ${retryAfterMs}ms.`, mayRetry: true, retryAfterMs }
}

const RATE_UNITS: Readonly<Record<RateUnit, string>> = {
  requests: 'requests per minute (RPM)',
  tokens: 'tokens per minute (TPM)',
  inputTokens: 'input tokens per minute',
  outputTokens: 'output tokens per minute',
}

const UNIT_NAMES: Readonly<Record<RateUnit, string>> = {
  requests: 'requests',
  tokens: 'tokens',
  inputTokens: 'input_tokens',
  outputTokens: 'output_tokens',
}

/** As many attempts run as may. */
export function tooManyAtOnce(failure: Arm<'too-many-at-once'>): Phrase {
  const { most, retryAfterMs } = failure
  const head = `Too many requests of ${limitedBy(failure)} run at once: at most ${most} may.`
  const message = `${head} Please try again in ${retryAfterMs}ms.`
  const limit = limitOf(failure, { kind: 'concurrency', most, remaining: 0 })
  return { status: 429, message, type: 'requests', code: 'rate_limit_exceeded', mayRetry: true, retryAfterMs, limit }
}

const PERIODS: Readonly<Record<CalendarPeriod, string>> = {
  hour: 'hourly',
  day: 'daily',
  week: 'weekly',
  month: 'monthly',
}

/** A budget has not enough left. Nobody is to sit and wait for its reset, so the SDKs don't try again. */
export function budgetExhausted(failure: Arm<'budget-exhausted'>): Phrase {
  const { limitNanoUsd, leftNanoUsd, window, resetsAtMs, retryAfterMs } = failure
  const amount = `$${usdOf(limitNanoUsd)}`
  const resets = new Date(resetsAtMs).toISOString()
  const head = `The ${periodWord(window)} budget of ${limitedBy(failure)} (${amount})`
  const message =
    retryAfterMs === null
      ? `${head} is less than this request may cost: reduce its input or its output bound.`
      : `${head} has not enough left for this request. It resets at ${resets}.`
  const limit = limitOf(failure, {
    kind: 'budget',
    period: typeof window === 'string' ? window : { every_days: window.everyDays, from: window.from },
    limit_usd: usdOf(limitNanoUsd),
    remaining_usd: leftNanoUsd === undefined ? undefined : usdOf(leftNanoUsd),
    resets_at: resets,
  })
  const base = { status: 402, message, type: 'insufficient_quota', code: 'budget_exceeded', mayRetry: false, limit }
  return retryAfterMs === undefined || retryAfterMs === null ? base : { ...base, retryAfterMs }
}

/** Spending was slowed down or stopped because it ran away. A stop is somebody's to look at. */
export function runaway(failure: Arm<'runaway'>): Phrase {
  const { action, perMinuteNanoUsd, retryAfterMs } = failure
  const head = `The spending of ${limitedBy(failure)} is far above its usual rate and was`
  const message =
    action === 'stop'
      ? `${head} stopped. It may go on in ${Math.ceil(retryAfterMs / 1000)} s.`
      : `${head} slowed down to $${usdOf(perMinuteNanoUsd)} a minute. Please try again in ${retryAfterMs}ms.`
  const limit = limitOf(failure, { kind: 'runaway', action, usd_per_minute: usdOf(perMinuteNanoUsd) })
  const mayRetry = action === 'throttle'
  return { status: 429, message, type: 'requests', code: 'runaway_spending', mayRetry, retryAfterMs, limit }
}

interface Limited {
  readonly scope: string
  readonly model?: string | null
}

/** `this key`, or `this key's use of` some models. */
function limitedBy({ scope, model }: Limited): string {
  return model === null || model === undefined ? `this ${scope}` : `the use of \`${model}\` by this ${scope}`
}

function limitOf(
  { scope, model }: Limited,
  members: Readonly<Record<string, JsonObject[string] | undefined>>,
): JsonObject {
  return withoutUndefined({ scope, model: model ?? undefined, ...members })
}

function periodWord(period: BudgetPeriod): string {
  return typeof period === 'string' ? PERIODS[period] : `${period.everyDays}-day`
}

/** Nano-USD as dollars: two decimals, or as many as a small amount needs. */
export function usdOf(nanoUsd: number): string {
  return (nanoUsd / 1e9).toFixed(9).replace(/0{1,7}$/, '')
}
