// When so much of a budget is used that somebody should know: each share of each budget once a window.
import { type Authority, presumedSpentNanoUsd } from '../limits/authority.ts'
import type { BudgetPeriod, LimitScope } from '../failure.ts'
import { type BudgetGauge, roomOf, sizeOf } from '../limits/gauge.ts'
import type { RunawayAlert } from '../limits/runaway.ts'

/** A budget of which `percent` is used. */
export interface ThresholdCrossing {
  readonly scope: LimitScope
  readonly ownerId: string
  readonly model: string | null
  readonly period: BudgetPeriod
  readonly percent: number
  readonly limitNanoUsd: number
  /** Settled, and what is presumed spent. */
  readonly spentNanoUsd: number
  readonly windowStartMs: number
  readonly windowEndMs: number
  readonly atMs: number
}

/** A refusal by a budget of which less than this share is left says that it is used up: the last bit never fits. */
const USED_UP_BELOW = 0.02

/** Notes which budgets crossed a share since the last time. */
export function noteCrossings(authority: Authority, nowMs: number): void {
  for (const id of authority.dirty.gauges) {
    const gauge = authority.gauges.get(id)
    if (gauge?.kind === 'budget') noteCrossing(authority, gauge, nowMs, 0)
  }
}

/** Notes that a budget refused: it is used up if next to nothing is left of it. */
export function noteRefusal(authority: Authority, gauge: BudgetGauge, nowMs: number): void {
  const size = sizeOf(gauge.limit, nowMs)
  if (roomOf(gauge, nowMs) < size * USED_UP_BELOW) noteCrossing(authority, gauge, nowMs, size)
}

/** The alerts that were not taken yet; they are, now. */
export function takeCrossings(authority: Authority): readonly ThresholdCrossing[] {
  const crossings = authority.crossings
  authority.crossings = []
  return crossings
}

/** The same for spending that runs away. */
export function takeRunaways(authority: Authority): readonly RunawayAlert[] {
  const runaways = authority.runaways
  authority.runaways = []
  return runaways
}

function noteCrossing(authority: Authority, gauge: BudgetGauge, nowMs: number, atLeastNanoUsd: number): void {
  if (nowMs >= gauge.window.endMs) return
  const size = sizeOf(gauge.limit, nowMs)
  const isUsed = (percent: number, nanoUsd: number): boolean => nanoUsd >= Math.ceil((size * percent) / 100)
  const pending = gauge.limit.alertsPercent.filter((percent) => !gauge.alertedPercent.includes(percent))
  const most = Math.max(gauge.spentNanoUsd + gauge.heldNanoUsd, atLeastNanoUsd)
  // What is presumed spent takes a look at every lease: only where it could matter.
  if (!pending.some((percent) => isUsed(percent, most))) return
  const spentNanoUsd = gauge.spentNanoUsd + presumedSpentNanoUsd(authority, gauge)
  const { scope, ownerId, model, window } = gauge
  for (const percent of pending) {
    if (!isUsed(percent, Math.max(spentNanoUsd, atLeastNanoUsd))) continue
    gauge.alertedPercent = [...gauge.alertedPercent, percent]
    authority.dirty.gauges.add(gauge.id)
    authority.crossings.push({
      scope,
      ownerId,
      model,
      period: gauge.limit.period,
      percent,
      limitNanoUsd: size,
      spentNanoUsd,
      windowStartMs: window.startMs,
      windowEndMs: window.endMs,
      atMs: nowMs,
    })
  }
}
