// How limits stand: the tightest of each resource, which goes out with a grant so that answers can tell of it without
// asking, and all of a path, for whoever asks. Amounts in each limit's own unit, times in epoch ms or ms.
import type { Counts, Resource } from './amounts.ts'
import type { LimitScope, RateUnit } from '../failure.ts'
import { type BudgetGauge, type Gauge, type RateGauge, bucketRule, fullAfterMs, roomOf, sizeOf } from './gauge.ts'
import type { LimitPolicy } from './limit-policy.ts'
import type { Limit } from './limits.ts'

/** A rate after a grant. */
export interface RateStanding {
  /** What the bucket holds when it is full. */
  readonly size: number
  readonly perMinute: number
  /** Not lent to anybody. */
  readonly left: number
}

/** A budget after a grant. */
export interface BudgetStanding {
  readonly limitNanoUsd: number
  /** Neither spent nor lent to anybody. */
  readonly left: number
  readonly resetsAtMs: number
}

/** The tightest limit of each resource: the one with least left. Missing where there is none. */
export interface Standings {
  readonly rates: Readonly<Partial<Record<RateUnit, RateStanding>>>
  readonly budget?: BudgetStanding
}

/** Standings as a client may be told of them. */
export interface ToldStandings {
  readonly rates: Readonly<
    Partial<Record<RateUnit, { readonly limit: number; readonly left: number; readonly resetAfterMs: number }>>
  >
  readonly budget?: { readonly limitNanoUsd: number; readonly leftNanoUsd: number; readonly resetsAtMs: number }
}

/** A limit as it stands. */
export interface LimitState {
  readonly scope: LimitScope
  readonly id: string
  readonly model: string | null
  readonly limit: Limit
  readonly policy: LimitPolicy
  /** The limit's present size, an increase included: of a rate, what its bucket holds when it is full. */
  readonly size: number
  /** Settled. Of a rate nobody keeps count: 0. */
  readonly used: number
  /** Lent to isolates, for what runs and what may come next. */
  readonly held: number
  readonly left: number
  /** When all of it is there again; null where nobody knows (slots). */
  readonly resetsAtMs: number | null
}

/** The standings of the limits on a path. Undefined where none is a rate or a budget. */
export function standingsOf(gauges: readonly Gauge[], nowMs: number): Standings | undefined {
  const rates: Partial<Record<RateUnit, RateStanding>> = {}
  let budget: BudgetStanding | undefined
  let isAny = false
  for (const gauge of gauges) {
    if (gauge.kind === 'slots') continue
    isAny = true
    const left = Math.max(0, roomOf(gauge, nowMs))
    if (gauge.kind === 'budget') {
      if (budget === undefined || left < budget.left) budget = budgetStanding(gauge, left, nowMs)
      continue
    }
    const known = rates[gauge.limit.unit]
    if (known === undefined || left < known.left) rates[gauge.limit.unit] = rateStanding(gauge, left, nowMs)
  }
  if (!isAny) return undefined
  return budget === undefined ? { rates } : { rates, budget }
}

function rateStanding(gauge: RateGauge, left: number, nowMs: number): RateStanding {
  const { capacity, perMinute } = bucketRule(gauge.limit, nowMs)
  return { size: capacity, perMinute, left }
}

function budgetStanding(gauge: BudgetGauge, left: number, nowMs: number): BudgetStanding {
  return { limitNanoUsd: sizeOf(gauge.limit, nowMs), left, resetsAtMs: gauge.window.endMs }
}

const MS_PER_MINUTE = 60_000

/** What a holder has of its grants: what it hasn't used, and what is reserved for what runs. */
export interface HolderUse {
  readonly unused: Counts
  readonly reserved: Counts
}

/** Standings of `sinceMs` as they are at `nowMs`, on one clock, to their holder: what others took since isn't known. */
export function aged(
  standings: Standings,
  { unused, reserved }: HolderUse,
  { sinceMs, nowMs }: { readonly sinceMs: number; readonly nowMs: number },
): ToldStandings {
  const rates: Partial<Record<RateUnit, { limit: number; left: number; resetAfterMs: number }>> = {}
  for (const unit of RATE_UNITS) {
    const standing = standings.rates[unit]
    if (standing === undefined) continue
    const { size, perMinute } = standing
    const refilled = Math.floor((Math.max(0, nowMs - sinceMs) * perMinute) / MS_PER_MINUTE)
    // A bucket fills up to what isn't lent.
    const left = within(standing.left + unused[unit] + refilled, size - reserved[unit])
    rates[unit] = { limit: size, left, resetAfterMs: Math.ceil(((size - left) * MS_PER_MINUTE) / perMinute) }
  }
  if (standings.budget === undefined) return { rates }
  const { limitNanoUsd, left, resetsAtMs } = standings.budget
  const leftNanoUsd = within(left + unused.nanoUsd, limitNanoUsd - reserved.nanoUsd)
  return { rates, budget: { limitNanoUsd, leftNanoUsd, resetsAtMs } }
}

const RATE_UNITS = ['requests', 'tokens', 'inputTokens', 'outputTokens'] as const satisfies readonly Resource[]

function within(left: number, most: number): number {
  return Math.max(0, Math.min(left, most))
}

/** One limit as it stands. `presumedNanoUsd`: what expired leases hold of a budget. */
export function limitState(gauge: Gauge, policy: LimitPolicy, presumedNanoUsd: number, nowMs: number): LimitState {
  const { scope, ownerId: id, model, limit } = gauge
  const size = sizeOf(gauge.limit, nowMs)
  const whole = { scope, id, model, limit, policy, size, left: Math.max(0, roomOf(gauge, nowMs)) }
  switch (gauge.kind) {
    case 'rate':
      return { ...whole, used: 0, held: gauge.bucket.outstanding, resetsAtMs: nowMs + fullAfterMs(gauge, nowMs) }
    case 'slots':
      return { ...whole, used: 0, held: gauge.held, resetsAtMs: null }
    case 'budget': {
      const used = gauge.spentNanoUsd + presumedNanoUsd
      return { ...whole, used, held: gauge.heldNanoUsd - presumedNanoUsd, resetsAtMs: gauge.window.endMs }
    }
  }
}
