// How far each budget is used, and what that means: the alert states at 50, 80 and 100 %. Pure.
import type { ApiBudgetStand, ApiOverview } from '../api-types.ts'
import { percentOf, readDecimalUsd } from './format.ts'

/** `unknown`: the amounts can't be read. */
export type BudgetState = 'ok' | 'half' | 'high' | 'exhausted' | 'unknown'

export interface BudgetUse {
  readonly scope: 'key' | 'team' | 'tenant'
  readonly id: string
  readonly model: string | null
  readonly period: ApiBudgetStand['period']
  readonly amountNanoUsd: bigint | null
  readonly spentNanoUsd: bigint | null
  /** Of the amount, in per cent; may pass 100. Null where unknown. */
  readonly percent: number | null
  readonly state: BudgetState
}

/** The budgets of an overview, most used first. */
export function budgetUses({ budgets }: ApiOverview): readonly BudgetUse[] {
  const all = budgets.map(useOf)
  return all.filter((use) => use !== null).sort((a, b) => (b.percent ?? -1) - (a.percent ?? -1))
}

/** The alert state of a budget used to `percent`. */
export function budgetState(percent: number | null): BudgetState {
  if (percent === null) return 'unknown'
  if (percent >= 100) return 'exhausted'
  if (percent >= 80) return 'high'
  return percent >= 50 ? 'half' : 'ok'
}

function useOf({ scope, id, model, period, limit_usd: limit, used_usd: used }: ApiBudgetStand): BudgetUse | null {
  // Those of end users and of targets aren't the limiter's of a tenant.
  if (scope === 'user' || scope === 'target') return null
  const amountNanoUsd = readDecimalUsd(limit)
  const spentNanoUsd = readDecimalUsd(used)
  const percent = percentUsed(amountNanoUsd, spentNanoUsd)
  return { scope, id, model, period, amountNanoUsd, spentNanoUsd, percent, state: budgetState(percent) }
}

/** A budget of nothing is used up from the start. */
function percentUsed(amount: bigint | null, spent: bigint | null): number | null {
  if (amount === null || spent === null) return null
  return amount === 0n ? 100 : percentOf(spent, amount)
}
