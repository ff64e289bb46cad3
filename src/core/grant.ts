// What an authority grants: as much as the waiting requests need, and ahead of that a fair share of what is available, from
// every node on the path or from none. The balances themselves are kept in authority.ts.
import { type Authority, type GrantedLease, type NodeState, bucketRule, nodeId, rollWindow } from './authority.ts'
import { type Amounts, type Denial, type LeaseGrant, type LeaseWant, NOTHING, greatest, minus, plus } from './limits.ts'
import { lent, refilled, waitMs } from './token-bucket.ts'

/** No holder may take more than this share of what is available, divided among the active holders. */
const SHARE = 0.5
/** Below this share of a limit, holders are told to hold on to nothing. */
const TAIL_BELOW = 0.1

/** Grants what is wanted, or says why not. A denial takes nothing from any node. */
export function grant(
  authority: Authority,
  holder: string,
  want: LeaseWant,
  time: { readonly nowMs: number; readonly ttlMs: number },
): { readonly grant: LeaseGrant } | { readonly denial: Denial } {
  authority.holders.set(holder, time.nowMs)
  if (authority.config.revokedKeyIds.includes(want.path.keyId)) return { denial: { kind: 'revoked' } }
  const known = authority.leases.get(want.leaseId)
  const isGone = known === undefined ? !want.isNew : known.state !== 'open' || known.isStale
  if (isGone) return { denial: { kind: 'stale-lease' } }
  const nodes = pathNodes(authority, want, time.nowMs)
  const have = known?.granted ?? NOTHING
  const room = roomOf(nodes)
  const missing = greatest(minus(want.need, have), NOTHING)
  const refused = refusal(nodes, greatest(minus(want.first, have), NOTHING), room, time.nowMs)
  if (refused !== null) return { denial: refused }
  const holders = activeHolders(authority, time)
  const give: Amounts = {
    tokens: portion(minus(want.target, have).tokens, missing.tokens, room.tokens, room.isTail, holders),
    nanoUsd: portion(minus(want.target, have).nanoUsd, missing.nanoUsd, room.nanoUsd, room.isTail, holders),
  }
  const lease = known ?? openLease(authority, holder, want, nodes)
  take(authority, lease, give, nodes)
  lease.expiresAtMs = Math.min(time.nowMs + time.ttlMs, room.windowEndMs)
  authority.dirty.leases.add(lease.id)
  return {
    grant: {
      leaseId: lease.id,
      granted: lease.granted,
      ttlMs: lease.expiresAtMs - time.nowMs,
      limitsTokens: nodes.some((state) => state.bucket !== null),
      limitsMoney: nodes.some((state) => state.window !== null),
      isTail: room.isTail,
    },
  }
}

interface Room {
  readonly tokens: number
  readonly nanoUsd: number
  readonly isTail: boolean
  readonly windowEndMs: number
}

function roomOf(nodes: readonly NodeState[]): Room {
  let tokens = Number.MAX_SAFE_INTEGER
  let nanoUsd = Number.MAX_SAFE_INTEGER
  let isTail = false
  let windowEndMs = Number.MAX_SAFE_INTEGER
  for (const state of nodes) {
    const rule = bucketRule(state.node)
    if (state.bucket !== null && rule !== null) {
      tokens = Math.min(tokens, state.bucket.level)
      isTail ||= state.bucket.level < rule.capacity * TAIL_BELOW
    }
    if (state.window !== null && state.node.budget !== null) {
      const available = availableNanoUsd(state)
      nanoUsd = Math.min(nanoUsd, available)
      isTail ||= available < state.node.budget.amountNanoUsd * TAIL_BELOW
      windowEndMs = Math.min(windowEndMs, state.window.endMs)
    }
  }
  return { tokens, nanoUsd, isTail, windowEndMs }
}

function availableNanoUsd(state: NodeState): number {
  return (state.node.budget?.amountNanoUsd ?? 0) - state.spentNanoUsd - state.heldNanoUsd
}

/** Refuses only when not even the first waiting request fits: what is there goes to those that fit. */
function refusal(nodes: readonly NodeState[], missing: Amounts, room: Room, nowMs: number): Denial | null {
  if (missing.tokens > room.tokens) return rateDenial(nodes, missing.tokens)
  if (missing.nanoUsd > room.nanoUsd) return budgetDenial(nodes, missing.nanoUsd, nowMs)
  return null
}

function rateDenial(nodes: readonly NodeState[], tokens: number): Denial | null {
  let worst: (Denial & { kind: 'rate' }) | null = null
  for (const state of nodes) {
    const rule = bucketRule(state.node)
    if (state.bucket === null || rule === null || state.bucket.level >= tokens) continue
    const retryAfterMs = waitMs(state.bucket, rule, tokens)
    if (worst !== null && (worst.retryAfterMs === null || (retryAfterMs ?? Infinity) <= worst.retryAfterMs)) continue
    const limitTokensPerMinute = state.node.tokensPerMinute ?? 0
    worst = { kind: 'rate', scope: state.node.scope, limitTokensPerMinute, retryAfterMs }
  }
  return worst
}

function budgetDenial(nodes: readonly NodeState[], nanoUsd: number, nowMs: number): Denial | null {
  let worst: (Denial & { kind: 'budget' }) | null = null
  for (const state of nodes) {
    const { budget } = state.node
    if (budget === null || state.window === null || availableNanoUsd(state) >= nanoUsd) continue
    if (worst !== null && worst.resetsAtMs >= state.window.endMs) continue
    worst = {
      kind: 'budget',
      scope: state.node.scope,
      limitNanoUsd: budget.amountNanoUsd,
      period: budget.period,
      resetsAtMs: state.window.endMs,
      retryAfterMs: state.window.endMs - nowMs,
    }
  }
  return worst
}

function portion(target: number, missing: number, room: number, isTail: boolean, holders: number): number {
  const fair = isTail ? 0 : Math.floor((SHARE * room) / holders)
  return Math.max(0, Math.min(target, Math.max(fair, missing), room))
}

function take(authority: Authority, lease: GrantedLease, give: Amounts, nodes: readonly NodeState[]): void {
  lease.granted = plus(lease.granted, give)
  for (const state of nodes) {
    if (state.bucket !== null) state.bucket = lent(state.bucket, give.tokens)
    if (state.window !== null) state.heldNanoUsd += give.nanoUsd
    authority.dirty.nodes.add(state.id)
  }
}

function openLease(authority: Authority, holder: string, want: LeaseWant, nodes: readonly NodeState[]): GrantedLease {
  const budgetNodes: Record<string, number> = {}
  for (const state of nodes) if (state.window !== null) budgetNodes[state.id] = state.window.startMs
  const lease: GrantedLease = {
    id: want.leaseId,
    holder,
    keyId: want.path.keyId,
    bucketNodes: nodes.filter((state) => state.bucket !== null).map((state) => state.id),
    budgetNodes,
    granted: NOTHING,
    settled: NOTHING,
    returned: NOTHING,
    state: 'open',
    expiresAtMs: 0,
    isStale: false,
  }
  authority.leases.set(lease.id, lease)
  return lease
}

/** The limited nodes of a path, refilled and in their current windows. */
function pathNodes(authority: Authority, want: LeaseWant, nowMs: number): readonly NodeState[] {
  const { tenantId, teamId, keyId } = want.path
  const ids = [nodeId('tenant', tenantId), teamId === null ? null : nodeId('team', teamId), nodeId('key', keyId)]
  const nodes: NodeState[] = []
  for (const id of ids) {
    const state = id === null ? undefined : authority.nodes.get(id)
    if (state === undefined) continue
    const rule = bucketRule(state.node)
    if (state.bucket !== null && rule !== null) state.bucket = refilled(state.bucket, rule, nowMs)
    rollWindow(authority, state, nowMs)
    nodes.push(state)
  }
  return nodes
}

function activeHolders(authority: Authority, time: { readonly nowMs: number; readonly ttlMs: number }): number {
  for (const [holder, seenAtMs] of authority.holders) {
    if (seenAtMs < time.nowMs - 2 * time.ttlMs) authority.holders.delete(holder)
  }
  return Math.max(1, authority.holders.size)
}
