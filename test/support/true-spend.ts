// What was really spent, kept apart from the books that claim to know it: money by budget and window, rates by bucket,
// slots by who runs. Objects when a limit is passed, or when the books say more or less than what happened.
import { strict as assert } from 'node:assert'
import { type Counts, RESOURCES } from '../../src/core/limits/amounts.ts'
import type { Authority, GrantedLease } from '../../src/core/limits/authority.ts'
import { type BudgetGauge, type RateGauge, type SlotGauge, resourceOf } from '../../src/core/limits/gauge.ts'
import type { HeldLease } from '../../src/core/limits/lease.ts'
import type { Limit } from '../../src/core/limits/limits.ts'

/** One budget in one of its windows: what was spent, and the most that it ever allowed. */
interface Budget {
  spentNanoUsd: number
  limitNanoUsd: number
  /** What attempts cost beyond what they had reserved, as far as the limiter can't know of it yet, … */
  untoldNanoUsd: number
  /** … what it was told of since the last look, … */
  toldNanoUsd: number
  /** … and what it hadn't been told of when its books were within the limit for the last time. */
  excusedNanoUsd: number
  /** What the books came to at the last look. */
  bookedNanoUsd: number
}

/** What an attempt cost more than it had reserved, and the budgets that it was charged to. */
interface Overrun {
  readonly leaseId: string
  readonly names: readonly string[]
  readonly amounts: Counts
}

interface Fill {
  parts: number
  atMs: number
}

const PARTS_PER_UNIT = 60_000

export class Truth {
  readonly #authority: Authority
  readonly #budgets = new Map<string, Budget>()
  /** A limit that ends and begins again is another one. */
  readonly #eras = new Map<string, number>()
  /** Where a lease's money is charged, as it was granted. */
  readonly #charged = new Map<string, readonly string[]>()
  /** Leaky buckets: more in one than the capacity means that some stretch of time admitted too much. What attempts cost as far
   *  as they had reserved it … */
  readonly #fill = new Map<string, Fill>()
  /** … and, on top of that, what the limiter was told of beyond: when it grants, all of that has been paid back. */
  readonly #fillWithOverruns = new Map<string, Fill>()
  /** Those that the limiter can't know of yet, by attempt. */
  readonly #overruns = new Map<string, Overrun>()

  constructor(authority: Authority) {
    this.#authority = authority
  }

  /** A lease was granted something: what is spent under it counts against these budgets. */
  charge(leaseId: string): void {
    const lease = this.#authority.leases.get(leaseId)
    if (lease === undefined) return
    const names: string[] = []
    for (const [id, startMs] of Object.entries(lease.charged)) {
      const gauge = this.#authority.gauges.get(id)
      if (gauge?.kind !== 'budget') continue
      const name = this.#name(id, startMs)
      if (!this.#budgets.has(name)) this.#budgets.set(name, newBudget(highest(gauge.limit)))
      names.push(name)
    }
    this.#charged.set(leaseId, names)
  }

  spend(leaseId: string, nanoUsd: number): void {
    for (const name of this.#charged.get(leaseId) ?? []) {
      const budget = this.#budgets.get(name)
      if (budget !== undefined) budget.spentNanoUsd += nanoUsd
    }
  }

  /** An attempt under the lease costs so much more than it reserved. */
  overrun(attemptId: string, leaseId: string, amounts: Counts): void {
    const names = this.#charged.get(leaseId) ?? []
    this.#overruns.set(attemptId, { leaseId, names, amounts })
    for (const budget of this.#of(names)) {
      budget.untoldNanoUsd += amounts.nanoUsd
      budget.excusedNanoUsd += amounts.nanoUsd
    }
  }

  /** A message that was written after these attempts had ended is about to be taken in. Of rates it is told where the lease is
   *  known. */
  tell(attemptIds: readonly string[], nowMs: number): void {
    for (const id of attemptIds) {
      const overrun = this.#overruns.get(id)
      if (overrun === undefined) continue
      this.#overruns.delete(id)
      for (const budget of this.#of(overrun.names)) {
        budget.untoldNanoUsd -= overrun.amounts.nanoUsd
        budget.toldNanoUsd += overrun.amounts.nanoUsd
      }
      for (const gauge of this.#ratesOf(overrun.leaseId)) {
        pour(this.#fillWithOverruns, gauge, overrun.amounts[resourceOf(gauge)], nowMs)
      }
    }
  }

  #of(names: readonly string[]): readonly Budget[] {
    return names.flatMap((name) => this.#budgets.get(name) ?? [])
  }

  /** Holds every bucket that the lease is charged to to its bound: capacity + rate × t in any stretch of length t. `within`: what an
   *  attempt costs as far as it has reserved it. */
  admitRates(leaseId: string, within: Counts, nowMs: number): void {
    for (const gauge of this.#ratesOf(leaseId)) {
      const units = within[resourceOf(gauge)]
      pour(this.#fillWithOverruns, gauge, units, nowMs)
      const parts = pour(this.#fill, gauge, units, nowMs)
      assert(parts <= highest(gauge.limit) * PARTS_PER_UNIT, `${gauge.id} admits more than its bucket allows`)
    }
  }

  /** Something was granted: with all of it used at once, a bucket admits no more than its bound, overruns included. */
  checkRepaid(leaseId: string, given: Counts, nowMs: number): void {
    for (const gauge of this.#ratesOf(leaseId)) {
      const units = given[resourceOf(gauge)]
      if (units <= 0) continue
      const parts = pour(this.#fillWithOverruns, gauge, 0, nowMs) + units * PARTS_PER_UNIT
      assert(parts <= highest(gauge.limit) * PARTS_PER_UNIT, `${gauge.id} grants what was overrun once more`)
    }
  }

  #ratesOf(leaseId: string): readonly RateGauge[] {
    const { leases, gauges } = this.#authority
    return Object.keys(leases.get(leaseId)?.charged ?? {}).flatMap((id) => {
      const gauge = gauges.get(id)
      return gauge?.kind === 'rate' ? [gauge] : []
    })
  }

  beginAnew(id: string): void {
    this.#eras.set(id, (this.#eras.get(id) ?? 0) + 1)
  }

  /** After a change of limits: a window is held to the highest that it ever had. */
  raiseLimits(): void {
    for (const gauge of this.#authority.gauges.values()) {
      if (gauge.kind !== 'budget') continue
      const budget = this.#budgets.get(this.#name(gauge.id, gauge.window.startMs))
      if (budget !== undefined) budget.limitNanoUsd = Math.max(budget.limitNanoUsd, highest(gauge.limit))
    }
  }

  /** Holds a budget's books against the truth, and both against the limit and what was overrun. */
  check({ id, window, spentNanoUsd, heldNanoUsd }: BudgetGauge): void {
    assert(spentNanoUsd >= 0 && heldNanoUsd >= 0, `${id} has negative balances`)
    const budget = this.#budgets.get(this.#name(id, window.startMs))
    if (budget === undefined) return
    const booked = spentNanoUsd + heldNanoUsd
    const { limitNanoUsd, untoldNanoUsd } = budget
    assert(spentNanoUsd <= budget.spentNanoUsd, `${id} booked more than was spent`)
    const most = Math.max(limitNanoUsd, budget.bookedNanoUsd + budget.toldNanoUsd)
    assert(booked <= most, `${id} granted more than its limit (I1)`)
    if (booked <= limitNanoUsd) budget.excusedNanoUsd = untoldNanoUsd
    assert(budget.spentNanoUsd <= booked + untoldNanoUsd, `${id}: money was spent that nobody holds`)
    assert(budget.spentNanoUsd <= limitNanoUsd + budget.excusedNanoUsd, `${id} overshot`)
    budget.bookedNanoUsd = booked
    budget.toldNanoUsd = 0
  }

  /** Everything has ended and was told: what was spent in windows that run at `nowMs` is booked, no more and no less. */
  checkBooked(nowMs: number): void {
    for (const gauge of this.#authority.gauges.values()) {
      if (gauge.kind !== 'budget' || nowMs >= gauge.window.endMs) continue
      const { spentNanoUsd = 0 } = this.#budgets.get(this.#name(gauge.id, gauge.window.startMs)) ?? {}
      assert.equal(gauge.spentNanoUsd, spentNanoUsd, `${gauge.id}: not all that was spent is booked`)
    }
  }

  #name(id: string, startMs: number): string {
    return `${id} ${this.#eras.get(id) ?? 0} ${startMs}`
  }
}

/** Lets a leaky bucket run off and pours `units` in. Returns how full it is, in 1/60000 of a unit. */
function pour(fills: Map<string, Fill>, { id, limit }: RateGauge, units: number, nowMs: number): number {
  const by = limit.increase?.by ?? 0
  const fill = fills.get(id) ?? { parts: 0, atMs: nowMs }
  fill.parts = Math.max(0, fill.parts - (nowMs - fill.atMs) * (limit.perMinute + by)) + units * PARTS_PER_UNIT
  fill.atMs = nowMs
  fills.set(id, fill)
  return fill.parts
}

function newBudget(limitNanoUsd: number): Budget {
  return {
    spentNanoUsd: 0,
    limitNanoUsd,
    untoldNanoUsd: 0,
    toldNanoUsd: 0,
    excusedNanoUsd: 0,
    bookedNanoUsd: 0,
  }
}

/** The most that a limit may come to while its increase lasts. */
export function highest(limit: Limit): number {
  const by = limit.increase?.by ?? 0
  if (limit.kind === 'budget') return limit.amountNanoUsd + by
  return (limit.kind === 'slots' ? limit.most : (limit.burst ?? limit.perMinute)) + by
}

/** Holds the attempts that run at once to a limit of slots. */
export function checkSlots(gauge: SlotGauge, running: number): void {
  assert(running <= highest(gauge.limit), `${gauge.id}: ${running} run at once`)
}

/** Holds the two halves of a lease against each other: what each knows of the other may be old, never ahead of it. */
export function checkLease(held: HeldLease, granted: GrantedLease | undefined, isBounded: boolean): void {
  for (const kind of RESOURCES) {
    const used = held.settled[kind] + held.reserved[kind] + held.returned[kind]
    if (isBounded && held.limited[kind]) assert(used <= held.granted[kind], `${held.id} promised more than it has (I2)`)
    if (granted === undefined) continue
    const isReleased = granted.state === 'expired' && granted.reconcileAtMs === null
    assert(granted.settled[kind] <= held.settled[kind], `${held.id}: a settlement is known before it happened (I4)`)
    assert(
      isReleased || granted.returned[kind] <= held.returned[kind],
      `${held.id}: a return is known before it happened (I4)`,
    )
    assert(held.granted[kind] <= granted.granted[kind], `${held.id}: a grant is known before it happened (I4)`)
  }
}
