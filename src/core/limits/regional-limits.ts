// A limiter object in between: holds leases of a tenant's limits and lends slices of them to the isolates of its region, by
// the same messages. To the tenant's authority it is a holder, to its isolates an authority: what it lent and hasn't been told
// of is reserved under the lease it lent it from, so that the theorem of leasing holds on both levels. Unlike an isolate
// it is durable: what it holds when it isn't heard of stays held until it is, or the window ends. No lease of an isolate
// outlives the one that it is from. Mutable plain data; times are epoch ms on the region's own clock.
import { type Counts, NOTHING, each, greatest, minus, plus } from './amounts.ts'
import type { Timing } from './authority.ts'
import { type HeldLease, accept, emptyLease, free, giveBack, heard, report, tell, want, wantsRenewal } from './lease.ts'
import type { Denial, LeaseGrant, LeaseReport, LeaseWant, LimiterCall, LimiterPath, LimiterReply } from './limits.ts'

/** What an isolate holds of a region's lease. */
export interface SubLease {
  readonly id: string
  readonly holder: string
  readonly upper: HeldLease
  granted: Counts
  settled: Counts
  returned: Counts
  state: 'open' | 'expired'
  expiresAtMs: number
  /** Until when its slots are kept for it; null once they may be others'. */
  slotsUntilMs: number | null
  /** As in `GrantedLease`. */
  blindNanoUsd: number
  knownNanoUsd: number
  reconcileAtMs: number | null
}

export interface RegionalLimits {
  readonly name: string
  /** One for each key and model. */
  readonly leases: Map<string, HeldLease>
  /** Lend nothing more, but have been lent from. */
  readonly closing: Set<HeldLease>
  readonly subs: Map<string, SubLease>
  /** When each isolate was last heard of. */
  readonly holders: Map<string, number>
  /** Models with limits of their own, and what was last said of them, by lease. */
  readonly told: Map<string, Pick<LeaseGrant, 'patterns'>>
  leaseCount: number
}

/** What became of an isolate's wants. */
export type RegionalAnswer = Pick<LimiterReply, 'grants' | 'denials' | 'slotsLost' | 'closedLeases' | 'ttlMs'>

/** So many requests like the present one are asked for ahead: for all isolates of the region. */
const AHEAD_REQUESTS = 64
/** Of what is free, what an isolate may have ahead at most, divided among the active ones. */
const SHARE = 0.5
/** After an expiry, how long late reports are waited for. */
const RECONCILE_AFTER_MS = 20_000
/** Nobody reports on anything older: it was spent. */
export const WRITE_OFF_AFTER_MS = 86_400_000
/** A region is never taken for dead: nothing that it was granted is released before it says so. */
const BLIND_NANO_USD = Number.MAX_SAFE_INTEGER

export function newRegionalLimits(name: string): RegionalLimits {
  return {
    name,
    leases: new Map(),
    closing: new Set(),
    subs: new Map(),
    holders: new Map(),
    told: new Map(),
    leaseCount: 0,
  }
}

/** Takes in what an isolate tells. Safe to repeat, lose and reorder. Of a straggler, only its totals count. */
export function takeIsolate(region: RegionalLimits, message: LimiterCall, isStraggler: boolean, time: Timing): void {
  for (const told of message.reports) takeSubReport(region, told, isStraggler, time)
  expireSubs(region, time.nowMs)
  if (isStraggler) return
  region.holders.set(message.holder, time.nowMs)
  for (const { leaseId, blindNanoUsd } of message.reports) {
    const sub = region.subs.get(leaseId)
    if (sub !== undefined && blindNanoUsd !== undefined) sub.blindNanoUsd = blindNanoUsd
  }
  for (const { leaseId, reserved } of message.admissions) noteSubInFlight(region, leaseId, reserved.nanoUsd)
}

/** An attempt is in flight under a lease that has expired: what it reserved may be spent. */
export function noteSubInFlight(region: RegionalLimits, leaseId: string, nanoUsd: number): void {
  const sub = region.subs.get(leaseId)
  if (sub?.state === 'expired') sub.knownNanoUsd += nanoUsd
}

/** Those of an isolate's wants for which the region has too little: the tenant's limiter has to be asked. */
export function lackingIn(region: RegionalLimits, wants: readonly LeaseWant[], nowMs: number): readonly LeaseWant[] {
  return wants.filter((wanted) => {
    const lease = region.leases.get(nameOf(wanted.path))
    return lease === undefined || nowMs >= lease.deadlineMs || !covers(lease, missingOf(region, wanted))
  })
}

/** What there is to tell the tenant's limiter, and to ask of it so that `lacking` can be lent. */
export function upperTalk(
  region: RegionalLimits,
  lacking: readonly LeaseWant[],
  nowMs: number,
): { readonly reports: readonly LeaseReport[]; readonly wants: readonly LeaseWant[] } {
  closePast(region, nowMs)
  const asking = new Map<string, { readonly path: LimiterPath; readonly waiting: Counts[] }>()
  for (const wanted of lacking) {
    const name = nameOf(wanted.path)
    const entry = asking.get(name) ?? { path: wanted.path, waiting: [] }
    const first = missingOf(region, wanted, wanted.first)
    entry.waiting.push(first, minus(missingOf(region, wanted), first))
    asking.set(name, entry)
  }
  for (const [name, lease] of region.leases) {
    if (!asking.has(name) && lease.open > 0 && wantsRenewal(lease, nowMs)) {
      asking.set(name, { path: lease.path, waiting: [] })
    }
  }
  const wants = [...asking].map(([name, { path, waiting }]) => {
    const wanted = want(upperOf(region, name, path, nowMs), waiting, nowMs)
    return { ...wanted, unheardNanoUsd: BLIND_NANO_USD }
  })
  const all = [...region.leases.values(), ...region.closing]
  for (const lease of all) tell(lease)
  return { reports: all.map((lease) => ({ ...report(lease), blindNanoUsd: BLIND_NANO_USD })), wants }
}

/** Takes in the answer to the region's latest message; an earlier one's has to be let go of. Returns who was refused. */
export function takeUpper(
  region: RegionalLimits,
  reports: readonly LeaseReport[],
  reply: LimiterReply,
  sentAtMs: number,
): ReadonlyMap<string, Denial> {
  const all = new Map([...region.leases.values(), ...region.closing].map((lease) => [lease.id, lease]))
  for (const { leaseId, isDone } of reports) {
    const lease = all.get(leaseId)
    if (lease === undefined) continue
    if (!reply.slotsLost.includes(leaseId)) heard(lease, sentAtMs, reply.ttlMs)
    if (isDone) region.closing.delete(lease)
  }
  for (const grant of reply.grants) {
    const lease = all.get(grant.leaseId)
    if (lease === undefined) continue
    accept(lease, grant, sentAtMs)
    region.told.set(lease.id, { patterns: grant.patterns })
  }
  for (const leaseId of reply.closedLeases ?? []) closeUpper(region, all.get(leaseId))
  const denied = new Map<string, Denial>()
  for (const { leaseId, patterns, denial } of reply.denials) {
    const lease = all.get(leaseId)
    if (lease === undefined) continue
    region.told.set(leaseId, { patterns })
    if (denial.kind === 'stale-lease') closeUpper(region, lease)
    else denied.set(nameOf(lease.path), denial)
  }
  return denied
}

/** Lends an isolate what it wants, or tells what the tenant's limiter said no with: `denied` by `takeUpper`. Null for a want
 *  that is neither: the limiter has to be asked (again). */
export function lend(
  region: RegionalLimits,
  message: LimiterCall,
  denied: ReadonlyMap<string, Denial>,
  time: Timing,
): RegionalAnswer {
  const grants: LeaseGrant[] = []
  const denials: { leaseId: string; patterns: readonly string[]; denial: Denial }[] = []
  for (const wanted of message.wants) {
    const sub = region.subs.get(wanted.leaseId)
    const lease = region.leases.get(nameOf(wanted.path))
    const patterns = region.told.get(lease?.id ?? '')?.patterns ?? []
    const isGone = sub === undefined ? !wanted.isNew : sub.state !== 'open' || sub.upper !== lease
    const grant = isGone || lease === undefined ? null : lendFrom(region, lease, message.holder, wanted, time)
    const denial: Denial | undefined = isGone ? { kind: 'stale-lease' } : denied.get(nameOf(wanted.path))
    if (grant !== null) grants.push({ ...grant, patterns })
    else if (denial !== undefined) denials.push({ leaseId: wanted.leaseId, patterns, denial })
  }
  const open = message.reports.filter(({ isDone }) => !isDone).map(({ leaseId }) => leaseId)
  return {
    grants,
    denials,
    ttlMs: slotsTtlMs(region, open, time),
    slotsLost: open.filter((id) => (region.subs.get(id)?.slotsUntilMs ?? null) === null),
    closedLeases: open.filter((id) => region.subs.get(id)?.upper.isClosing === true),
  }
}

/** Expires what is due. Returns the leases of isolates that expired now. */
export function expireSubs(region: RegionalLimits, nowMs: number): readonly SubLease[] {
  const due = [...region.subs.values()].filter((sub) => sub.state === 'open' && sub.expiresAtMs <= nowMs)
  for (const sub of due) {
    sub.state = 'expired'
    sub.reconcileAtMs = Math.max(sub.expiresAtMs + RECONCILE_AFTER_MS, nowMs + 1)
    // Rates are lost with it: neither refunded nor lent again.
    const lost = { ...exposureOf(sub), nanoUsd: 0, slots: 0 }
    sub.settled = plus(sub.settled, lost)
    shift(sub.upper, { settled: lost, released: NOTHING })
  }
  for (const sub of region.subs.values()) {
    if (sub.slotsUntilMs !== null && sub.slotsUntilMs <= nowMs) freeSubSlots(sub)
    if (sub.reconcileAtMs !== null && sub.reconcileAtMs <= nowMs) reconcileSub(sub)
    if (sub.state !== 'expired' || sub.slotsUntilMs !== null) continue
    if (nowMs >= sub.expiresAtMs + WRITE_OFF_AFTER_MS) writeOff(sub)
    if (exposureOf(sub).nanoUsd === 0) remove(region, sub)
  }
  return due
}

/** Nobody has asked for long: what nothing is lent from is closed, the rest gives back what is free. */
export function restRegion(region: RegionalLimits): void {
  for (const lease of [...region.leases.values()]) {
    if (lease.open === 0) closeUpper(region, lease)
    else giveBack(lease)
  }
}

/** What was lent and neither settled nor returned. */
export function exposureOf({ granted, settled, returned }: SubLease): Counts {
  return greatest(minus(granted, plus(settled, returned)), NOTHING)
}

function lendFrom(
  region: RegionalLimits,
  lease: HeldLease,
  holder: string,
  wanted: LeaseWant,
  { nowMs, ttlMs }: Timing,
): Omit<LeaseGrant, 'patterns'> | null {
  const lastsMs = Math.min(ttlMs, lease.deadlineMs - nowMs)
  const missing = missingOf(region, wanted)
  if (lastsMs <= 0 || !covers(lease, missingOf(region, wanted, wanted.first))) return null
  const sub = region.subs.get(wanted.leaseId) ?? openSub(region, lease, holder, wanted.leaseId)
  const left = greatest(free(lease), NOTHING)
  const ahead = minus(wanted.target, sub.granted)
  const give = each((resource) => {
    if (!lease.limited[resource]) return Math.max(0, ahead[resource])
    const fair = lease.tail[resource] ? 0 : Math.floor((SHARE * left[resource]) / Math.max(1, region.holders.size))
    return Math.max(0, Math.min(ahead[resource], Math.max(fair, missing[resource]), left[resource]))
  })
  sub.granted = plus(sub.granted, give)
  lease.reserved = plus(lease.reserved, give)
  lease.rateAmounts = plus(lease.rateAmounts, give)
  sub.expiresAtMs = nowMs + lastsMs
  sub.slotsUntilMs = nowMs + slotsTtlMs(region, [sub.id], { nowMs, ttlMs })
  const spare = Math.max(0, sub.granted.nanoUsd - wanted.need.nanoUsd)
  const blindAheadNanoUsd = Math.min(spare, wanted.blindNanoUsd ?? spare)
  const blindNanoUsd = wanted.unheardNanoUsd + blindAheadNanoUsd
  sub.blindNanoUsd = Math.max(sub.blindNanoUsd, blindNanoUsd)
  return {
    leaseId: sub.id,
    granted: sub.granted,
    ttlMs: lastsMs,
    limited: lease.limited,
    tail: lease.tail,
    blindNanoUsd,
    blindAheadNanoUsd,
    ...(lease.standings === null ? {} : { standings: lease.standings.of }),
  }
}

function openSub(region: RegionalLimits, upper: HeldLease, holder: string, id: string): SubLease {
  const sub: SubLease = {
    id,
    holder,
    upper,
    granted: NOTHING,
    settled: NOTHING,
    returned: NOTHING,
    state: 'open',
    expiresAtMs: 0,
    slotsUntilMs: null,
    blindNanoUsd: 0,
    knownNanoUsd: 0,
    reconcileAtMs: null,
  }
  region.subs.set(id, sub)
  upper.open += 1
  return sub
}

function takeSubReport(region: RegionalLimits, told: LeaseReport, isStraggler: boolean, time: Timing): void {
  const sub = region.subs.get(told.leaseId)
  if (sub === undefined) return
  const isOpen = sub.state === 'open'
  const taken = each((resource) => (isOpen || resource === 'nanoUsd' ? 1 : 0))
  const settled = scaled(greatest(minus(told.settled, sub.settled), NOTHING), taken)
  const returned = scaled(greatest(minus(told.returned, sub.returned), NOTHING), {
    ...taken,
    slots: sub.slotsUntilMs === null ? 0 : 1,
  })
  const exposed = exposureOf(sub)
  sub.settled = plus(sub.settled, settled)
  sub.returned = plus(sub.returned, returned)
  sub.granted = greatest(sub.granted, plus(sub.settled, sub.returned))
  const covered = each((resource) => Math.min(settled[resource], exposed[resource]))
  const rest = minus(exposed, covered)
  const released = told.isDone ? rest : each((resource) => Math.min(returned[resource], rest[resource]))
  shift(sub.upper, { settled, released })
  const over = minus(settled, covered)
  sub.upper.reserved = plus(sub.upper.reserved, over)
  if (!isStraggler) {
    // What runs stays reserved, though others cost more than they had reserved: this lease may be overdrawn by that itself.
    const open = greatest(minus(told.reserved ?? NOTHING, exposureOf(sub)), NOTHING)
    const missing = scaled(open, { ...taken, slots: 0 })
    sub.granted = plus(sub.granted, missing)
    sub.upper.reserved = plus(sub.upper.reserved, missing)
  }
  if (sub.slotsUntilMs !== null) {
    sub.slotsUntilMs = Math.max(sub.slotsUntilMs, time.nowMs + slotsTtlMs(region, [sub.id], time))
  }
  if (told.isDone) remove(region, sub)
}

/** What is settled, or comes back, is no longer reserved under the lease that it is from. */
function shift(upper: HeldLease, change: { readonly settled: Counts; readonly released: Counts }): void {
  const settled = { ...change.settled, slots: 0 }
  upper.reserved = minus(upper.reserved, plus(settled, change.released))
  upper.settled = plus(upper.settled, settled)
  if (upper.isClosing) giveBack(upper)
}

function freeSubSlots(sub: SubLease): void {
  const { slots } = exposureOf(sub)
  sub.returned = { ...sub.returned, slots: sub.returned.slots + slots }
  sub.slotsUntilMs = null
  shift(sub.upper, { settled: NOTHING, released: { ...NOTHING, slots } })
}

/** As a tenant's limiter does: all but what may have been spent is free again. */
function reconcileSub(sub: SubLease): void {
  const nanoUsd = Math.max(0, exposureOf(sub).nanoUsd - sub.knownNanoUsd - sub.blindNanoUsd)
  sub.returned = { ...sub.returned, nanoUsd: sub.returned.nanoUsd + nanoUsd }
  sub.reconcileAtMs = null
  shift(sub.upper, { settled: NOTHING, released: { ...NOTHING, nanoUsd } })
}

function writeOff(sub: SubLease): void {
  const settled = exposureOf(sub)
  sub.settled = plus(sub.settled, settled)
  shift(sub.upper, { settled, released: NOTHING })
}

function remove(region: RegionalLimits, sub: SubLease): void {
  region.subs.delete(sub.id)
  sub.upper.open -= 1
}

function closePast(region: RegionalLimits, nowMs: number): void {
  for (const lease of region.leases.values()) {
    if (lease.deadlineMs > 0 && nowMs >= lease.deadlineMs) closeUpper(region, lease)
  }
}

/** Lends nothing more from it. */
export function closeUpper(region: RegionalLimits, lease: HeldLease | undefined): void {
  if (lease === undefined || lease.isClosing) return
  giveBack(lease)
  lease.isClosing = true
  region.leases.delete(nameOf(lease.path))
  region.closing.add(lease)
}

function upperOf(region: RegionalLimits, name: string, path: LimiterPath, nowMs: number): HeldLease {
  const known = region.leases.get(name)
  if (known !== undefined) return known
  region.leaseCount += 1
  const lease = emptyLease(`${region.name}:${region.leaseCount}`, path, nowMs, AHEAD_REQUESTS)
  region.leases.set(name, lease)
  return lease
}

/** What an isolate lacks of a cumulative grant: of all that it needs unless told otherwise. */
export function missingOf({ subs }: RegionalLimits, { leaseId, need }: LeaseWant, of: Counts = need): Counts {
  return greatest(minus(of, subs.get(leaseId)?.granted ?? NOTHING), NOTHING)
}

/** Who needs nothing of a resource doesn't lack it, also where more of it was used than there was. */
function covers(lease: HeldLease, missing: Counts): boolean {
  const left = greatest(free(lease), NOTHING)
  const lacks = each((resource) => (lease.limited[resource] && missing[resource] > left[resource] ? 1 : 0))
  return Object.values(lacks).every((lack) => lack === 0)
}

/** No isolate may count on a slot for longer than the region can. */
function slotsTtlMs({ subs }: RegionalLimits, ids: readonly string[], { nowMs, ttlMs }: Timing): number {
  const uppers = ids.flatMap((id) => subs.get(id)?.upper ?? []).filter(({ limited }) => limited.slots)
  return Math.max(
    0,
    uppers.reduce((least, { slotsUntilMs }) => Math.min(least, slotsUntilMs - nowMs), ttlMs),
  )
}

function scaled(amounts: Counts, factor: Counts): Counts {
  return each((resource) => amounts[resource] * factor[resource])
}

/** Names the region's lease for a path. */
export function nameOf({ keyId, model }: LimiterPath): string {
  return `${keyId}\n${model ?? ''}`
}
