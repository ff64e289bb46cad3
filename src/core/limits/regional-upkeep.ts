// What a region's object does besides lending: keeps its leases as rows, takes them up again when it starts anew, and looks
// after what is due by itself. What one lease lent is not kept but added up from the leases that it lent: so the books agree
// after any restart. Times are epoch ms.
import { NOTHING, plus } from './amounts.ts'
import type { Timing } from './authority.ts'
import type { HeldLease } from './lease.ts'
import {
  type RegionalLimits,
  type SubLease,
  WRITE_OFF_AFTER_MS,
  closeUpper,
  exposureOf,
  nameOf,
  newRegionalLimits,
} from './regional-limits.ts'

/** A region's lease of the tenant's limits, as it is kept. */
export interface UpperRow extends Omit<HeldLease, 'reserved' | 'open'> {
  readonly patterns: readonly string[]
}

/** An isolate's lease of those, as it is kept. */
export interface SubRow extends Omit<SubLease, 'upper'> {
  readonly upperId: string
}

/** A region as it is kept. */
export interface KeptRegion {
  readonly name: string
  readonly leaseCount: number
  readonly uppers: readonly UpperRow[]
  readonly subs: readonly SubRow[]
}

/** A deadline that is later than the kept one by less isn't written for its own sake: until then is a shorter time, on the safe
 *  side. */
const DEADLINE_MS = 10_000

export function upperRow(region: RegionalLimits, held: HeldLease): UpperRow {
  const { reserved: _, open: __, ...lease } = held
  return { ...lease, patterns: region.told.get(lease.id)?.patterns ?? [] }
}

export function subRow({ upper, ...sub }: SubLease): SubRow {
  return { ...sub, upperId: upper.id }
}

/** Whether a lease has to be written before anybody acts on what it says. */
export function hasUpperMoved({ told }: RegionalLimits, lease: HeldLease, kept: UpperRow): boolean {
  return (
    lease.granted !== kept.granted ||
    lease.settled !== kept.settled ||
    lease.returned !== kept.returned ||
    lease.limited !== kept.limited ||
    lease.isClosing !== kept.isClosing ||
    lease.deadlineMs >= kept.deadlineMs + DEADLINE_MS ||
    lease.slotsUntilMs >= kept.slotsUntilMs + DEADLINE_MS ||
    (told.get(lease.id)?.patterns ?? kept.patterns).join('\n') !== kept.patterns.join('\n')
  )
}

/** The same of an isolate's. Until when its slots are kept isn't written: whoever starts anew keeps them for longer. */
export function hasSubMoved(sub: SubLease, kept: SubRow): boolean {
  return (
    sub.granted !== kept.granted ||
    sub.settled !== kept.settled ||
    sub.returned !== kept.returned ||
    sub.state !== kept.state ||
    sub.expiresAtMs !== kept.expiresAtMs ||
    sub.blindNanoUsd !== kept.blindNanoUsd ||
    sub.knownNanoUsd !== kept.knownNanoUsd ||
    sub.reconcileAtMs !== kept.reconcileAtMs ||
    (sub.slotsUntilMs === null) !== (kept.slotsUntilMs === null)
  )
}

/** A region as it was when it was kept, but that slots are kept for as long as an isolate may believe they are. */
export function restoreRegion(kept: KeptRegion, { nowMs, ttlMs }: Timing): RegionalLimits {
  const region = newRegionalLimits(kept.name)
  region.leaseCount = kept.leaseCount
  const uppers = new Map<string, HeldLease>()
  for (const { patterns, ...row } of kept.uppers) {
    const lease: HeldLease = { ...row, reserved: NOTHING, open: 0 }
    uppers.set(lease.id, lease)
    region.told.set(lease.id, { patterns })
    if (lease.isClosing) region.closing.add(lease)
    else region.leases.set(nameOf(lease.path), lease)
  }
  for (const { upperId, ...row } of kept.subs) {
    const upper = uppers.get(upperId)
    if (upper === undefined) continue
    const slotsUntilMs = row.slotsUntilMs === null ? null : Math.max(row.slotsUntilMs, nowMs + ttlMs)
    const sub: SubLease = { ...row, upper, slotsUntilMs }
    region.subs.set(sub.id, sub)
    upper.open += 1
    upper.reserved = plus(upper.reserved, exposureOf(sub))
  }
  return region
}

/** When something of what was lent is next due by itself; null for never. */
export function nextSubDueMs({ subs }: RegionalLimits): number | null {
  let next = Infinity
  for (const { state, expiresAtMs, slotsUntilMs, reconcileAtMs } of subs.values()) {
    if (state === 'open') next = Math.min(next, expiresAtMs)
    else if (reconcileAtMs === null && slotsUntilMs === null) next = Math.min(next, expiresAtMs + WRITE_OFF_AFTER_MS)
    next = Math.min(next, slotsUntilMs ?? Infinity, reconcileAtMs ?? Infinity)
  }
  return next === Infinity ? null : next
}

/** Whether there is a lease that the tenant's limiter has to hear of by and by: to be renewed, kept or given back. */
export function hasToTalk({ leases, closing, subs }: RegionalLimits): boolean {
  if (leases.size > 0) return true
  for (const { open } of closing) if (open === 0) return true
  for (const { state } of subs.values()) if (state === 'open') return true
  return false
}

/** Lends nothing more for a key. */
export function closeKey(region: RegionalLimits, keyId: string): void {
  for (const lease of [...region.leases.values()]) if (lease.path.keyId === keyId) closeUpper(region, lease)
}

/** Forgets isolates that have been silent for two lives of a lease, and what was said of leases that are gone. */
export function forgetPast(region: RegionalLimits, { nowMs, ttlMs }: Timing): void {
  for (const [holder, seenAtMs] of region.holders) {
    if (seenAtMs < nowMs - 2 * ttlMs) region.holders.delete(holder)
  }
  const { leases, closing, told } = region
  if (told.size === leases.size + closing.size) return
  const held = new Set([...leases.values(), ...closing].map(({ id }) => id))
  for (const id of told.keys()) if (!held.has(id)) told.delete(id)
}
