// The authority's half of leasing: one per tenant, in its limiter object. Owns every limit of the tenant's tree and
// decides what each holder may spend on its own. Invariant, per budget and window: nothing is granted that would make
// spent + held pass the limit. A report moves held to spent or releases it, and what attempts cost beyond their
// reservations is held on top, whether or not the limit has it (decision 0053); expiry of a lease releases no money
// (presumed spent), refunds no rate, and frees slots. Mutable plain data; the object persists what `dirty` names. Times
// are epoch ms.
import { type Counts, NOTHING, greatest, minus, plus } from './amounts.ts'
import type { ThresholdCrossing } from '../money/alert.ts'
import {
  type BudgetGauge,
  type Gauge,
  advance,
  beginAnew,
  forget,
  gaugeId,
  lend,
  move,
  newGauge,
  relimit,
  resourceOf,
} from './gauge.ts'
import type { RunawayRule } from './limit-policy.ts'
import type { LeaseReport, LimiterConfig, LimiterNode } from './limits.ts'
import { type RunawayAlert, type Watch, newWatch, rerule, spend } from './runaway.ts'

/** A lease as the authority knows it. An expired lease keeps its money held until its holder reports or its window ends. */
export interface GrantedLease {
  readonly id: string
  readonly holder: string
  readonly keyId: string
  /** The limits that it is charged to; of a budget, the start of its window, else 0. */
  charged: Readonly<Record<string, number>>
  /** The watches that are told what is spent under it; missing for none. */
  readonly watched?: readonly string[]
  granted: Counts
  settled: Counts
  returned: Counts
  state: 'open' | 'expired'
  expiresAtMs: number
  /** Until when its slots are kept for it unless it is heard of again; null once they were given to others. */
  slotsUntilMs: number | null
  /** The limits changed since it was granted: it gets nothing more. */
  isStale: boolean
  /** The most that its holder may have reserved without our hearing of it. */
  blindNanoUsd: number
  /** Reserved by attempts that were in flight under it when it expired, or were heard of since. */
  knownNanoUsd: number
  /** When what nobody can have spent is released; null before expiry and once it was. */
  reconcileAtMs: number | null
}

export interface Authority {
  config: LimiterConfig
  /** Nodes of the configuration by `<scope>:<id>`, those for some models included. */
  tree: ReadonlyMap<string, readonly LimiterNode[]>
  readonly gauges: Map<string, Gauge>
  readonly leases: Map<string, GrantedLease>
  /** Spenders that are watched, by `<scope>:<id>`. */
  readonly watches: Map<string, Watch>
  /** When each holder was last heard of. */
  readonly holders: Map<string, number>
  /** Alerts that have yet to be sent. */
  crossings: ThresholdCrossing[]
  runaways: RunawayAlert[]
  readonly dirty: { readonly gauges: Set<string>; readonly leases: Set<string>; readonly watches: Set<string> }
}

/** When a message is taken in, and how long a lease is good for. */
export interface Timing {
  readonly nowMs: number
  readonly ttlMs: number
}

/** After an expiry, how long late reports are waited for. Also what a holder's clock may lose while a lease lasts. */
const RECONCILE_AFTER_MS = 20_000

/** An authority over nothing: everything is admitted until it is configured. */
export function newAuthority(config: LimiterConfig): Authority {
  return {
    config,
    tree: treeOf(config.nodes),
    gauges: new Map(),
    leases: new Map(),
    watches: new Map(),
    holders: new Map(),
    crossings: [],
    runaways: [],
    dirty: { gauges: new Set(), leases: new Set(), watches: new Set() },
  }
}

/** Takes a configuration over. An older revision changes nothing. Open leases go stale where their limits changed. */
export function configure(authority: Authority, config: LimiterConfig, nowMs: number): void {
  if (config.revision < authority.config.revision) return
  const hasZoneChanged = config.timeZone !== authority.config.timeZone
  authority.config = config
  authority.tree = treeOf(config.nodes)
  const present = new Set<string>()
  let hasChanged = configureWatches(authority) || hasZoneChanged
  for (const node of config.nodes) {
    for (const limit of node.limits) {
      const id = gaugeId(node, limit)
      present.add(id)
      const before = authority.gauges.get(id)
      if (before !== undefined && !hasZoneChanged && JSON.stringify(before.limit) === JSON.stringify(limit)) continue
      hasChanged = true
      authority.dirty.gauges.add(id)
      if (before === undefined) authority.gauges.set(id, newGauge(node, limit, config.timeZone, nowMs))
      else relimit(before, limit, nowMs)
      if (before?.kind === 'budget' && hasZoneChanged) {
        beginAnew(before, config.timeZone, nowMs)
        detach(authority, id)
      }
    }
  }
  for (const id of authority.gauges.keys()) {
    if (present.has(id)) continue
    authority.gauges.delete(id)
    authority.dirty.gauges.add(id)
    detach(authority, id)
    hasChanged = true
  }
  if (hasChanged) for (const lease of authority.leases.values()) markStale(authority, lease)
}

/** Expires what is due, each lease at its own time and in order, so that no bucket refills across an expiry. Returns
 *  the leases that expired now. */
export function expireDue(authority: Authority, nowMs: number): readonly GrantedLease[] {
  const due = [...authority.leases.values()]
    .filter((lease) => lease.state === 'open' && lease.expiresAtMs <= nowMs)
    .sort((a, b) => a.expiresAtMs - b.expiresAtMs)
  for (const lease of due) expireOne(authority, lease, nowMs)
  for (const lease of authority.leases.values()) {
    if (lease.slotsUntilMs !== null && lease.slotsUntilMs <= nowMs) freeSlots(authority, lease)
    if (lease.reconcileAtMs !== null && lease.reconcileAtMs <= nowMs) reconcile(authority, lease)
    if (hasOutlived(authority, lease, nowMs)) remove(authority, lease)
  }
  return due
}

/** Merges a holder's totals. Lost, repeated and reordered reports are harmless; unknown leases are ignored. A lease that
 *  is heard of keeps its slots. */
export function takeReport(authority: Authority, report: LeaseReport, { nowMs, ttlMs }: Timing): void {
  const lease = authority.leases.get(report.leaseId)
  if (lease === undefined) return
  const settled = greatest(minus(greatest(report.settled, lease.settled), lease.settled), NOTHING)
  const returned = greatest(minus(greatest(report.returned, lease.returned), lease.returned), NOTHING)
  const exposed = exposure(lease)
  lease.settled = plus(lease.settled, settled)
  lease.returned = plus(lease.returned, returned)
  // An attempt that cost more than it reserved has been paid out of what is free: the grant grows to match.
  lease.granted = greatest(lease.granted, plus(lease.settled, lease.returned))
  const released = report.isDone ? plus(returned, exposure(lease)) : returned
  moveAll(authority, lease, { settled, exposed, released }, nowMs)
  oweLate(authority, lease, greatest(minus(settled, exposed), NOTHING), nowMs)
  if (settled.nanoUsd > 0) for (const id of lease.watched ?? []) watchSpending(authority, id, settled.nanoUsd, nowMs)
  if (lease.slotsUntilMs !== null) lease.slotsUntilMs = Math.max(lease.slotsUntilMs, nowMs + ttlMs)
  authority.dirty.leases.add(lease.id)
  if (report.isDone) remove(authority, lease)
}

/** An attempt is in flight under a lease that may have expired already: what it reserved may be spent. */
export function noteInFlight(authority: Authority, leaseId: string, nanoUsd: number): void {
  const lease = authority.leases.get(leaseId)
  if (lease === undefined || lease.state === 'open') return
  lease.knownNanoUsd += nanoUsd
  authority.dirty.leases.add(leaseId)
}

/** An attempt that was in flight under a lease that has expired is over: what it had reserved is in doubt no more. What it came to
 *  is in the report that arrives with it. */
export function noteSettled(authority: Authority, leaseId: string, nanoUsd: number, nowMs: number): void {
  const lease = authority.leases.get(leaseId)
  if (lease === undefined || lease.state === 'open') return
  lease.knownNanoUsd = Math.max(0, lease.knownNanoUsd - nanoUsd)
  // What was kept for it when the lease was reconciled is released after the report.
  lease.reconcileAtMs ??= nowMs
  authority.dirty.leases.add(leaseId)
}

/** The holder has more in flight than is held for it, since attempts cost more than they had reserved: as much is held from
 *  this, its latest message, on, whether or not the limits have it. What others are granted is less by that. */
export function noteOverdrawn(authority: Authority, { leaseId, reserved }: LeaseReport, nowMs: number): void {
  const lease = authority.leases.get(leaseId)
  if (lease === undefined || reserved === undefined) return
  const missing = greatest(minus(reserved, exposure(lease)), NOTHING)
  lease.granted = plus(lease.granted, missing)
  for (const gauge of chargedGauges(authority, lease, nowMs)) lend(gauge, missing[resourceOf(gauge)])
  oweLate(authority, lease, missing, nowMs)
  authority.dirty.leases.add(leaseId)
}

/** A bucket has forgotten what an expired lease held: what is used under it beyond that is owed all the same. */
function oweLate({ gauges, dirty }: Authority, lease: GrantedLease, units: Counts, nowMs: number): void {
  if (lease.state === 'open') return
  for (const id of Object.keys(lease.charged)) {
    const gauge = gauges.get(id)
    if (gauge?.kind !== 'rate' || units[resourceOf(gauge)] === 0) continue
    advance(gauge, '', nowMs)
    move(gauge, { settled: units[resourceOf(gauge)], covered: 0, released: 0 })
    dirty.gauges.add(id)
  }
}

/** The holder says how much it reserves without telling, in its latest message: what it was told before is past. */
export function noteBlind(authority: Authority, { leaseId, blindNanoUsd }: LeaseReport): void {
  const lease = authority.leases.get(leaseId)
  if (lease === undefined || blindNanoUsd === undefined || lease.blindNanoUsd === blindNanoUsd) return
  lease.blindNanoUsd = blindNanoUsd
  authority.dirty.leases.add(leaseId)
}

/** When something is next due by itself; null for never. */
export function nextExpiryMs(authority: Authority): number | null {
  let next = Infinity
  for (const lease of authority.leases.values()) {
    if (lease.state === 'open') next = Math.min(next, lease.expiresAtMs)
    next = Math.min(next, lease.slotsUntilMs ?? Infinity, lease.reconcileAtMs ?? Infinity)
  }
  return next === Infinity ? null : next
}

/** What expired leases hold of this budget in its running window: presumed spent, since nobody can say otherwise any
 *  more. Nano-USD. */
export function presumedSpentNanoUsd(authority: Authority, gauge: BudgetGauge): number {
  let nanoUsd = 0
  for (const lease of authority.leases.values()) {
    if (lease.state === 'expired' && lease.charged[gauge.id] === gauge.window.startMs) {
      nanoUsd += exposure(lease).nanoUsd
    }
  }
  return nanoUsd
}

/** What was granted and neither settled nor returned. */
export function exposure(lease: GrantedLease): Counts {
  return greatest(minus(lease.granted, plus(lease.settled, lease.returned)), NOTHING)
}

/** Nodes by whose they are. */
export function treeOf(nodes: readonly LimiterNode[]): ReadonlyMap<string, readonly LimiterNode[]> {
  const tree = new Map<string, LimiterNode[]>()
  for (const node of nodes) {
    const name = `${node.scope}:${node.id}`
    const known = tree.get(name)
    if (known === undefined) tree.set(name, [node])
    else known.push(node)
  }
  return tree
}

/** A limit that ends or begins anew knows nothing of what an earlier one lent, even where its window begins at the same
 *  instant. */
function detach(authority: Authority, id: string): void {
  for (const lease of authority.leases.values()) {
    if (lease.charged[id] === undefined) continue
    const { [id]: _, ...others } = lease.charged
    lease.charged = others
    authority.dirty.leases.add(lease.id)
  }
}

/** Watches those whom the configuration has a rule for. Returns whether there are others than before. */
function configureWatches({ config, watches, dirty }: Authority): boolean {
  const rules = new Map<string, { readonly node: LimiterNode; readonly rule: RunawayRule }>(
    config.nodes.flatMap((node) =>
      node.runaway === undefined || node.model !== null
        ? []
        : [[`${node.scope}:${node.id}`, { node, rule: node.runaway }] as const],
    ),
  )
  let hasChanged = false
  for (const id of watches.keys()) {
    if (rules.has(id)) continue
    hasChanged = true
    watches.delete(id)
    dirty.watches.add(id)
  }
  for (const [id, { node, rule }] of rules) {
    const watch = watches.get(id)
    if (watch !== undefined && JSON.stringify(watch.rule) === JSON.stringify(rule)) continue
    hasChanged = true
    if (watch === undefined) watches.set(id, newWatch(node.scope, node.id, rule))
    else rerule(watch, rule)
    dirty.watches.add(id)
  }
  return hasChanged
}

/** What is lent to somebody whose spending runs away is asked for anew. A running minute is kept in memory only. */
function watchSpending(authority: Authority, id: string, nanoUsd: number, nowMs: number): void {
  const watch = authority.watches.get(id)
  if (watch === undefined) return
  const minute = watch.minute
  const alert = spend(watch, nanoUsd, nowMs)
  if (watch.minute !== minute || alert !== null) authority.dirty.watches.add(id)
  if (alert === null) return
  authority.runaways.push(alert)
  if (alert.action === 'alert') return
  for (const lease of authority.leases.values()) if (lease.watched?.includes(id) === true) markStale(authority, lease)
}

function markStale(authority: Authority, lease: GrantedLease): void {
  lease.isStale = true
  authority.dirty.leases.add(lease.id)
}

function expireOne(authority: Authority, lease: GrantedLease, nowMs: number): void {
  const left = exposure(lease)
  for (const id of Object.keys(lease.charged)) {
    const gauge = authority.gauges.get(id)
    if (gauge?.kind !== 'rate') continue
    forget(gauge, left[resourceOf(gauge)], lease.expiresAtMs)
    authority.dirty.gauges.add(id)
  }
  lease.state = 'expired'
  // Never at once, however late we are: what was in flight is noted only when the expired leases are known.
  lease.reconcileAtMs = Math.max(lease.expiresAtMs + RECONCILE_AFTER_MS, nowMs + 1)
  authority.dirty.leases.add(lease.id)
}

function freeSlots(authority: Authority, lease: GrantedLease): void {
  const { slots } = exposure(lease)
  for (const id of Object.keys(lease.charged)) {
    const gauge = authority.gauges.get(id)
    if (gauge?.kind !== 'slots') continue
    move(gauge, { settled: 0, covered: 0, released: slots })
    authority.dirty.gauges.add(id)
  }
  lease.slotsUntilMs = null
  authority.dirty.leases.add(lease.id)
}

/** Releases the money of a dead lease that nobody can have spent: all but what attempts in flight had reserved, and what
 *  its holder may have reserved without telling. */
function reconcile(authority: Authority, lease: GrantedLease): void {
  const exposed = exposure(lease)
  const released = Math.max(0, exposed.nanoUsd - lease.knownNanoUsd - lease.blindNanoUsd)
  lease.returned = { ...lease.returned, nanoUsd: lease.returned.nanoUsd + released }
  lease.reconcileAtMs = null
  authority.dirty.leases.add(lease.id)
  moveAll(authority, lease, { settled: NOTHING, exposed, released: { ...NOTHING, nanoUsd: released } }, 0)
}

/** An expired lease matters only while it holds money in a window that still runs, or slots. */
function hasOutlived(authority: Authority, lease: GrantedLease, nowMs: number): boolean {
  if (lease.state !== 'expired' || lease.slotsUntilMs !== null) return false
  if (exposure(lease).nanoUsd === 0) return true
  for (const [id, startMs] of Object.entries(lease.charged)) {
    const gauge = authority.gauges.get(id)
    if (gauge?.kind === 'budget' && gauge.window.startMs === startMs && nowMs < gauge.window.endMs) return false
  }
  return true
}

function remove(authority: Authority, lease: GrantedLease): void {
  authority.leases.delete(lease.id)
  authority.dirty.leases.add(lease.id)
}

/** Takes a change of a lease's totals to every limit that it is charged to and that still counts it. */
function moveAll(
  authority: Authority,
  lease: GrantedLease,
  change: { readonly settled: Counts; readonly exposed: Counts; readonly released: Counts },
  nowMs: number,
): void {
  for (const gauge of chargedGauges(authority, lease, nowMs)) {
    const resource = resourceOf(gauge)
    const covered = Math.min(change.settled[resource], change.exposed[resource])
    const released = Math.min(change.released[resource], change.exposed[resource] - covered)
    move(gauge, { settled: change.settled[resource], covered, released })
  }
}

/** The limits that a lease is charged to and that still count it, refilled, about to be changed. */
function chargedGauges(authority: Authority, lease: GrantedLease, nowMs: number): readonly Gauge[] {
  const gauges: Gauge[] = []
  for (const [id, startMs] of Object.entries(lease.charged)) {
    const gauge = authority.gauges.get(id)
    if (gauge === undefined || !counts(gauge, lease, startMs)) continue
    if (gauge.kind === 'rate') advance(gauge, '', nowMs)
    authority.dirty.gauges.add(id)
    gauges.push(gauge)
  }
  return gauges
}

/** Whether a lease's totals are still part of a limit's books. */
function counts(gauge: Gauge, lease: GrantedLease, startMs: number): boolean {
  if (gauge.kind === 'rate') return lease.state === 'open'
  return gauge.kind === 'slots' ? lease.slotsUntilMs !== null : gauge.window.startMs === startMs
}
