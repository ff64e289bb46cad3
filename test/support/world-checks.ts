// What must hold at every moment of a simulated tenant's world, whatever happened before.
import { strict as assert } from 'node:assert'
import { type Counts, NOTHING, greatest, minus, plus } from '../../src/core/limits/amounts.ts'
import type { Authority } from '../../src/core/limits/authority.ts'
import type { HeldLease } from '../../src/core/limits/lease.ts'
import { type LimiterCall, matchesModel } from '../../src/core/limits/limits.ts'
import { exposures, outOf } from './limiter-receiver.ts'
import { type Truth, checkLease, checkSlots } from './true-spend.ts'
import type { Isolate } from './world-parts.ts'

/** What kind of world it is. */
export interface Rules {
  /** No attempt costs more than it reserved. */
  readonly isBounded: boolean
  /** The limits don't change. */
  readonly isConstant: boolean
}

/** Objects to books that don't add up, to limits that are passed, and to halves of a lease that contradict each other. */
export function checkWorld(
  authority: Authority,
  truth: Truth,
  isolates: readonly Isolate[],
  nowMs: number,
  { isBounded, isConstant }: Rules,
): void {
  const running = runningOf(authority, isolates)
  const out = exposures(authority)
  for (const [id, gauge] of authority.gauges) {
    // A window that has ended is begun anew by whoever looks next.
    if (gauge.kind === 'budget' && nowMs >= gauge.window.endMs) continue
    assert.equal(outOf(gauge), out.get(id) ?? 0, `what is out of ${id} is not what its leases expose`)
    if (gauge.kind === 'budget') truth.check(gauge)
    if (gauge.kind === 'slots' && isConstant) checkSlots(gauge, running.get(id) ?? 0)
    if (gauge.kind === 'rate' && isConstant) {
      const { level, outstanding } = gauge.bucket
      const capacity = (gauge.limit.burst ?? gauge.limit.perMinute) + (gauge.limit.increase?.by ?? 0)
      assert(level + outstanding <= capacity, `${id} has more than it can hold`)
    }
  }
  for (const { lease } of isolates.flatMap((isolate) => isolate.attempts)) {
    const slotsUntilMs = authority.leases.get(lease.id)?.slotsUntilMs ?? 0
    assert(!lease.limited.slots || nowMs < slotsUntilMs, `${lease.id}: runs in a slot that is not kept for it`)
  }
  for (const lease of isolates.flatMap((isolate) => [...isolate.leases.values()])) {
    checkLease(lease, authority.leases.get(lease.id), isBounded)
  }
}

/** Cost belongs to the window of its admission, and rates to the time of theirs: a lease must not be used afterwards. */
export function objectToLateAdmission(authority: Authority, lease: HeldLease, nowMs: number): void {
  const granted = authority.leases.get(lease.id)
  assert(granted === undefined || nowMs < granted.expiresAtMs, `${lease.id} admits after it expired`)
  for (const [id, startMs] of Object.entries(granted?.charged ?? {})) {
    const gauge = authority.gauges.get(id)
    if (gauge?.kind !== 'budget' || gauge.window.startMs !== startMs) continue
    assert(nowMs < gauge.window.endMs, `${lease.id} admits after the window of ${id}`)
  }
}

/** By lease, what is granted whether or not anything is: what was overrun makes a grant as large as what it has to cover. */
export function coveredBefore(authority: Authority, { reports }: LimiterCall): ReadonlyMap<string, Counts> {
  const before = new Map<string, Counts>()
  for (const { leaseId, settled, returned, reserved = NOTHING } of reports) {
    const granted = authority.leases.get(leaseId)?.granted ?? NOTHING
    before.set(leaseId, greatest(granted, plus(settled, plus(returned, reserved))))
  }
  return before
}

export function givenBeyond(before: ReadonlyMap<string, Counts>, leaseId: string, granted: Counts): Counts {
  return minus(granted, before.get(leaseId) ?? NOTHING)
}

/** Attempts that run, by the limit of slots that they count against. */
function runningOf(authority: Authority, isolates: readonly Isolate[]): ReadonlyMap<string, number> {
  const running = new Map<string, number>()
  const limits = [...authority.gauges.values()].filter((gauge) => gauge.kind === 'slots')
  if (limits.length === 0) return running
  for (const { lease } of isolates.flatMap((isolate) => isolate.attempts)) {
    const { keyId, teamId, model } = lease.path
    for (const gauge of limits) {
      const isOwner = gauge.scope === 'tenant' || gauge.ownerId === keyId || gauge.ownerId === teamId
      const isModel = gauge.model === null || matchesModel(gauge.model, model)
      if (isOwner && isModel) running.set(gauge.id, (running.get(gauge.id) ?? 0) + 1)
    }
  }
  return running
}

/** What is out of all limits; of budgets, of those in windows that still run at `nowMs`. */
export function openIn(authority: Authority, nowMs: number): number {
  const gauges = [...authority.gauges.values()]
  const running = gauges.filter((gauge) => gauge.kind !== 'budget' || nowMs < gauge.window.endMs)
  return running.reduce((sum, gauge) => sum + outOf(gauge), 0)
}
