// Limits on their ways: from a request's body into table columns, from there to the API's view and to the limiter.
import type { BudgetPeriod, LimitScope } from '../core/failure.ts'
import type { LimiterNode } from '../core/limits.ts'
import { readUsd, writeUsd } from './amount.ts'
import { unacceptable, type Refusal } from './refusal.ts'
import { err, ok, type Result } from '../core/result.ts'
import type { LimitsBody } from './schemas.ts'

/** The limit columns that tenants, teams and keys share. */
export interface LimitColumns {
  readonly tokens_per_minute: number | null
  readonly burst_tokens: number | null
  readonly budget_nano_usd: number | null
  readonly budget_period: BudgetPeriod | null
}

export interface LimitsView {
  readonly tokens_per_minute: number | null
  readonly burst_tokens: number | null
  readonly budget: {
    readonly amount_usd: string
    readonly period: BudgetPeriod
    /** Spent in the running window; absent where the limiter was not asked. */
    readonly spent_nano_usd?: string
  } | null
}

export const NO_LIMITS: LimitColumns = {
  tokens_per_minute: null,
  burst_tokens: null,
  budget_nano_usd: null,
  budget_period: null,
}

/** The columns after a change: null takes a limit away, what is left out stays. */
export function changeLimits(before: LimitColumns, change: LimitsBody | undefined): Result<LimitColumns, Refusal> {
  if (change === undefined) return ok(before)
  const after = {
    tokens_per_minute: given(change.tokens_per_minute, before.tokens_per_minute),
    burst_tokens: given(change.burst_tokens, before.burst_tokens),
    ...changeBudget(before, change),
  }
  if (after.burst_tokens !== null && after.tokens_per_minute === null) {
    return err(unacceptable('limits.burst_tokens', 'invalid_field', 'limits.burst_tokens needs a tokens_per_minute.'))
  }
  return ok(after)
}

function given<T>(change: T | undefined, before: T): T {
  return change === undefined ? before : change
}

function changeBudget(before: LimitColumns, { budget }: LimitsBody) {
  if (budget === undefined) return { budget_nano_usd: before.budget_nano_usd, budget_period: before.budget_period }
  if (budget === null) return { budget_nano_usd: null, budget_period: null }
  return { budget_nano_usd: readUsd(budget.amount_usd), budget_period: budget.period }
}

/** How the API shows limits. `spentNanoUsd`: of the running budget window, where it is known. */
export function viewLimits(row: LimitColumns, spentNanoUsd?: number): LimitsView {
  const { budget_nano_usd: amount, budget_period: period } = row
  const spent = spentNanoUsd === undefined ? {} : { spent_nano_usd: String(spentNanoUsd) }
  return {
    tokens_per_minute: row.tokens_per_minute,
    burst_tokens: row.burst_tokens,
    budget: amount === null || period === null ? null : { amount_usd: writeUsd(amount), period, ...spent },
  }
}

/** How the limiter is told; null where nothing is limited. */
export function limiterNode(scope: LimitScope, id: string, row: LimitColumns): LimiterNode | null {
  const { budget_nano_usd: amountNanoUsd, budget_period: period } = row
  const budget = amountNanoUsd === null || period === null ? null : { amountNanoUsd, period }
  if (budget === null && row.tokens_per_minute === null) return null
  return { scope, id, tokensPerMinute: row.tokens_per_minute, burstTokens: row.burst_tokens, budget }
}
