// A budget's use as a bar with its figures: the state in words for whoever can't see colours.
import { budgetState } from './budget-use.ts'
import { Money } from './figures.tsx'
import { formatShare } from './format.ts'
import type { BudgetStand } from '../keys/keys-data.ts'
import { periodText } from '../routes/rule-draft.ts'

export function BudgetBar({ of, budget }: { of: string; budget: BudgetStand }) {
  const { percent, limitNanoUsd, usedNanoUsd, period } = budget
  const shown = Math.min(100, percent)
  const share = formatShare(percent, 100)
  return (
    <div class={`budget ${budgetState(percent)}`}>
      <div
        class="budget-track"
        role="meter"
        aria-label={`Budget of ${of}`}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={shown}
        aria-valuetext={`${share} used`}
      >
        <span class="budget-bar" style={{ width: `${shown}%` }} />
      </div>
      <div class="budget-line muted">
        <span>
          <Money nanoUsd={usedNanoUsd} /> of <Money nanoUsd={limitNanoUsd} /> {periodText(period)}
        </span>
        <span>{share}</span>
      </div>
    </div>
  )
}
