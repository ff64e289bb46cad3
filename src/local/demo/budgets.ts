// What the demo's budgets make of its events: what was spent in a calendar month, and when a share of a budget was used up.
// Pure. Money in nano-USD.
import type { ThresholdCrossing } from '../../core/money/alert.ts'
import type { LimitScope } from '../../core/failure.ts'
import type { UsageEvent } from '../../core/money/usage-event.ts'
import type { RunawayAlert } from '../../core/limits/runaway.ts'
import { windowAt } from '../../core/limits/window.ts'
import type { DemoTenant } from './cast.ts'
import { BURST, burstMs, type DemoIds } from './traffic.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const NANO_PER_USD = 1_000_000_000
const PERCENTS = [50, 80, 100] as const

export interface Month {
  readonly startMs: number
  readonly endMs: number
}

/** The calendar month of the tenant that holds this instant. */
export function monthOf({ timeZone }: DemoTenant, ms: number): Month {
  return windowAt('month', timeZone, ms)
}

/** What each key has spent in that time. */
export function spentIn(events: readonly UsageEvent[], { startMs, endMs }: Month): ReadonlyMap<string, number> {
  const spent = new Map<string, number>()
  for (const { keyId, startedAtMs, costNanoUsd } of events) {
    if (startedAtMs >= startMs && startedAtMs < endMs) spent.set(keyId, (spent.get(keyId) ?? 0) + costNanoUsd)
  }
  return spent
}

interface Budget {
  readonly scope: LimitScope
  readonly ownerId: string
  readonly limitNanoUsd: number
  readonly isOf: (event: UsageEvent) => boolean
}

/** Every share of every budget that was used up, each once a month. */
export function crossingsOf(tenant: DemoTenant, ids: DemoIds, events: readonly UsageEvent[]): ThresholdCrossing[] {
  return budgetsOf(tenant, ids).flatMap((budget) => {
    const crossings: ThresholdCrossing[] = []
    let month: Month = { startMs: 0, endMs: 0 }
    let spentNanoUsd = 0
    for (const event of events.filter(budget.isOf)) {
      if (event.startedAtMs >= month.endMs) {
        month = monthOf(tenant, event.startedAtMs)
        spentNanoUsd = 0
      }
      const before = spentNanoUsd
      spentNanoUsd += event.costNanoUsd
      const { scope, ownerId, limitNanoUsd } = budget
      for (const percent of PERCENTS) {
        const share = (limitNanoUsd * percent) / 100
        if (before >= share || spentNanoUsd < share) continue
        const window = { windowStartMs: month.startMs, windowEndMs: month.endMs, atMs: event.startedAtMs }
        crossings.push({ scope, ownerId, model: null, period: 'month', percent, limitNanoUsd, spentNanoUsd, ...window })
      }
    }
    return crossings
  })
}

function budgetsOf(tenant: DemoTenant, { tenantId, keys }: DemoIds): Budget[] {
  const nano = (usd: number): number => usd * NANO_PER_USD
  const all: Budget[] = [{ scope: 'tenant', ownerId: tenantId, limitNanoUsd: nano(tenant.budgetUsd), isOf: () => true }]
  for (const team of tenant.teams) {
    const teamId = keys.get(team.keys[0]?.name ?? '')?.teamId ?? ''
    if (team.budgetUsd !== undefined) {
      all.push({
        scope: 'team',
        ownerId: teamId,
        limitNanoUsd: nano(team.budgetUsd),
        isOf: (one) => one.teamId === teamId,
      })
    }
    for (const { name, budgetUsd } of team.keys) {
      const keyId = keys.get(name)?.keyId ?? ''
      if (budgetUsd === undefined) continue
      all.push({ scope: 'key', ownerId: keyId, limitNanoUsd: nano(budgetUsd), isOf: (one) => one.keyId === keyId })
    }
  }
  return all
}

/** The key that ran in a loop, told of in the middle of it. */
export function runawaysOf({ keys }: DemoIds, events: readonly UsageEvent[], nowMs: number): RunawayAlert[] {
  const keyId = keys.get(BURST.key)?.keyId
  if (keyId === undefined) return []
  const startMs = burstMs(nowMs)
  const perHourNanoUsd = spentIn(events, { startMs, endMs: startMs + HOUR_MS }).get(keyId) ?? 0
  const beforeNanoUsd = spentIn(events, { startMs: startMs - 2 * DAY_MS, endMs: startMs }).get(keyId) ?? 0
  const baselinePerHourNanoUsd = Math.round(beforeNanoUsd / 48)
  const thresholdPerHourNanoUsd = baselinePerHourNanoUsd * 10
  const rates = { perHourNanoUsd, baselinePerHourNanoUsd, thresholdPerHourNanoUsd }
  return [{ scope: 'key', ownerId: keyId, action: 'alert', ...rates, atMs: startMs + HOUR_MS / 2 }]
}
