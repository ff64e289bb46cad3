// Limits on their ways: from a request's body into table columns, from there to the API's view and to the limiter.
import type { CalendarPeriod, LimitScope, RateUnit } from '../../core/failure.ts'
import type { LimitPolicy, RunawayRule } from '../../core/limits/limit-policy.ts'
import { ALERTS_PERCENT, type Increase, type Limit, type LimiterNode } from '../../core/limits/limits.ts'
import { err, ok, type Result } from '../../core/result.ts'
import { periodName } from '../../core/limits/window.ts'
import { readUsd, writeUsd } from '../prices/amount.ts'
import { unacceptable, type Refusal } from '../http/refusal.ts'
import { readInstant, type AtLimit, type LimitRule, type LimitsBody, type RunawayBody } from '../schemas.ts'

/** The limit columns that tenants, teams and keys share. */
export interface LimitColumns {
  readonly tokens_per_minute: number | null
  readonly burst_tokens: number | null
  readonly budget_nano_usd: number | null
  readonly budget_period: CalendarPeriod | null
  /** JSON list of rules, as the API takes them. */
  readonly limit_rules: string
  /** JSON, as the API takes them; null for the usual. */
  readonly at_limit: string | null
  readonly runaway: string | null
}

export interface LimitsView {
  readonly tokens_per_minute: number | null
  readonly burst_tokens: number | null
  readonly budget: {
    readonly amount_usd: string
    readonly period: CalendarPeriod
    /** Spent in the running window; absent where the limiter was not asked. */
    readonly spent_nano_usd?: string
  } | null
  /** Limits beyond these. */
  readonly rules: readonly LimitRule[]
  readonly at_limit: AtLimit
  readonly runaway: RunawayBody | null
}

export const NO_LIMITS: LimitColumns = {
  tokens_per_minute: null,
  burst_tokens: null,
  budget_nano_usd: null,
  budget_period: null,
  limit_rules: '[]',
  at_limit: null,
  runaway: null,
}

/** The columns after a change: null takes a limit away, what is left out stays. */
export function changeLimits(before: LimitColumns, change: LimitsBody | undefined): Result<LimitColumns, Refusal> {
  if (change === undefined) return ok(before)
  const after: LimitColumns = {
    tokens_per_minute: given(change.tokens_per_minute, before.tokens_per_minute),
    burst_tokens: given(change.burst_tokens, before.burst_tokens),
    ...changeBudget(before, change),
    limit_rules: change.rules === undefined ? before.limit_rules : JSON.stringify(change.rules),
    at_limit: changed(change.at_limit, before.at_limit),
    runaway: changed(change.runaway, before.runaway),
  }
  if (after.burst_tokens !== null && after.tokens_per_minute === null) {
    return err(unacceptable('limits.burst_tokens', 'invalid_field', 'limits.burst_tokens needs a tokens_per_minute.'))
  }
  const twice = repeated(after)
  if (twice !== null) {
    const message = `limits.rules has a second limit of the same kind for the same thing: ${twice}.`
    return err(unacceptable('limits.rules', 'invalid_field', message))
  }
  return ok(after)
}

function given<T>(change: T | undefined, before: T): T {
  return change === undefined ? before : change
}

function changed(change: object | null | undefined, before: string | null): string | null {
  if (change === undefined) return before
  return change === null ? null : JSON.stringify(change)
}

function changeBudget(before: LimitColumns, { budget }: LimitsBody) {
  if (budget === undefined) return { budget_nano_usd: before.budget_nano_usd, budget_period: before.budget_period }
  if (budget === null) return { budget_nano_usd: null, budget_period: null }
  return { budget_nano_usd: readUsd(budget.amount_usd), budget_period: budget.period }
}

/** A limit that is set twice; null for none. */
function repeated(row: LimitColumns): string | null {
  const seen = new Set<string>()
  for (const { model, limits } of limiterNodes('key', '', row)) {
    for (const limit of limits) {
      const name = [nameOf(limit), ...(model === null ? [] : [model])].join(' of ')
      if (seen.has(name)) return name
      seen.add(name)
    }
  }
  return null
}

function nameOf(limit: Limit): string {
  if (limit.kind === 'rate') return `${limit.unit} per minute`
  return limit.kind === 'slots' ? 'concurrency' : `budget per ${periodName(limit.period)}`
}

/** How the API shows limits. `spentNanoUsd`: of the running budget window, where it is known. */
export function viewLimits(row: LimitColumns, spentNanoUsd?: number): LimitsView {
  const { budget_nano_usd: amount, budget_period: period } = row
  const spent = spentNanoUsd === undefined ? {} : { spent_nano_usd: String(spentNanoUsd) }
  return {
    tokens_per_minute: row.tokens_per_minute,
    burst_tokens: row.burst_tokens,
    budget: amount === null || period === null ? null : { amount_usd: writeUsd(amount), period, ...spent },
    rules: readRules(row),
    at_limit: readAtLimit(row) ?? { action: 'refuse' },
    runaway: readRunaway(row),
  }
}

/** How the limiter is told: a node for all models, and one for each model that has limits of its own; none where nothing
 *  is limited. */
export function limiterNodes(scope: LimitScope, id: string, row: LimitColumns): readonly LimiterNode[] {
  const byModel = new Map<string | null, Limit[]>([[null, columnLimits(row)]])
  for (const rule of readRules(row)) {
    const model = rule.model ?? null
    byModel.set(model, [...(byModel.get(model) ?? []), limitOf(rule)])
  }
  const policy = policyOf(readAtLimit(row))
  const watch = runawayOf(readRunaway(row))
  return [...byModel].flatMap(([model, limits]): readonly LimiterNode[] => {
    const runaway = model === null ? watch : null
    if (limits.length === 0 && runaway === null) return []
    const node = { scope, id, model, limits }
    return [{ ...node, ...(policy === null ? {} : { policy }), ...(runaway === null ? {} : { runaway }) }]
  })
}

/** Whether money is limited there, for whatever models. */
export function hasBudget(row: LimitColumns): boolean {
  return limiterNodes('key', '', row).some(({ limits }) => limits.some(({ kind }) => kind === 'budget'))
}

/** Waiting requests of a tenant in one isolate, where nothing is said of it. */
const WAITING_MAX = 100

function policyOf(atLimit: AtLimit | null): LimitPolicy | null {
  switch (atLimit?.action) {
    case undefined:
    case 'refuse':
      return null
    case 'wait':
      return { kind: 'wait', maxWaitMs: atLimit.max_wait_ms, maxWaiting: atLimit.max_waiting ?? WAITING_MAX }
    case 'downgrade':
      return { kind: 'downgrade', model: atLimit.model }
  }
}

function runawayOf(body: RunawayBody | null): RunawayRule | null {
  if (body === null) return null
  return { factor: body.factor, minNanoUsdPerHour: readUsd(body.min_usd_per_hour) ?? 0, action: body.action }
}

function columnLimits(row: LimitColumns): Limit[] {
  const {
    tokens_per_minute: perMinute,
    burst_tokens: burst,
    budget_nano_usd: amountNanoUsd,
    budget_period: period,
  } = row
  const limits: Limit[] = []
  if (perMinute !== null) limits.push({ kind: 'rate', unit: 'tokens', perMinute, burst, increase: null })
  if (amountNanoUsd !== null && period !== null) {
    limits.push({ kind: 'budget', amountNanoUsd, period, alertsPercent: ALERTS_PERCENT, increase: null })
  }
  return limits
}

const UNITS: Readonly<Record<Extract<LimitRule, { kind: 'rate' }>['unit'], RateUnit>> = {
  requests: 'requests',
  tokens: 'tokens',
  input_tokens: 'inputTokens',
  output_tokens: 'outputTokens',
}

/** A rule as the limiter knows it. */
export function limitOf(rule: LimitRule): Limit {
  const untilMs = rule.increase === null || rule.increase === undefined ? null : readInstant(rule.increase.until)
  const increase = (by: number | null): Increase | null => (untilMs === null || by === null ? null : { by, untilMs })
  switch (rule.kind) {
    case 'rate': {
      const by = increase(rule.increase?.by ?? null)
      return {
        kind: 'rate',
        unit: UNITS[rule.unit],
        perMinute: rule.per_minute,
        burst: rule.burst ?? null,
        increase: by,
      }
    }
    case 'concurrency':
      return { kind: 'slots', most: rule.most, increase: increase(rule.increase?.by ?? null) }
    case 'budget': {
      const { period } = rule
      const by = rule.increase?.by_usd
      return {
        kind: 'budget',
        amountNanoUsd: readUsd(rule.amount_usd) ?? 0,
        period: typeof period === 'object' ? { everyDays: period.every_days, from: period.from } : period,
        alertsPercent: rule.alerts_percent ?? ALERTS_PERCENT,
        increase: increase(by === undefined ? null : readUsd(by)),
      }
    }
  }
}

/** The column is written by this control plane only. */
function readRules(row: LimitColumns): readonly LimitRule[] {
  const rules: readonly LimitRule[] = JSON.parse(row.limit_rules)
  return rules
}

function readAtLimit(row: LimitColumns): AtLimit | null {
  const atLimit: AtLimit | null = row.at_limit === null ? null : JSON.parse(row.at_limit)
  return atLimit
}

function readRunaway(row: LimitColumns): RunawayBody | null {
  const runaway: RunawayBody | null = row.runaway === null ? null : JSON.parse(row.runaway)
  return runaway
}
