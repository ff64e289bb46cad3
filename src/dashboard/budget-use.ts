// How far each budget is used, and what that means: the alert states at 50, 80 and 100 %. Pure.
import type { ApiLimits, ApiOverview, BudgetPeriod } from './api-types.ts'
import { percentOf, readDecimalUsd, readNanoUsd } from './format.ts'

/** `unknown`: the API did not say what was spent, or the amount can't be read. */
export type BudgetState = 'ok' | 'half' | 'high' | 'exhausted' | 'unknown'

export interface BudgetUse {
  readonly scope: 'key' | 'team' | 'tenant'
  readonly id: string
  readonly period: BudgetPeriod
  readonly amountNanoUsd: bigint | null
  readonly spentNanoUsd: bigint | null
  /** Of the amount, in per cent; may pass 100. Null where unknown. */
  readonly percent: number | null
  readonly state: BudgetState
}

/** Every budget in force, most used first; a revoked or expired key can't spend and is left out. */
export function budgetUses({ keys, teams, tenants }: ApiOverview): readonly BudgetUse[] {
  const all = [
    ...keys.filter((key) => key.status === 'active').map((key) => useOf('key', key)),
    ...teams.map((team) => useOf('team', team)),
    ...tenants.map((tenant) => useOf('tenant', tenant)),
  ]
  return all.filter((use) => use !== null).sort((a, b) => (b.percent ?? -1) - (a.percent ?? -1))
}

/** The alert state of a budget used to `percent`. */
export function budgetState(percent: number | null): BudgetState {
  if (percent === null) return 'unknown'
  if (percent >= 100) return 'exhausted'
  if (percent >= 80) return 'high'
  return percent >= 50 ? 'half' : 'ok'
}

function useOf(scope: BudgetUse['scope'], owner: { id: string; limits: ApiLimits }): BudgetUse | null {
  const budget = owner.limits.budget
  if (budget === null) return null
  const amountNanoUsd = readDecimalUsd(budget.amount_usd)
  const spentNanoUsd = budget.spent_nano_usd === undefined ? null : readNanoUsd(budget.spent_nano_usd)
  const percent = percentUsed(amountNanoUsd, spentNanoUsd)
  return {
    scope,
    id: owner.id,
    period: budget.period,
    amountNanoUsd,
    spentNanoUsd,
    percent,
    state: budgetState(percent),
  }
}

/** A budget of nothing is used up from the start. */
function percentUsed(amount: bigint | null, spent: bigint | null): number | null {
  if (amount === null || spent === null) return null
  return amount === 0n ? 100 : percentOf(spent, amount)
}
