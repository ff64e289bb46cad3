// What an authority grants: as much as the waiting requests need, and ahead of that a fair share of what is available, from
// every limit on the path or from none. The balances themselves are kept in authority.ts.
import { noteRefusal } from '../money/alert.ts'
import { type Counts, NOTHING, type Resource, each, flags, greatest, minus, plus } from './amounts.ts'
import { type Authority, type GrantedLease, type Timing, exposure, presumedSpentNanoUsd } from './authority.ts'
import { type Gauge, advance, denialOf, gaugeId, isTail, lend, nodeId, resourceOf, roomOf } from './gauge.ts'
import { type LimitPolicy, strictest } from './limit-policy.ts'
import {
  type Denial,
  type LeaseGrant,
  type LeaseWant,
  type LimiterNode,
  type LimiterPath,
  matchesModel,
} from './limits.ts'
import { type Watch, gate } from './runaway.ts'
import { type LimitState, limitState, standingsOf } from './standing.ts'

/** No holder may take more than this share of what is available, divided among the active holders. */
const SHARE = 0.5

/** Of what is available, what a holder may reserve without telling, beyond what its waiting requests need: it is lost with
 *  the holder. */
const BLIND_SHARE = 0.001

/** Grants what is wanted, or says why not. A denial takes nothing from any limit. */
export function grant(
  authority: Authority,
  holder: string,
  want: LeaseWant,
  time: Timing,
): { readonly grant: LeaseGrant } | { readonly denial: Denial } {
  authority.holders.set(holder, time.nowMs)
  if (authority.config.revokedKeyIds.includes(want.path.keyId)) return { denial: { kind: 'revoked' } }
  const known = authority.leases.get(want.leaseId)
  const isGone = known === undefined ? !want.isNew : known.state !== 'open' || known.isStale
  if (isGone) return { denial: { kind: 'stale-lease' } }
  const gauges = pathGauges(authority, want.path, time.nowMs)
  const have = known?.granted ?? NOTHING
  const first = greatest(minus(want.first, have), NOTHING)
  const watched = watchedOn(authority, want.path)
  const slowed = slowdown(authority, watched, time.nowMs)
  const refused = refusal(authority, gauges, first, time.nowMs) ?? refusedBy(slowed, first)
  if (refused !== null) return { denial: refused }
  const room = roomsOf(gauges, slowed, time)
  const missing = greatest(minus(want.need, have), NOTHING)
  const ahead = minus(want.target, have)
  const holders = activeHolders(authority, time)
  const give = each((resource) => portion(ahead[resource], missing[resource], room[resource], holders))
  const lease = known ?? openLease(authority, holder, want, { gauges, watched })
  lease.granted = plus(lease.granted, give)
  for (const gauge of gauges) {
    lend(gauge, give[resourceOf(gauge)])
    authority.dirty.gauges.add(gauge.id)
  }
  const blindAheadNanoUsd = blindAhead(lease, want, room.nanoUsd)
  const blindNanoUsd = want.unheardNanoUsd + blindAheadNanoUsd
  // Whether the holder will ever hear of this grant is not known until it says so.
  lease.blindNanoUsd = Math.max(lease.blindNanoUsd, blindNanoUsd)
  lease.expiresAtMs = Math.min(time.nowMs + time.ttlMs, firstWindowEndMs(gauges))
  lease.slotsUntilMs = time.nowMs + time.ttlMs
  authority.dirty.leases.add(lease.id)
  const isTailOf = (resource: Resource): boolean =>
    (slowed !== null && resource === 'nanoUsd') ||
    gauges.some((gauge) => resourceOf(gauge) === resource && isTail(gauge, time.nowMs))
  const standings = standingsOf(gauges, time.nowMs)
  return {
    grant: {
      leaseId: lease.id,
      granted: lease.granted,
      ttlMs: lease.expiresAtMs - time.nowMs,
      limited: flags((resource) => room[resource].isLimited),
      tail: flags(isTailOf),
      blindNanoUsd,
      blindAheadNanoUsd,
      patterns: patternsOf(authority, want.path),
      ...(standings === undefined ? {} : { standings }),
    },
  }
}

/** Every limit on a path as it stands, outermost first, whatever models they are about. Changes nothing that is kept. */
export function limitsOn(authority: Authority, path: LimiterPath, nowMs: number): readonly LimitState[] {
  const states: LimitState[] = []
  for (const node of ownersOf(authority, path)) {
    for (const limit of node.limits) {
      const gauge = authority.gauges.get(gaugeId(node, limit))
      if (gauge === undefined) continue
      if (advance(gauge, authority.config.timeZone, nowMs)) authority.dirty.gauges.add(gauge.id)
      const presumed = gauge.kind === 'budget' ? presumedSpentNanoUsd(authority, gauge) : 0
      states.push(limitState(gauge, node.policy ?? { kind: 'refuse' }, presumed, nowMs))
    }
  }
  return states
}

/** The models with limits of their own on a path, in no particular order but always the same. */
export function patternsOf(authority: Authority, path: LimiterPath): readonly string[] {
  const patterns = new Set<string>()
  for (const node of ownersOf(authority, path)) if (node.model !== null) patterns.add(node.model)
  return [...patterns].sort()
}

interface Room {
  readonly units: number
  readonly isLimited: boolean
  readonly isTail: boolean
}

/** How much money may still be lent where spending is slowed down or stopped. */
interface Slowdown {
  readonly roomNanoUsd: number
  readonly denial: Denial & { readonly kind: 'runaway' }
}

/** The tightest slowdown among the watched; null where nothing is the matter. */
function slowdown(authority: Authority, watched: readonly Watch[], nowMs: number): Slowdown | null {
  let tightest: Slowdown | null = null
  for (const watch of watched) {
    if (watch.episode === null || watch.rule.action === 'alert') continue
    const gated = gate(watch, heldUnder(authority, watch), nowMs)
    authority.dirty.watches.add(watch.id)
    if (gated === null || (tightest !== null && tightest.roomNanoUsd <= gated.roomNanoUsd)) continue
    const { action, roomNanoUsd, perMinuteNanoUsd, waitMs: retryAfterMs } = gated
    tightest = { roomNanoUsd, denial: { kind: 'runaway', scope: watch.scope, action, perMinuteNanoUsd, retryAfterMs } }
  }
  return tightest
}

function heldUnder(authority: Authority, { id }: Watch): number {
  let nanoUsd = 0
  for (const lease of authority.leases.values()) {
    if (lease.watched?.includes(id) === true) nanoUsd += exposure(lease).nanoUsd
  }
  return nanoUsd
}

function refusedBy(slowed: Slowdown | null, first: Counts): Denial | null {
  return slowed !== null && first.nanoUsd > slowed.roomNanoUsd ? slowed.denial : null
}

function roomsOf(
  gauges: readonly Gauge[],
  slowed: Slowdown | null,
  { nowMs }: Timing,
): Readonly<Record<Resource, Room>> {
  const unlimited: Room = { units: Number.MAX_SAFE_INTEGER, isLimited: false, isTail: false }
  const rooms: Record<Resource, Room> = {
    requests: unlimited,
    inputTokens: unlimited,
    outputTokens: unlimited,
    tokens: unlimited,
    slots: unlimited,
    nanoUsd: unlimited,
  }
  for (const gauge of gauges) {
    const resource = resourceOf(gauge)
    const before = rooms[resource]
    rooms[resource] = {
      units: Math.max(0, Math.min(before.units, roomOf(gauge, nowMs))),
      isLimited: true,
      isTail: before.isTail || isTail(gauge, nowMs),
    }
  }
  if (slowed !== null) {
    rooms.nanoUsd = { units: Math.min(rooms.nanoUsd.units, slowed.roomNanoUsd), isLimited: true, isTail: true }
  }
  return rooms
}

/** Refuses only when not even the first waiting request fits: what is there goes to those that fit. Of several limits
 *  that refuse, the one that will go on refusing for longest is named, with the strictest of their policies. */
function refusal(authority: Authority, gauges: readonly Gauge[], first: Counts, nowMs: number): Denial | null {
  const refusing = gauges.filter((gauge) => lacks(gauge, first[resourceOf(gauge)], nowMs))
  for (const gauge of refusing) if (gauge.kind === 'budget') noteRefusal(authority, gauge, nowMs)
  const denials = refusing.map((gauge) => denialOf(gauge, first[resourceOf(gauge)], nowMs))
  const [longest] = denials.sort((a, b) => waitOf(b) - waitOf(a))
  if (longest === undefined || !('left' in longest)) return longest ?? null
  return { ...longest, policy: policyOf(authority, refusing) }
}

function policyOf(authority: Authority, refusing: readonly Gauge[]): LimitPolicy {
  return strictest(
    refusing.map(({ kind, scope, ownerId, model }) => {
      const nodes = authority.tree.get(nodeId(scope, ownerId, null))
      return { policy: nodes?.find((node) => node.model === model)?.policy, isMoney: kind === 'budget' }
    }),
  )
}

/** Nothing needed is never lacking, also where more is out than there is. */
function lacks(gauge: Gauge, units: number, nowMs: number): boolean {
  return units > 0 && units > roomOf(gauge, nowMs)
}

function waitOf(denial: Denial): number {
  return 'retryAfterMs' in denial ? (denial.retryAfterMs ?? Infinity) : 0
}

function portion(target: number, missing: number, room: Room, holders: number): number {
  const fair = room.isTail ? 0 : Math.floor((SHARE * room.units) / holders)
  return Math.max(0, Math.min(target, Math.max(fair, missing), room.units))
}

/** Never more than was granted ahead. */
function blindAhead({ granted }: GrantedLease, { need, blindNanoUsd = Infinity }: LeaseWant, room: Room): number {
  const most = Math.min(blindNanoUsd, Math.floor(room.units * BLIND_SHARE))
  return Math.max(0, Math.min(granted.nanoUsd - need.nanoUsd, most))
}

function openLease(
  authority: Authority,
  holder: string,
  want: LeaseWant,
  { gauges, watched }: { readonly gauges: readonly Gauge[]; readonly watched: readonly Watch[] },
): GrantedLease {
  const charged: Record<string, number> = {}
  for (const gauge of gauges) charged[gauge.id] = gauge.kind === 'budget' ? gauge.window.startMs : 0
  const lease: GrantedLease = {
    id: want.leaseId,
    holder,
    keyId: want.path.keyId,
    charged,
    ...(watched.length === 0 ? {} : { watched: watched.map(({ id }) => id) }),
    granted: NOTHING,
    settled: NOTHING,
    returned: NOTHING,
    state: 'open',
    expiresAtMs: 0,
    slotsUntilMs: null,
    isStale: false,
    blindNanoUsd: 0,
    knownNanoUsd: 0,
    reconcileAtMs: null,
  }
  authority.leases.set(lease.id, lease)
  return lease
}

/** The limits on a path, refilled and in their current windows. */
function pathGauges(authority: Authority, path: LimiterPath, nowMs: number): readonly Gauge[] {
  const gauges: Gauge[] = []
  for (const node of ownersOf(authority, path)) {
    if (node.model !== null && !matchesModel(node.model, path.model)) continue
    for (const limit of node.limits) {
      const gauge = authority.gauges.get(gaugeId(node, limit))
      if (gauge === undefined) continue
      if (advance(gauge, authority.config.timeZone, nowMs)) authority.dirty.gauges.add(gauge.id)
      gauges.push(gauge)
    }
  }
  return gauges
}

/** The nodes of a path's tenant, team and key, outermost first, whatever models they are about. */
function ownersOf(authority: Authority, { tenantId, teamId, keyId }: LimiterPath): readonly LimiterNode[] {
  const { tree } = authority
  const team = teamId === null ? undefined : tree.get(`team:${teamId}`)
  return [...(tree.get(`tenant:${tenantId}`) ?? []), ...(team ?? []), ...(tree.get(`key:${keyId}`) ?? [])]
}

function watchedOn({ watches }: Authority, { tenantId, teamId, keyId }: LimiterPath): readonly Watch[] {
  if (watches.size === 0) return []
  const ids = [`tenant:${tenantId}`, ...(teamId === null ? [] : [`team:${teamId}`]), `key:${keyId}`]
  return ids.flatMap((id) => watches.get(id) ?? [])
}

function firstWindowEndMs(gauges: readonly Gauge[]): number {
  let endMs = Number.MAX_SAFE_INTEGER
  for (const gauge of gauges) if (gauge.kind === 'budget') endMs = Math.min(endMs, gauge.window.endMs)
  return endMs
}

function activeHolders(authority: Authority, time: Timing): number {
  for (const [holder, seenAtMs] of authority.holders) {
    if (seenAtMs < time.nowMs - 2 * time.ttlMs) authority.holders.delete(holder)
  }
  return Math.max(1, authority.holders.size)
}
