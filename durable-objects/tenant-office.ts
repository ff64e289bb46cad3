// What a tenant's limiter does, over its storage: the authority over the tenant's limits and the outbox of its usage events. A shell over
// src/core/limits/authority.ts and src/core/limits/grant.ts. What calls tell is committed together, and none is answered before that.
import { noteCrossings, takeCrossings, takeRunaways } from '../src/core/money/alert.ts'
import { RESOURCES } from '../src/core/limits/amounts.ts'
import {
  type Authority,
  type GrantedLease,
  configure,
  expireDue,
  newAuthority,
  nextExpiryMs,
  noteInFlight,
  noteSettled,
  presumedSpentNanoUsd,
} from '../src/core/limits/authority.ts'
import { type OpenAdmission, adjusted, lost } from '../src/core/limits/booking.ts'
import { answer, takeReports } from '../src/core/limits/exchange.ts'
import { advance, gaugeId, sizeOf } from '../src/core/limits/gauge.ts'
import { limitsOn } from '../src/core/limits/grant.ts'
import { type SpentBudget, recoverSpent } from '../src/core/limits/recovery.ts'
import { HealthBoard } from '../src/core/health/health-news.ts'
import {
  type AdmissionRecord,
  type EventChunk,
  type InFlight,
  LEASE_TTL_MS,
  LIMITS_VERSION,
  type LimiterCall,
  type LimiterConfig,
  type LimiterObject,
  type LimiterPath,
  type LimiterReply,
  type LimiterStanding,
  type NodeStanding,
} from '../src/core/limits/limits.ts'
import type { LimitState } from '../src/core/limits/standing.ts'
import { NO_SWITCHES, type Switches } from '../src/core/switches.ts'
import { runawayEvents, thresholdEvents } from '../src/core/money/usage-event.ts'
import type { GatewayEnv } from '../src/env.ts'
import { type EarlierCall, type EarlierConfig, callOf, configOf, replyTo } from './earlier-version.ts'
import { GroupCommit } from './group-commit.ts'
import { Outbox } from './outbox.ts'
import { type HolderState, LimiterStorage } from './storage.ts'

const NO_CONFIG: LimiterConfig = { v: LIMITS_VERSION, revision: 0, timeZone: 'UTC', nodes: [], revokedKeyIds: [] }
/** Nobody reports on anything older. */
const RETENTION_MS = 86_400_000
const PRUNE_EVERY_MS = 3_600_000

export class TenantOffice implements LimiterObject {
  readonly #alarms: Pick<DurableObjectStorage, 'setAlarm'>
  readonly #storage: LimiterStorage
  readonly #authority: Authority
  readonly #outbox: Outbox
  readonly #holders = new Map<string, HolderState>()
  /** Holders with attempts that were announced when their lease had expired here: no expiry books those. */
  readonly #belated = new Set<HolderState>()
  readonly #ttlMs: number
  /** What isolates tell each other of targets. In memory only. */
  readonly #health = new HealthBoard(Date.now())
  #tenantId: string
  #switches: Switches
  #hasBooked: boolean
  #alarmAtMs: number | null = null
  /** An alarm is under way, which sets the next when it is done. */
  #isAwake = false
  #pruneAtMs = 0
  readonly #commits = new GroupCommit((nowMs) => this.#commit(nowMs))

  /** Begins where the storage ends. `arm` is to be called next. */
  constructor(storage: DurableObjectStorage, env: Pick<GatewayEnv, 'USAGE' | 'LEASE_TTL_MS'>) {
    this.#alarms = storage
    this.#ttlMs = Number(env.LEASE_TTL_MS ?? LEASE_TTL_MS)
    this.#storage = new LimiterStorage(storage.sql)
    this.#tenantId = this.#storage.readMeta('tenant') ?? ''
    this.#switches = this.#storage.readSwitches() ?? NO_SWITCHES
    const config = this.#storage.readConfig()
    this.#authority = newAuthority(config ?? NO_CONFIG)
    for (const holder of this.#storage.load(this.#authority).values()) {
      this.#holders.set(holder.id, holder)
      this.#authority.holders.set(holder.id, holder.seenAtMs)
      if (this.#belatedOf(holder).length > 0) this.#belated.add(holder)
    }
    this.#hasBooked = this.#storage.countBooked() > 0
    this.#outbox = new Outbox(this.#storage, env.USAGE, Date.now())
  }

  /** Takes in a holder's reports, admissions and events, then grants what it wants. Safe to repeat, lose and reorder. Rejects
   *  once it has taken them in where something is wanted and it was never told of any limits. */
  async call(call: LimiterCall | EarlierCall): Promise<LimiterReply> {
    const nowMs = Date.now()
    const message = callOf(call)
    const reply = this.#take(message, nowMs)
    await (isAwaited(message) || this.#storage.isTorn ? this.#commits.now(nowMs) : this.#commits.soon(nowMs))
    this.#refuseUnconfigured([message])
    return replyTo(call, reply)
  }

  /** The same for messages that a region passes on, and for its own. */
  async relay(messages: readonly LimiterCall[]): Promise<readonly LimiterReply[]> {
    const nowMs = Date.now()
    const replies = messages.map((message) => this.#take(message, nowMs))
    await this.#commits.now(nowMs)
    this.#refuseUnconfigured(messages)
    return replies
  }

  async hasLimits(): Promise<boolean> {
    return this.#isConfigured
  }

  /** Replaces what is enforced. An older revision changes nothing. What was spent is news only to one that had no limits. */
  async configure(told: LimiterConfig | EarlierConfig, spent: readonly SpentBudget[] = []): Promise<void> {
    const { switches, ...config } = configOf(told)
    const hadLimits = this.#isConfigured
    configure(this.#authority, config, Date.now())
    if (!hadLimits) recoverSpent(this.#authority, spent)
    if (switches !== undefined) await this.takeSwitches(switches)
    this.#storage.writeMeta('config', JSON.stringify(this.#authority.config))
    await this.#commits.now(Date.now())
  }

  /** Grants nothing more to a key, and tells its holders at their next contact. */
  async revoke(keyId: string): Promise<void> {
    const { config } = this.#authority
    if (config.revokedKeyIds.includes(keyId)) return
    this.#authority.config = { ...config, revokedKeyIds: [...config.revokedKeyIds, keyId] }
    this.#storage.writeMeta('config', JSON.stringify(this.#authority.config))
  }

  /** Takes what is switched off, for isolates to be told at their next contact. */
  async takeSwitches(switches: Switches): Promise<void> {
    if (switches.revision <= this.#switches.revision) return
    this.#switches = switches
    this.#storage.writeMeta('switches', JSON.stringify(switches))
  }

  /** Attempts in flight of all isolates, as far as they have told, the oldest first. */
  async inFlight(most: number): Promise<readonly InFlight[]> {
    const all = [...this.#holders.values()].flatMap(({ inFlight }) => [...inFlight.values()])
    // Request ids are in the order of their time.
    return all
      .toSorted((a, b) => (a.id < b.id ? -1 : 1))
      .slice(0, most)
      .map(({ id, reserved, event, isCancelled }) => ({ id, reserved, event, isCancelled: isCancelled === true }))
  }

  /** Has a request ended: its isolate is told with the next reply, and until it has ended. False for one that isn't there. */
  async cancel(requestId: string): Promise<boolean> {
    let isThere = false
    for (const holder of this.#holders.values()) {
      const own = [...holder.inFlight.values()].filter(({ id }) => id.startsWith(`${requestId}#`))
      if (own.length === 0) continue
      isThere = true
      for (const record of own) this.#putFlight(holder, { ...record, isCancelled: true })
    }
    if (isThere) await this.#commits.now(Date.now())
    return isThere
  }

  /** The usage consumer has applied these outbox rows. */
  async confirm(outboxIds: readonly number[]): Promise<void> {
    this.#storage.confirm(outboxIds)
  }

  /** Budgets as they stand, in the order in which they are set, and how much is on its way to the ledger. */
  async live(): Promise<LimiterStanding> {
    const nowMs = Date.now()
    const nodes: NodeStanding[] = []
    const { config, gauges } = this.#authority
    for (const id of config.nodes.flatMap((node) => node.limits.map((limit) => gaugeId(node, limit)))) {
      const gauge = gauges.get(id)
      if (gauge?.kind !== 'budget') continue
      if (advance(gauge, config.timeZone, nowMs)) this.#authority.dirty.gauges.add(gauge.id)
      const presumed = presumedSpentNanoUsd(this.#authority, gauge)
      nodes.push({
        scope: gauge.scope,
        id: gauge.ownerId,
        model: gauge.model,
        period: gauge.limit.period,
        spentNanoUsd: gauge.spentNanoUsd + presumed,
        heldNanoUsd: gauge.heldNanoUsd - presumed,
        limitNanoUsd: sizeOf(gauge.limit, nowMs),
        windowStartMs: gauge.window.startMs,
        windowEndMs: gauge.window.endMs,
      })
    }
    const oldestUnconfirmedMs = this.#storage.oldestUnconfirmedMs()
    return { nodes, unconfirmed: this.#storage.unconfirmed(), oldestUnconfirmedMs }
  }

  /** Every limit on a path as it stands, outermost first; null for a key that is revoked. */
  async limits(path: LimiterPath): Promise<readonly LimitState[] | null> {
    if (this.#authority.config.revokedKeyIds.includes(path.keyId)) return null
    return limitsOn(this.#authority, path, Date.now())
  }

  /** Expires leases, books what died with them, sends the outbox. Never throws: an alarm that fails too often is dropped. */
  async alarm(): Promise<void> {
    this.#alarmAtMs = null
    this.#isAwake = true
    const nowMs = Date.now()
    this.#bookLost(expireDue(this.#authority, nowMs), nowMs)
    this.#bookBelated(nowMs)
    noteCrossings(this.#authority, nowMs)
    this.#prune(nowMs)
    this.#announce(nowMs)
    this.#outbox.close(nowMs)
    await this.#commits.now(nowMs)
    await this.#outbox.send(this.#tenantId, nowMs)
    this.#isAwake = false
    await this.arm(Date.now())
  }

  #take(message: LimiterCall, nowMs: number): LimiterReply {
    const time = { nowMs, ttlMs: this.#ttlMs }
    if (this.#tenantId !== message.tenantId) this.#rememberTenant(message.tenantId)
    const holder = this.#holderOf(message.holder)
    const isStraggler = message.number <= holder.number
    for (const chunk of message.chunks) this.#takeChunk(holder, chunk, nowMs)
    this.#bookLost(takeReports(this.#authority, message, isStraggler, time), nowMs)
    const admissions = isStraggler ? [] : this.#unknownOf(holder, message.admissions)
    for (const record of admissions) this.#putFlight(holder, record)
    if (this.#belatedOf(holder, admissions).length > 0) this.#belated.add(holder)
    holder.number = Math.max(holder.number, message.number)
    holder.seenAtMs = nowMs
    this.#storage.putHolder(holder)
    const wants = this.#isConfigured ? message.wants : []
    const said = answer(this.#authority, { ...message, admissions, wants }, isStraggler, time)
    const isBehind = message.switchesSeen !== undefined && message.switchesSeen < this.#switches.revision
    const cancelled = cancelledOf(holder)
    const health = this.#health.answer(message.health, nowMs)
    const news = {
      ...(isBehind ? { switches: this.#switches } : {}),
      ...(cancelled.length > 0 ? { cancelled } : {}),
      ...(health === null ? {} : { health }),
    }
    return { acknowledged: holder.acknowledged, ttlMs: this.#ttlMs, ...said, ...news }
  }

  #putFlight(holder: HolderState, record: AdmissionRecord): void {
    holder.inFlight.set(record.id, record)
    this.#storage.putFlight(holder, record.id, record)
  }

  #endFlight(holder: HolderState, id: string): void {
    holder.inFlight.delete(id)
    this.#storage.putFlight(holder, id, null)
  }

  async #commit(nowMs: number): Promise<void> {
    this.#announce(nowMs)
    this.#storage.save(this.#authority)
    await this.arm(nowMs)
  }

  /** Limits are published before anybody may spend. An object without any has lost its storage: what it would lend has no bounds. */
  get #isConfigured(): boolean {
    return this.#authority.config.revision > 0
  }

  #refuseUnconfigured(messages: readonly LimiterCall[]): void {
    if (this.#isConfigured || messages.every(({ wants }) => wants.length === 0)) return
    console.error(JSON.stringify({ event: 'limiter-unconfigured', tenantId: this.#tenantId }))
    throw new Error(`nobody has told the limiter of ${this.#tenantId} of its limits: publish them`)
  }

  #holderOf(id: string): HolderState {
    const known = this.#holders.get(id)
    if (known !== undefined) return known
    const holder: HolderState = { id, acknowledged: 0, number: 0, seenAtMs: 0, inFlight: new Map() }
    this.#holders.set(id, holder)
    return holder
  }

  /** The object's own name isn't told to its alarms, so it is kept. */
  #rememberTenant(tenantId: string): void {
    this.#tenantId = tenantId
    this.#storage.writeMeta('tenant', tenantId)
  }

  #takeChunk(holder: HolderState, chunk: EventChunk, nowMs: number): void {
    if (chunk.to <= holder.acknowledged) return
    this.#outbox.add(this.#corrected(chunk, nowMs), nowMs)
    for (const id of chunk.settles) {
      const record = holder.inFlight.get(id)
      if (record === undefined) continue
      noteSettled(this.#authority, record.leaseId, record.reserved.nanoUsd, nowMs)
      this.#endFlight(holder, id)
    }
    holder.acknowledged = chunk.to
  }

  /** Events of attempts that had been written off become corrections of the write-off. */
  #corrected(chunk: EventChunk, nowMs: number): string {
    const booked = this.#hasBooked ? this.#storage.takeBooked(chunk.settles) : []
    for (const { leaseId = '', reservedNanoUsd } of booked) {
      noteSettled(this.#authority, leaseId, reservedNanoUsd, nowMs)
    }
    return booked.length === 0 ? chunk.events : adjusted(chunk.events, booked)
  }

  /** Alerts leave with the events: once each, since what they are about remembers them in the same transaction. */
  #announce(nowMs: number): void {
    const crossings = takeCrossings(this.#authority)
    if (crossings.length > 0) this.#outbox.add(thresholdEvents(this.#tenantId, crossings), nowMs, true)
    const runaways = takeRunaways(this.#authority)
    if (runaways.length > 0) this.#outbox.add(runawayEvents(this.#tenantId, runaways), nowMs, true)
  }

  /** Those that are news: what comes again, or was booked as lost before it came again, is known already. */
  #unknownOf(holder: HolderState, admissions: readonly AdmissionRecord[]): readonly AdmissionRecord[] {
    const unknown = admissions.filter(({ id }) => !holder.inFlight.has(id))
    if (!this.#hasBooked || unknown.length === 0) return unknown
    const booked = this.#storage.bookedAmong(unknown.map(({ id }) => id))
    return booked.size === 0 ? unknown : unknown.filter(({ id }) => !booked.has(id))
  }

  /** Of what is in flight, what isn't under a lease that will expire. */
  #belatedOf(holder: HolderState, records: Iterable<AdmissionRecord> = holder.inFlight.values()): AdmissionRecord[] {
    return [...records].filter(({ leaseId }) => this.#authority.leases.get(leaseId)?.state !== 'open')
  }

  /** What was in flight under leases that expired is taken for lost and booked. */
  #bookLost(expired: readonly GrantedLease[], nowMs: number): void {
    for (const lease of expired) {
      const holder = this.#holders.get(lease.holder)
      if (holder === undefined) continue
      const records = [...holder.inFlight.values()].filter(({ leaseId }) => leaseId === lease.id)
      for (const { reserved } of records) noteInFlight(this.#authority, lease.id, reserved.nanoUsd)
      this.#book(holder, records, nowMs)
    }
  }

  /** Attempts that were announced too late for the expiry of their lease are lost when their holder has been silent for as
   *  long as a lease lasts. */
  #bookBelated(nowMs: number): void {
    for (const holder of this.#belated) {
      const records = this.#belatedOf(holder)
      if (records.length > 0 && holder.seenAtMs + this.#ttlMs > nowMs) continue
      this.#belated.delete(holder)
      this.#book(holder, records, nowMs)
    }
  }

  #book(holder: HolderState, records: readonly AdmissionRecord[], nowMs: number): void {
    if (records.length === 0) return
    const booked = records.map(({ id, leaseId, reserved, event }): OpenAdmission => {
      return { id, leaseId, reservedNanoUsd: reserved.nanoUsd, event, bookedAtMs: nowMs }
    })
    for (const admission of booked) {
      this.#endFlight(holder, admission.id)
      this.#storage.addBooked(admission)
    }
    this.#hasBooked = true
    this.#outbox.add(lost(booked, nowMs), nowMs, true)
  }

  #prune(nowMs: number): void {
    if (nowMs < this.#pruneAtMs) return
    this.#pruneAtMs = nowMs + PRUNE_EVERY_MS
    this.#storage.pruneBooked(nowMs - RETENTION_MS)
    for (const [id, holder] of this.#holders) {
      if (holder.seenAtMs >= nowMs - RETENTION_MS || holder.inFlight.size > 0) continue
      this.#holders.delete(id)
      this.#storage.deleteHolder(holder)
    }
  }

  /** When the first of them has been silent for long enough; null for none. */
  get #belatedDueMs(): number | null {
    let dueMs: number | null = null
    for (const { seenAtMs } of this.#belated) dueMs = earliest(dueMs, seenAtMs + this.#ttlMs)
    return dueMs
  }

  /** Sets the alarm for what is due first, unless it is set for sooner. */
  async arm(nowMs: number): Promise<void> {
    const next = earliest(earliest(this.#outbox.dueMs, nextExpiryMs(this.#authority)), this.#belatedDueMs)
    if (this.#isAwake || next === null || (this.#alarmAtMs !== null && this.#alarmAtMs <= next)) return
    this.#alarmAtMs = Math.max(next, nowMs)
    await this.#alarms.setAlarm(this.#alarmAtMs)
  }
}

/** Whether requests wait for what is wanted. The rest is wanted ahead of them. */
function isAwaited({ wants }: LimiterCall): boolean {
  return wants.some(({ first }) => RESOURCES.some((resource) => first[resource] > 0))
}

function cancelledOf({ inFlight }: HolderState): readonly string[] {
  const cancelled: string[] = []
  for (const { id, isCancelled } of inFlight.values()) if (isCancelled === true) cancelled.push(id)
  return cancelled
}

function earliest(a: number | null, b: number | null): number | null {
  if (a === null) return b
  return b === null ? a : Math.min(a, b)
}
