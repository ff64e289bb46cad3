// Limits beside the tenants' own: one object for each of the shares of a tenant's end users, one for each target that has
// limits. A shell over src/core/limits/side-limits.ts and the authority. It takes the same messages as a tenant's limiter, but
// no events: those are the tenant's. Nothing here is on the path of a request that a lease in hand covers.
import { DurableObject } from 'cloudflare:workers'
import { type GrantedLease, expireDue, nextExpiryMs, noteInFlight } from '../src/core/limits/authority.ts'
import { answer, takeReports } from '../src/core/limits/exchange.ts'
import { limitsOn } from '../src/core/limits/grant.ts'
import {
  type EventChunk,
  LEASE_TTL_MS,
  type LimiterCall,
  type LimiterPath,
  type LimiterReply,
} from '../src/core/limits/limits.ts'
import {
  NO_SIDE_CONFIG,
  type SideAuthority,
  type SideConfig,
  type SideObject,
  bringIn,
  configureSide,
  letGo,
  newSideAuthority,
  takeChanged,
  writeOff,
} from '../src/core/limits/side-limits.ts'
import type { LimitState } from '../src/core/limits/standing.ts'
import type { GatewayEnv } from '../src/env.ts'
import { type SideHolder, SideStorage } from './side-storage.ts'

/** Nobody reports on anything older. */
const RETENTION_MS = 86_400_000
/** How often owners are forgotten that have nothing to remember. */
const PRUNE_EVERY_MS = 600_000

export class SideLimiter extends DurableObject<GatewayEnv> implements SideObject {
  readonly #storage: SideStorage
  readonly #side: SideAuthority
  readonly #holders = new Map<string, SideHolder>()
  readonly #ttlMs: number
  #alarmAtMs: number | null = null
  /** When to look for what can be forgotten; null where nothing is stored. */
  #pruneAtMs: number | null

  constructor(ctx: DurableObjectState, env: GatewayEnv) {
    super(ctx, env)
    this.#ttlMs = Number(env.LEASE_TTL_MS ?? LEASE_TTL_MS)
    this.#storage = new SideStorage(ctx.storage.sql)
    this.#side = newSideAuthority(this.#storage.readConfig() ?? NO_SIDE_CONFIG)
    const nowMs = Date.now()
    for (const lease of this.#storage.readLeases()) {
      this.#side.authority.leases.set(lease.id, lease)
      this.#bringIn(lease.keyId, nowMs)
    }
    for (const holder of this.#storage.readHolders()) this.#holders.set(holder.id, holder)
    this.#pruneAtMs = this.#storage.pruneOwners(nowMs) > 0 ? nowMs + PRUNE_EVERY_MS : null
    void ctx.blockConcurrencyWhile(() => this.#arm(nowMs))
  }

  /** Takes in a holder's reports and what it has in flight, then grants what it wants. Safe to repeat, lose and reorder. */
  async call(message: LimiterCall): Promise<LimiterReply> {
    const nowMs = Date.now()
    const time = { nowMs, ttlMs: this.#ttlMs }
    const { authority } = this.#side
    const holder = this.#holderOf(message.holder)
    const isStraggler = message.number <= holder.number
    for (const { path } of message.wants) this.#bringIn(path.keyId, nowMs)
    for (const chunk of message.chunks) takeSettlements(holder, chunk)
    this.#noteLost(takeReports(authority, message, isStraggler, time))
    if (!isStraggler) for (const record of message.admissions) holder.inFlight.set(record.id, record)
    holder.number = Math.max(holder.number, message.number)
    holder.seenAtMs = nowMs
    if (message.chunks.length + message.admissions.length > 0) this.#storage.writeHolder(holder)
    const said = answer(authority, message, isStraggler, time)
    this.#save(nowMs)
    await this.#arm(nowMs)
    return { acknowledged: holder.acknowledged, ttlMs: this.#ttlMs, ...said }
  }

  /** Every limit of an owner as it stands. Changes nothing. */
  async limits(path: LimiterPath): Promise<readonly LimitState[]> {
    const nowMs = Date.now()
    this.#bringIn(path.keyId, nowMs)
    const states = limitsOn(this.#side.authority, path, nowMs)
    this.#save(nowMs)
    return states
  }

  /** Replaces what is enforced. An older revision changes nothing. */
  async configure(config: SideConfig): Promise<void> {
    const nowMs = Date.now()
    if (!configureSide(this.#side, config, nowMs)) return
    this.#storage.writeConfig(config)
    this.#save(nowMs)
    await this.#arm(nowMs)
  }

  /** Expires leases and forgets what has nothing to remember. */
  override async alarm(): Promise<void> {
    this.#alarmAtMs = null
    const nowMs = Date.now()
    this.#noteLost(expireDue(this.#side.authority, nowMs))
    if (this.#pruneAtMs !== null && this.#pruneAtMs <= nowMs) this.#prune(nowMs)
    this.#save(nowMs)
    await this.#arm(Date.now())
  }

  #bringIn(pathId: string, nowMs: number): void {
    bringIn(this.#side, pathId, (ownerId) => this.#storage.readOwner(ownerId), nowMs)
  }

  #holderOf(id: string): SideHolder {
    const known = this.#holders.get(id)
    if (known !== undefined) return known
    const holder: SideHolder = { id, acknowledged: 0, number: 0, seenAtMs: 0, inFlight: new Map() }
    this.#holders.set(id, holder)
    return holder
  }

  /** What was in flight under leases that expired may be spent. */
  #noteLost(expired: readonly GrantedLease[]): void {
    for (const lease of expired) {
      const holder = this.#holders.get(lease.holder)
      if (holder === undefined) continue
      let isChanged = false
      for (const record of holder.inFlight.values()) {
        if (record.leaseId !== lease.id) continue
        holder.inFlight.delete(record.id)
        noteInFlight(this.#side.authority, lease.id, record.reserved.nanoUsd)
        isChanged = true
      }
      if (isChanged) this.#storage.writeHolder(holder)
    }
  }

  #prune(nowMs: number): void {
    writeOff(this.#side, nowMs - RETENTION_MS)
    for (const [id, holder] of this.#holders) {
      if (holder.seenAtMs >= nowMs - RETENTION_MS) continue
      this.#holders.delete(id)
      this.#storage.deleteHolder(id)
    }
    this.#pruneAtMs = this.#storage.pruneOwners(nowMs) > 0 ? nowMs + PRUNE_EVERY_MS : null
  }

  #save(nowMs: number): void {
    const changed = takeChanged(this.#side, nowMs)
    for (const owner of changed) this.#storage.writeOwner(owner)
    if (changed.length > 0) this.#pruneAtMs ??= nowMs + PRUNE_EVERY_MS
    this.#storage.saveLeases(this.#side)
    letGo(this.#side)
  }

  async #arm(nowMs: number): Promise<void> {
    const next = Math.min(nextExpiryMs(this.#side.authority) ?? Infinity, this.#pruneAtMs ?? Infinity)
    if (next === Infinity || (this.#alarmAtMs !== null && this.#alarmAtMs <= next)) return
    this.#alarmAtMs = Math.max(next, nowMs)
    await this.ctx.storage.setAlarm(this.#alarmAtMs)
  }
}

/** Settlements come in runs that are numbered as events are. */
function takeSettlements(holder: SideHolder, chunk: EventChunk): void {
  if (chunk.to <= holder.acknowledged) return
  for (const id of chunk.settles) holder.inFlight.delete(id)
  holder.acknowledged = chunk.to
}
