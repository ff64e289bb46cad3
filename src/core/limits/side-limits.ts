// Limits beside a tenant's tree: of each of its end users, in one of the objects that share them out, or of a target. Each
// owner stands where a key stands in the tree, has the same limits as all others or its own, and nothing to do with the
// rest; but a user within a team or a key is an owner of its own, whose limits are asked together with the user's. The authority is the same as the tenant's; this brings into its memory only owners that hold leases or are just
// asking, and says for how long the state of one is worth keeping: users may be many, and invented. Times are epoch ms.
import { type Authority, exposure, newAuthority } from './authority.ts'
import type { LimitScope } from '../failure.ts'
import { type Gauge, advance, beginAnew, bucketRule, gaugeId, move, newGauge, relimit, resourceOf } from './gauge.ts'
import { LIMITS_VERSION, type Limit, type LimiterConfig, type LimiterNode, type LimiterPath } from './limits.ts'
import { waitMs } from './token-bucket.ts'

/** Limits of one owner for some models, or, with null, for all. */
export interface OwnLimits {
  readonly model: string | null
  readonly limits: readonly Limit[]
}

/** Everything that such an object enforces. The control plane sends it whole after every change. */
export interface SideConfig {
  readonly v: typeof LIMITS_VERSION
  /** Grows with every change; an older configuration never replaces a newer one. */
  readonly revision: number
  /** IANA zone in which budget windows begin and end. */
  readonly timeZone: string
  readonly scope: Extract<LimitScope, 'user' | 'target'>
  /** Of every owner that isn't named below. */
  readonly usual: readonly OwnLimits[]
  /** Owners with limits of their own, in place of the usual ones. */
  readonly own: Readonly<Record<string, readonly OwnLimits[]>>
  /** Of every user within a team or key, by its id, on top of those. Missing: of none. */
  readonly within?: Readonly<Record<string, readonly OwnLimits[]>>
}

/** An owner's state as it is stored. */
export interface StoredOwner {
  readonly timeZone: string
  readonly gauges: readonly Gauge[]
}

/** An owner to be stored. */
export interface ChangedOwner extends StoredOwner {
  readonly id: string
  /** From then on nothing of this is worth keeping: its buckets are full and its windows over. Null: until something else
   *  changes it, since something is lent. */
  readonly restsAtMs: number | null
}

export interface SideAuthority {
  config: SideConfig
  readonly authority: Authority
  /** The owners in memory. */
  readonly owners: Map<string, readonly LimiterNode[]>
  /** All that stand on a path, by the name that the authority looks for. */
  readonly paths: Map<string, readonly LimiterNode[]>
  /** Those of them whose limits were changed. */
  readonly dirtyOwners: Set<string>
}

/** Enforces nothing until it is configured. */
export function newSideAuthority(config: SideConfig): SideAuthority {
  const authority = newAuthority(authorityConfig(config))
  const paths = new Map<string, readonly LimiterNode[]>()
  authority.tree = paths
  return { config, authority, owners: new Map(), paths, dirtyOwners: new Set() }
}

export const NO_SIDE_CONFIG: SideConfig = {
  v: LIMITS_VERSION,
  revision: 0,
  timeZone: 'UTC',
  scope: 'user',
  usual: [],
  own: {},
}

/** Where an owner stands. */
export function sidePath(ownerId: string, model: string | null): LimiterPath {
  return { tenantId: '', teamId: null, keyId: ownerId, model }
}

/** Where a user stands; `within`: the team and key in which it has limits as well. */
export function userPath(userDigest: string, within: readonly string[] | undefined, model: string | null): LimiterPath {
  return sidePath(within === undefined ? userDigest : [userDigest, ...within].join(WITHIN), model)
}

/** The team or key in which the owner is a user; null for the user itself. */
export function withinOf(ownerId: string): string | null {
  return ownerId.split(WITHIN)[1] ?? null
}

/** Brings all who stand on a path into memory, each as it was stored or, with null, with nothing used. */
export function bringIn(
  side: SideAuthority,
  pathId: string,
  stored: (ownerId: string) => StoredOwner | null,
  nowMs: number,
): void {
  if (side.paths.has(nameOf(pathId))) return
  const ids = ownersOn(side, pathId)
  for (const id of ids) if (!side.owners.has(id)) bringInOne(side, id, stored(id), nowMs)
  side.paths.set(nameOf(pathId), nodesOn(side, pathId))
}

function bringInOne(side: SideAuthority, ownerId: string, stored: StoredOwner | null, nowMs: number): void {
  const { config, authority } = side
  const nodes = nodesOf(config, ownerId)
  side.owners.set(ownerId, nodes)
  for (const node of nodes) {
    for (const limit of node.limits) {
      const id = gaugeId(node, limit)
      const known = stored?.gauges.find((gauge) => gauge.id === id)
      if (known === undefined) authority.gauges.set(id, newGauge(node, limit, config.timeZone, nowMs))
      else authority.gauges.set(id, fitted(known, limit, stored?.timeZone ?? '', config, nowMs))
    }
  }
}

function fitted(gauge: Gauge, limit: Limit, zone: string, { timeZone }: SideConfig, nowMs: number): Gauge {
  if (JSON.stringify(gauge.limit) !== JSON.stringify(limit)) relimit(gauge, limit, nowMs)
  if (gauge.kind === 'budget' && zone !== timeZone) beginAnew(gauge, timeZone, nowMs)
  return gauge
}

/** Takes a configuration over; false for an older one, which changes nothing. Open leases go stale if anything changed. */
export function configureSide(side: SideAuthority, config: SideConfig, nowMs: number): boolean {
  if (config.revision < side.config.revision) return false
  const before = side.config
  const { authority } = side
  side.config = config
  authority.config = authorityConfig(config)
  if (enforced(before) === enforced(config)) return true
  for (const id of [...side.owners.keys()]) {
    const stored = { timeZone: before.timeZone, gauges: gaugesOf(side, id) }
    takeOut(side, id)
    bringInOne(side, id, stored, nowMs)
    side.dirtyOwners.add(id)
  }
  for (const name of side.paths.keys()) side.paths.set(name, nodesOn(side, idOf(name)))
  const hasZoneChanged = before.timeZone !== config.timeZone
  for (const lease of authority.leases.values()) {
    // What ends or begins anew knows nothing of what was lent before.
    lease.charged = Object.fromEntries(
      Object.entries(lease.charged).filter(([id]) => {
        const gauge = authority.gauges.get(id)
        return gauge !== undefined && !(hasZoneChanged && gauge.kind === 'budget')
      }),
    )
    lease.isStale = true
    authority.dirty.leases.add(lease.id)
  }
  return true
}

/** Owners whose state changed since the last call. One without limits has an empty list of gauges. */
export function takeChanged(side: SideAuthority, nowMs: number): readonly ChangedOwner[] {
  const { authority, config } = side
  const ids = new Set(side.dirtyOwners)
  side.dirtyOwners.clear()
  for (const id of authority.dirty.gauges) {
    const gauge = authority.gauges.get(id)
    if (gauge !== undefined) ids.add(gauge.ownerId)
  }
  authority.dirty.gauges.clear()
  return [...ids].map((id) => {
    const gauges = gaugesOf(side, id)
    return { id, timeZone: config.timeZone, gauges, restsAtMs: restsAtMs(gauges, config.timeZone, nowMs) }
  })
}

/** Lets go of every owner without a lease. What changed has to be taken before. */
export function letGo(side: SideAuthority): void {
  const paths = new Set([...side.authority.leases.values()].map(({ keyId }) => keyId))
  const holding = new Set([...paths].flatMap((id) => ownersOn(side, id)))
  for (const name of [...side.paths.keys()]) if (!paths.has(idOf(name))) side.paths.delete(name)
  for (const id of [...side.owners.keys()]) if (!holding.has(id)) takeOut(side, id)
}

/** Closes leases that expired before that time and of which nobody will ever report: what they hold was spent. */
export function writeOff(side: SideAuthority, beforeMs: number): void {
  const { authority } = side
  for (const lease of authority.leases.values()) {
    if (lease.state !== 'expired' || lease.expiresAtMs >= beforeMs) continue
    const left = exposure(lease)
    for (const [id, startMs] of Object.entries(lease.charged)) {
      const gauge = authority.gauges.get(id)
      if (gauge?.kind !== 'budget' || gauge.window.startMs !== startMs) continue
      move(gauge, { settled: left[resourceOf(gauge)], covered: left[resourceOf(gauge)], released: 0 })
      authority.dirty.gauges.add(id)
    }
    authority.leases.delete(lease.id)
    authority.dirty.leases.add(lease.id)
  }
}

/** When the last of these has nothing to remember; null where something is lent. */
function restsAtMs(gauges: readonly Gauge[], timeZone: string, nowMs: number): number | null {
  let atMs = 0
  for (const gauge of gauges) {
    const restMs = gaugeRestsAtMs(gauge, timeZone, nowMs)
    if (restMs === null) return null
    atMs = Math.max(atMs, restMs)
  }
  return atMs
}

function gaugeRestsAtMs(gauge: Gauge, timeZone: string, nowMs: number): number | null {
  advance(gauge, timeZone, nowMs)
  switch (gauge.kind) {
    case 'slots':
      return gauge.held === 0 ? 0 : null
    case 'budget':
      return gauge.spentNanoUsd === 0 && gauge.heldNanoUsd === 0 ? 0 : gauge.window.endMs
    case 'rate': {
      const { bucket, limit } = gauge
      if (bucket.outstanding !== 0) return null
      const rule = bucketRule({ ...limit, increase: null }, nowMs)
      // An increase makes a bucket larger for a while only; without it, it is full no later.
      return Math.max(nowMs + (waitMs(bucket, rule, rule.capacity) ?? 0), limit.increase?.untilMs ?? 0)
    }
  }
}

function gaugesOf(side: SideAuthority, ownerId: string): readonly Gauge[] {
  const nodes = side.owners.get(ownerId) ?? []
  return nodes.flatMap((node) => node.limits.flatMap((limit) => side.authority.gauges.get(gaugeId(node, limit)) ?? []))
}

function takeOut(side: SideAuthority, ownerId: string): void {
  for (const gauge of gaugesOf(side, ownerId)) side.authority.gauges.delete(gauge.id)
  side.owners.delete(ownerId)
}

/** Whose limits hold on a path: of a user its own, and those within a team and a key. */
function ownersOn({ config }: SideAuthority, pathId: string): readonly string[] {
  const [own = '', ...within] = config.scope === 'user' ? pathId.split(WITHIN) : [pathId]
  return [own, ...within.map((id) => own + WITHIN + id)]
}

function nodesOn(side: SideAuthority, pathId: string): readonly LimiterNode[] {
  return ownersOn(side, pathId).flatMap((id) => side.owners.get(id) ?? [])
}

function limitsOf({ scope, usual, own, within = {} }: SideConfig, ownerId: string): readonly OwnLimits[] {
  const place = scope === 'user' ? withinOf(ownerId) : null
  if (place !== null) return (Object.hasOwn(within, place) ? within[place] : undefined) ?? []
  return (Object.hasOwn(own, ownerId) ? own[ownerId] : undefined) ?? usual
}

/** Nobody watches the budgets of so many: no alerts. */
function nodesOf(config: SideConfig, ownerId: string): readonly LimiterNode[] {
  const { scope } = config
  return limitsOf(config, ownerId).map((set) => ({
    scope,
    id: ownerId,
    model: set.model,
    limits: set.limits.map((limit) => (limit.kind === 'budget' ? { ...limit, alertsPercent: [] } : limit)),
  }))
}

function authorityConfig({ revision, timeZone }: SideConfig): LimiterConfig {
  return { v: LIMITS_VERSION, revision, timeZone, nodes: [], revokedKeyIds: [] }
}

function enforced({ timeZone, scope, usual, own, within = {} }: SideConfig): string {
  return JSON.stringify([timeZone, scope, usual, own, within])
}

const KEY = 'key:'
/** Between a user and the team or key in which it has limits; in none of their ids. */
const WITHIN = '/'

function nameOf(ownerId: string): string {
  return KEY + ownerId
}

function idOf(name: string): string {
  return name.slice(KEY.length)
}

/** Objects that share a tenant's end users. Never changes: a user's state would be looked for elsewhere. */
export const USER_SHARDS = 64

/** Which of them has the limits of a user, by the first bits of its digest in hex. */
export function shardOf(userDigest: string): number {
  return Number.parseInt(userDigest.slice(0, 4), 16) % USER_SHARDS
}

/** What an end user is known by to the limiter, before it is digested: not readable in its objects. */
export function userText(tenantId: string, user: string): string {
  return `end-user\n${tenantId}\n${user}`
}

export function userShardName(tenantId: string, shard: number): string {
  return `${tenantId}/users/${shard}`
}

export function targetObjectName(targetId: string): string {
  return `target/${targetId}`
}

/** The object that has the budget of a route's shadow. */
export function shadowObjectName(routeId: string): string {
  return `shadow/${routeId}`
}

/** The remote surface of such an object: the limiter's for isolates, and its own for the control plane. */
export interface SideObject {
  configure(config: SideConfig): Promise<void>
}
