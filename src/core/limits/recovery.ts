// Budgets of a limiter that has lost its storage: what the ledger says that they have spent. Money is nano-USD.
import type { Authority } from './authority.ts'

/** What a budget has spent in a window, by the ledger. */
export interface SpentBudget {
  /** Its name within its tenant (`gaugeId`). */
  readonly gaugeId: string
  readonly windowStartMs: number
  readonly nanoUsd: number
}

/** Has budgets go on from what they had spent. Nothing is ever spent less than it was known to be, and a window that is over
 *  isn't gone back to. */
export function recoverSpent({ gauges, dirty }: Authority, budgets: readonly SpentBudget[]): void {
  for (const { gaugeId, windowStartMs, nanoUsd } of budgets) {
    const gauge = gauges.get(gaugeId)
    if (gauge?.kind !== 'budget' || gauge.window.startMs !== windowStartMs || nanoUsd <= gauge.spentNanoUsd) continue
    gauge.spentNanoUsd = nanoUsd
    dirty.gauges.add(gaugeId)
  }
}
