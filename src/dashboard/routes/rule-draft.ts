// Limits as they are written in a form: every limit of a key is one of a list, whether the API keeps it among its rules or
// by itself. Text until it is sent: what can't be read is sent as it is, and the API says what is allowed. Pure.
import type { ApiLimits, ApiRule, BudgetPeriod, EveryDays } from '../api-types.ts'

export type RuleKind = 'budget' | 'rate' | 'concurrency'
export type RuleUnit = 'requests' | 'tokens' | 'input_tokens' | 'output_tokens'
export type DraftPeriod = BudgetPeriod | 'days'

export interface RuleDraft {
  /** Within one form. */
  readonly id: number
  readonly kind: RuleKind
  /** USD of a budget, units per minute of a rate, requests at once. */
  readonly amount: string
  readonly unit: RuleUnit
  /** What may be used at once; '' for one minute's worth. */
  readonly burst: string
  readonly period: DraftPeriod
  readonly everyDays: string
  readonly from: string
  /** '' for all. */
  readonly model: string
  /** Per cents of a budget that are announced, with commas between them. */
  readonly alerts: string
  readonly increase: { readonly by: string; readonly until: string } | null
}

export const ALERTS_USUAL = '50, 80, 100'
const PERIODS: readonly BudgetPeriod[] = ['hour', 'day', 'week', 'month']

/** A limit that nothing is written of yet. */
export function blankDraft(id: number, kind: RuleKind, today: string): RuleDraft {
  return {
    ...{ id, kind, amount: '', unit: 'tokens', burst: '', period: 'day', everyDays: '30', from: today },
    ...{ model: '', alerts: ALERTS_USUAL, increase: null },
  }
}

/** The limits that are set, as drafts. */
export function draftsOf(limits: ApiLimits, today: string): readonly RuleDraft[] {
  const drafts: RuleDraft[] = []
  const add = (kind: RuleKind, fields: Partial<RuleDraft>): void => {
    drafts.push({ ...blankDraft(drafts.length, kind, today), ...fields })
  }
  const { budget, tokens_per_minute: tokens, burst_tokens: burst } = limits
  if (budget !== null) add('budget', { amount: budget.amount_usd, period: budget.period })
  if (tokens !== null) add('rate', { amount: String(tokens), burst: burst == null ? '' : String(burst) })
  for (const rule of limits.rules ?? []) add(rule.kind, fieldsOf(rule))
  return drafts
}

function fieldsOf(rule: ApiRule): Partial<RuleDraft> {
  const model = rule.model ?? ''
  const until = rule.increase?.until ?? ''
  if (rule.kind === 'concurrency') {
    return { amount: String(rule.most), model, increase: increaseOf(rule.increase?.by, until) }
  }
  if (rule.kind === 'rate') {
    const burst = rule.burst == null ? '' : String(rule.burst)
    return {
      ...{ amount: String(rule.per_minute), unit: rule.unit, burst, model },
      increase: increaseOf(rule.increase?.by, until),
    }
  }
  const { period, alerts_percent: alerts } = rule
  return {
    ...{ amount: rule.amount_usd, model, alerts: alerts === undefined ? ALERTS_USUAL : alerts.join(', ') },
    ...(typeof period === 'string'
      ? { period }
      : { period: 'days' as const, everyDays: String(period.every_days), from: period.from }),
    increase: increaseOf(rule.increase?.by_usd, until),
  }
}

function increaseOf(by: string | number | undefined, until: string): RuleDraft['increase'] {
  return by === undefined ? null : { by: String(by), until }
}

/** What the API is sent, and where each draft stands in it, by its id: a field that it objects to begins with that. */
export interface WrittenLimits {
  readonly limits: {
    readonly tokens_per_minute: number | string | null
    readonly burst_tokens: number | string | null
    readonly budget: { readonly amount_usd: string; readonly period: string } | null
    readonly rules: readonly object[]
  }
  readonly places: ReadonlyMap<number, string>
}

/** The drafts as the API takes them. What fits there stands by itself, as the API's other users write it; the rest is rules. */
export function writeLimits(drafts: readonly RuleDraft[]): WrittenLimits {
  const places = new Map<number, string>()
  const budget = drafts.find(isPlainBudget)
  const rate = drafts.find(isPlainRate)
  const rules: object[] = []
  for (const draft of drafts) {
    if (draft === budget) places.set(draft.id, 'limits.budget')
    else if (draft === rate) places.set(draft.id, 'limits')
    else {
      places.set(draft.id, `limits.rules[${rules.length}]`)
      rules.push(ruleOf(draft))
    }
  }
  const limits = {
    tokens_per_minute: rate === undefined ? null : countOf(rate.amount),
    burst_tokens: rate === undefined || rate.burst === '' ? null : countOf(rate.burst),
    budget: budget === undefined ? null : { amount_usd: budget.amount.trim(), period: budget.period },
    rules,
  }
  return { limits, places }
}

/** The same where all of them are rules, in the field of that name. */
export function writeRules(
  drafts: readonly RuleDraft[],
  field: string,
): Pick<WrittenLimits, 'places'> & { readonly rules: readonly object[] } {
  return { rules: drafts.map(ruleOf), places: new Map(drafts.map(({ id }, at) => [id, `${field}[${at}]`])) }
}

function isPlainBudget(draft: RuleDraft): boolean {
  const { kind, model, increase, period, alerts } = draft
  return kind === 'budget' && model === '' && increase === null && period !== 'days' && isUsual(alerts)
}

function isUsual(alerts: string): boolean {
  return alertsOf(alerts).join(', ') === ALERTS_USUAL
}

function isPlainRate({ kind, unit, model, increase }: RuleDraft): boolean {
  return kind === 'rate' && unit === 'tokens' && model === '' && increase === null
}

function ruleOf(draft: RuleDraft): object {
  const { kind, increase } = draft
  const model = draft.model.trim() === '' ? {} : { model: draft.model.trim() }
  const until = increase === null ? {} : { until: increase.until }
  if (kind === 'budget') {
    return {
      ...{ kind, amount_usd: draft.amount.trim(), period: periodOf(draft) },
      ...(isUsual(draft.alerts) ? {} : { alerts_percent: alertsOf(draft.alerts) }),
      ...model,
      ...(increase === null ? {} : { increase: { by_usd: increase.by.trim(), ...until } }),
    }
  }
  const amount = countOf(draft.amount)
  const rest = { ...model, ...(increase === null ? {} : { increase: { by: countOf(increase.by), ...until } }) }
  if (kind === 'concurrency') return { kind, most: amount, ...rest }
  const burst = draft.burst.trim() === '' ? {} : { burst: countOf(draft.burst) }
  return { kind, unit: draft.unit, per_minute: amount, ...burst, ...rest }
}

function periodOf({ period, everyDays, from }: RuleDraft): string | { every_days: number | string; from: string } {
  return period === 'days' ? { every_days: countOf(everyDays), from } : period
}

/** The per cents; what isn't a number stays text. */
function alertsOf(alerts: string): readonly (number | string)[] {
  return alerts
    .split(/[\s,;%]+/)
    .filter((part) => part !== '')
    .map(countOf)
}

function countOf(text: string): number | string {
  const bare = text.replace(/[\s_,]/g, '')
  return /^\d{1,15}$/.test(bare) ? Number(bare) : text
}

/** The control of a draft that a field of the API is about, by what follows the draft's place in it. */
export function controlOf(rest: string): keyof RuleDraft {
  if (rest.includes('increase')) return 'increase'
  if (rest.includes('alerts_percent')) return 'alerts'
  if (rest.includes('burst')) return 'burst'
  if (rest.includes('every_days')) return 'everyDays'
  if (rest.includes('period.from')) return 'from'
  if (rest.includes('period')) return 'period'
  return rest.includes('model') ? 'model' : 'amount'
}

/** A period in words. */
export function periodText(period: BudgetPeriod | EveryDays): string {
  if (typeof period !== 'string') return `per ${period.every_days} days`
  return PERIODS.includes(period) ? `per ${period}` : period
}
