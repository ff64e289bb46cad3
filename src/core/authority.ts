// The authority's half of leasing: one per tenant, in its limiter object. Owns every limit of the tenant's tree and
// decides what each holder may spend on its own. Invariant, per node and budget window: spent + held ≤ limit. Grants come
// only out of what is available; a report moves held to spent or releases it; expiry of a lease releases no money
// (presumed spent) and refunds no tokens. Mutable plain data; the object persists what `dirty` names. Times are epoch ms.
import {
  type Bucket,
  type BucketRule,
  forgotten,
  fullBucket,
  handedBack,
  refilled,
  reruled,
  spent,
} from './token-bucket.ts'
import type { Amounts, LeaseReport, LimiterConfig, LimiterNode } from './limits.ts'
import { type Window, windowAt } from './window.ts'
import { NOTHING, greatest, minus, plus } from './limits.ts'

/** A node and its balances. `id` is `<scope>:<id>`. */
export interface NodeState {
  readonly id: string
  node: LimiterNode
  bucket: Bucket | null
  window: Window | null
  spentNanoUsd: number
  heldNanoUsd: number
}

/** A lease as the authority knows it. An expired lease keeps its money held until its holder reports or its window ends. */
export interface GrantedLease {
  readonly id: string
  readonly holder: string
  readonly keyId: string
  bucketNodes: readonly string[]
  /** Budgeted nodes and the start of the window that this lease is charged to. */
  budgetNodes: Readonly<Record<string, number>>
  granted: Amounts
  settled: Amounts
  returned: Amounts
  state: 'open' | 'expired'
  expiresAtMs: number
  /** The limits changed since it was granted: it gets nothing more. */
  isStale: boolean
}

export interface Authority {
  config: LimiterConfig
  readonly nodes: Map<string, NodeState>
  readonly leases: Map<string, GrantedLease>
  /** When each holder was last heard of. */
  readonly holders: Map<string, number>
  readonly dirty: { readonly nodes: Set<string>; readonly leases: Set<string> }
}

/** An authority over nothing: everything is admitted until it is configured. */
export function newAuthority(config: LimiterConfig): Authority {
  const authority: Authority = {
    config,
    nodes: new Map(),
    leases: new Map(),
    holders: new Map(),
    dirty: { nodes: new Set(), leases: new Set() },
  }
  return authority
}

/** Takes a configuration over. An older revision changes nothing. Open leases go stale where their limits changed. */
export function configure(authority: Authority, config: LimiterConfig, nowMs: number): void {
  if (config.revision < authority.config.revision) return
  const hasZoneChanged = config.timeZone !== authority.config.timeZone
  authority.config = config
  const present = new Set<string>()
  let hasChanged = hasZoneChanged
  for (const node of config.nodes) {
    const id = nodeId(node.scope, node.id)
    present.add(id)
    hasChanged = applyNode(authority, id, node, hasZoneChanged, nowMs) || hasChanged
  }
  for (const id of authority.nodes.keys()) {
    if (present.has(id)) continue
    authority.nodes.delete(id)
    authority.dirty.nodes.add(id)
    detachBucket(authority, id)
    detachBudget(authority, id)
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
  for (const lease of due) expireOne(authority, lease)
  for (const lease of authority.leases.values()) if (hasOutlived(authority, lease, nowMs)) remove(authority, lease)
  return due
}

/** Merges a holder's totals. Lost, repeated and reordered reports are harmless; unknown leases are ignored. */
export function takeReport(authority: Authority, report: LeaseReport, nowMs: number): void {
  const lease = authority.leases.get(report.leaseId)
  if (lease === undefined) return
  const settled = greatest(minus(greatest(report.settled, lease.settled), lease.settled), NOTHING)
  const returned = greatest(minus(greatest(report.returned, lease.returned), lease.returned), NOTHING)
  const exposed = exposure(lease)
  lease.settled = plus(lease.settled, settled)
  lease.returned = plus(lease.returned, returned)
  // An attempt that cost more than it reserved has been paid out of what is free: the grant grows to match.
  lease.granted = greatest(lease.granted, plus(lease.settled, lease.returned))
  const rest = exposure(lease)
  const released = report.isDone ? plus(returned, rest) : returned
  if (lease.state === 'open') moveTokens(authority, lease, settled.tokens, exposed.tokens, released.tokens, nowMs)
  moveMoney(authority, lease, settled.nanoUsd, exposed.nanoUsd, released.nanoUsd)
  authority.dirty.leases.add(lease.id)
  if (report.isDone) remove(authority, lease)
}

/** When something is next due by itself; null for never. */
export function nextExpiryMs(authority: Authority): number | null {
  let next: number | null = null
  for (const lease of authority.leases.values()) {
    if (lease.state === 'open' && (next === null || lease.expiresAtMs < next)) next = lease.expiresAtMs
  }
  return next
}

/** What expired leases hold of this node's budget in its running window: presumed spent, since nobody can say otherwise
 *  any more. Nano-USD. */
export function presumedSpentNanoUsd(authority: Authority, state: NodeState): number {
  let nanoUsd = 0
  for (const lease of authority.leases.values()) {
    const isHeld = lease.state === 'expired' && lease.budgetNodes[state.id] === state.window?.startMs
    if (isHeld) nanoUsd += exposure(lease).nanoUsd
  }
  return nanoUsd
}

/** What was granted and neither settled nor returned. */
export function exposure(lease: GrantedLease): Amounts {
  return greatest(minus(lease.granted, plus(lease.settled, lease.returned)), NOTHING)
}

/** The name of a node within its tenant. */
export function nodeId(scope: string, id: string): string {
  return `${scope}:${id}`
}

/** A node's bucket rule; null for no rate limit. */
export function bucketRule(node: LimiterNode): BucketRule | null {
  if (node.tokensPerMinute === null) return null
  return { capacity: node.burstTokens ?? node.tokensPerMinute, perMinute: node.tokensPerMinute }
}

/** Begins a new window when the old one has ended: what was spent or held in the old one no longer counts. */
export function rollWindow(authority: Authority, state: NodeState, nowMs: number): void {
  const { budget } = state.node
  if (budget === null || (state.window !== null && nowMs < state.window.endMs)) return
  state.window = windowAt(budget.period, authority.config.timeZone, nowMs)
  state.spentNanoUsd = 0
  state.heldNanoUsd = 0
  authority.dirty.nodes.add(state.id)
}

function applyNode(
  authority: Authority,
  id: string,
  node: LimiterNode,
  hasZoneChanged: boolean,
  nowMs: number,
): boolean {
  const before = authority.nodes.get(id)
  const rule = bucketRule(node)
  authority.dirty.nodes.add(id)
  if (before === undefined) {
    const bucket = rule === null ? null : fullBucket(rule, nowMs)
    const state: NodeState = { id, node, bucket, window: null, spentNanoUsd: 0, heldNanoUsd: 0 }
    authority.nodes.set(id, state)
    rollWindow(authority, state, nowMs)
    return true
  }
  const hasChanged = JSON.stringify(before.node) !== JSON.stringify(node)
  const ruleBefore = bucketRule(before.node)
  const hasNewPeriod = before.node.budget?.period !== node.budget?.period || hasZoneChanged
  before.node = node
  if (rule === null || ruleBefore === null || before.bucket === null) {
    before.bucket = rule === null ? null : fullBucket(rule, nowMs)
    detachBucket(authority, id)
  } else before.bucket = reruled(refilled(before.bucket, ruleBefore, nowMs), rule)
  if (node.budget === null || hasNewPeriod) {
    before.window = null
    detachBudget(authority, id)
  }
  rollWindow(authority, before, nowMs)
  return hasChanged
}

/** A bucket that ends or begins anew knows nothing of what an earlier one lent. */
function detachBucket(authority: Authority, id: string): void {
  for (const lease of authority.leases.values()) {
    if (!lease.bucketNodes.includes(id)) continue
    lease.bucketNodes = lease.bucketNodes.filter((other) => other !== id)
    authority.dirty.leases.add(lease.id)
  }
}

/** Nor does a budget, even where its window begins at the same instant. */
function detachBudget(authority: Authority, id: string): void {
  for (const lease of authority.leases.values()) {
    if (lease.budgetNodes[id] === undefined) continue
    const { [id]: _, ...others } = lease.budgetNodes
    lease.budgetNodes = others
    authority.dirty.leases.add(lease.id)
  }
}

function markStale(authority: Authority, lease: GrantedLease): void {
  lease.isStale = true
  authority.dirty.leases.add(lease.id)
}

function expireOne(authority: Authority, lease: GrantedLease): void {
  for (const id of lease.bucketNodes) {
    const state = authority.nodes.get(id)
    const rule = state === undefined ? null : bucketRule(state.node)
    if (state === undefined || state.bucket === null || rule === null) continue
    state.bucket = forgotten(refilled(state.bucket, rule, lease.expiresAtMs), exposure(lease).tokens)
    authority.dirty.nodes.add(id)
  }
  lease.state = 'expired'
  authority.dirty.leases.add(lease.id)
}

/** An expired lease matters only while it holds money in a window that still runs. */
function hasOutlived(authority: Authority, lease: GrantedLease, nowMs: number): boolean {
  if (lease.state !== 'expired') return false
  for (const [id, startMs] of Object.entries(lease.budgetNodes)) {
    const window = authority.nodes.get(id)?.window
    if (window?.startMs === startMs && nowMs < window.endMs && exposure(lease).nanoUsd > 0) return false
  }
  return true
}

function remove(authority: Authority, lease: GrantedLease): void {
  authority.leases.delete(lease.id)
  authority.dirty.leases.add(lease.id)
}

function moveTokens(
  authority: Authority,
  lease: GrantedLease,
  settled: number,
  exposed: number,
  released: number,
  nowMs: number,
): void {
  for (const id of lease.bucketNodes) {
    const state = authority.nodes.get(id)
    const rule = state === undefined ? null : bucketRule(state.node)
    if (state === undefined || state.bucket === null || rule === null) continue
    const covered = Math.min(settled, exposed)
    const after = spent(refilled(state.bucket, rule, nowMs), settled, covered)
    state.bucket = handedBack(after, Math.min(released, exposed - covered))
    authority.dirty.nodes.add(id)
  }
}

function moveMoney(
  authority: Authority,
  lease: GrantedLease,
  settled: number,
  exposed: number,
  released: number,
): void {
  for (const [id, startMs] of Object.entries(lease.budgetNodes)) {
    const state = authority.nodes.get(id)
    if (state === undefined || state.window?.startMs !== startMs) continue
    const covered = Math.min(settled, exposed)
    state.spentNanoUsd += settled
    state.heldNanoUsd -= covered + Math.min(released, exposed - covered)
    authority.dirty.nodes.add(id)
  }
}
