// Limits drawn at random for a simulated tenant: on the tenant, a team, keys, and models within any of them.
import type { BudgetPeriod, RateUnit } from '../../src/core/failure.ts'
import type { Increase, Limit, LimiterNode } from '../../src/core/limits/limits.ts'
import type { Chance } from './chance.ts'
import { budget, rate, slots } from './limiter-receiver.ts'

export const KEYS = ['k1', 'k2', 'k3'] as const
/** What each key is used for. */
export const MODELS = { k1: ['tide-1', 'lighthouse'], k2: ['tide-2'], k3: ['tide-1'] } as const

const PATTERNS = ['tide-*', 'tide-1', 'light*', '*'] as const
const UNITS: readonly RateUnit[] = ['requests', 'tokens', 'inputTokens', 'outputTokens']
const PERIODS: readonly BudgetPeriod[] = [
  'hour',
  'day',
  'week',
  'month',
  { everyDays: 3, from: '2026-01-02' },
  { everyDays: 10, from: '2030-05-31' },
]

/** How large limits are; tight: rates and slots only, used to the full. */
export interface Scales {
  readonly units: number
  readonly slots: number
  readonly isTight: boolean
}

export function anyLimits(chance: Chance, scales: Scales, nowMs: number): readonly LimiterNode[] {
  const owners: LimiterNode[] = [
    { scope: 'tenant', id: 't', model: null, limits: [] },
    { scope: 'team', id: 'team', model: null, limits: [] },
    ...KEYS.map((id): LimiterNode => ({ scope: 'key', id, model: null, limits: [] })),
  ]
  const nodes = owners.flatMap((owner) => {
    const model = chance.below(5) === 0 ? [{ ...owner, model: chance.pick(PATTERNS) }] : []
    return chance.below(5) > 1 ? [owner, ...model] : model
  })
  return nodes.map((node) => ({ ...node, limits: limits(chance, scales, nowMs) }))
}

/** One limit on the whole tenant. */
export function oneLimit(chance: Chance, { units, slots: most }: Scales, kind: Limit['kind']): readonly LimiterNode[] {
  const made: Readonly<Record<Limit['kind'], Limit>> = {
    rate: rate('tokens', chance.pick([units, Math.ceil(units / 50)]), units),
    slots: slots(most),
    budget: budget(units, 'month'),
  }
  return [{ scope: 'tenant', id: 't', model: null, limits: [made[kind]] }]
}

function limits(chance: Chance, { units, slots: slotScale, isTight }: Scales, nowMs: number): readonly Limit[] {
  const increase = (scale: number): Increase | null =>
    chance.below(6) === 0 ? { by: 1 + chance.below(scale), untilMs: nowMs + chance.below(200_000) } : null
  const drawn: Limit[] = []
  for (const unit of UNITS) {
    if (chance.below(isTight ? 3 : 7) > 0) continue
    const scale = unit === 'requests' ? Math.ceil(units / 20) : units
    const amount = scale * (1 + chance.below(4))
    const slow = Math.ceil(amount / chance.pick([1, 50, 100]))
    drawn.push({ ...rate(unit, slow, chance.below(4) === 0 ? null : amount), increase: increase(scale) })
  }
  if (chance.below(5) === 0) drawn.push({ ...slots(slotScale * (1 + chance.below(3))), increase: increase(slotScale) })
  if (isTight) return drawn
  for (const period of PERIODS) {
    if (chance.below(10) > 0) continue
    drawn.push({ ...budget(units * (1 + chance.below(4)), period), increase: increase(units) })
  }
  return drawn
}
