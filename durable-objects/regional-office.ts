// The limiter of a tenant's isolates in one place: a shell over src/core/limits/regional-limits.ts. To them it is the limiter; to the
// tenant's limiter it is a holder, and passes on what they tell of admissions and events. What it has in hand it lends at once:
// the tenant's limiter is talked to behind that, or waited for where too little is in hand.
import type { Timing } from '../src/core/limits/authority.ts'
import {
  type Denial,
  LIMITS_VERSION,
  type LeaseReport,
  type LeaseWant,
  type LimiterCall,
  type LimiterObject,
  type LimiterReply,
  type SecretEnd,
} from '../src/core/limits/limits.ts'
import { HealthBoard, HealthLink } from '../src/core/health/health-news.ts'
import { giveBackTail, wantsRenewal } from '../src/core/limits/lease.ts'
import {
  type KnownIsolate,
  PENDING_CHARS_MAX,
  charsOf,
  isToRelay,
  newIsolate,
  relayOf,
  takeMessage,
  takeRelayed,
} from '../src/core/limits/region-relay.ts'
import type { Region } from '../src/core/region.ts'
import {
  type RegionalLimits,
  expireSubs,
  lackingIn,
  lend,
  nameOf,
  noteSubInFlight,
  restRegion,
  takeIsolate,
} from '../src/core/limits/regional-limits.ts'
import { closeKey, forgetPast, hasToTalk, nextSubDueMs } from '../src/core/limits/regional-upkeep.ts'
import { NO_SWITCHES, type Switches } from '../src/core/switches.ts'
import { type RegionHead, RegionalStorage } from './regional-storage.ts'
import { UpperTalk, refusalFor } from './upper-talk.ts'

/** While anything is lent, the tenant's limiter is heard of so often: it may have news of a revocation or of a switch. */
const CONTACT_MS = 2_500
/** What is low is asked for so often at most, as long as nobody waits for it. */
const RENEW_EVERY_MS = 250
/** After so long without a want, what is free goes back. */
const REST_AFTER_MS = 10_000
/** Slots that are kept for less time are as good as lost. */
const SLOTS_MS_MIN = 1_000
/** How often the tenant's limiter is asked on behalf of one message. */
const ROUNDS_MAX = 3
/** An isolate with so many runs of events under way that asks for nothing is answered when some have arrived, or after this. */
const RUNS_MAX = 8
const RUNS_WAIT_MS = 1_000
/** Nobody reports on anything older. */
const RETENTION_MS = 86_400_000
/** Of an isolate of which nothing runs. */
const QUIET_MS = 3_600_000
const PRUNE_EVERY_MS = 600_000
/** Revoked keys that are remembered. */
const REVOKED_MAX = 1_000

export interface OfficePorts {
  readonly storage: DurableObjectStorage
  /** The tenant's own limiter. */
  readonly limiterOf: (tenantId: string) => Pick<LimiterObject, 'relay'>
  /** How long an isolate's lease is good for, if the region's is. */
  readonly ttlMs: number
}

export class RegionalOffice {
  readonly #alarms: Pick<DurableObjectStorage, 'setAlarm'>
  readonly #storage: RegionalStorage
  readonly #region: RegionalLimits
  readonly #isolates = new Map<string, KnownIsolate>()
  readonly #talk: UpperTalk
  readonly #ttlMs: number
  readonly #revokedKeyIds = new Set<string>()
  /** By their key. */
  readonly #secretEnds = new Map<string, readonly SecretEnd[]>()
  #head: RegionHead
  #switches: Switches = NO_SWITCHES
  /** What isolates tell each other of targets, and where they are. In memory only. */
  readonly #health = new HealthBoard(Date.now())
  readonly #healthAbove = new HealthLink(this.#health)
  #isolatesAre: Region | null = null
  #wantedAtMs: number
  #alarmAtMs: number | null = null
  #pruneAtMs = 0
  /** Wants that are just being seen to. */
  readonly #inNeed = new Set<readonly LeaseWant[]>()
  /** How often something that was lent has come to an end by itself; how much of that is being told, and has been. */
  #news = 0
  #telling = 0
  #told = 0

  constructor({ storage, limiterOf, ttlMs }: OfficePorts, nowMs: number) {
    this.#alarms = storage
    this.#ttlMs = ttlMs
    this.#storage = new RegionalStorage(storage.sql)
    this.#head = this.#storage.readHead() ?? newHead()
    this.#region = this.#storage.restore(this.#head, { nowMs, ttlMs: this.#ttlMs })
    for (const isolate of this.#storage.readIsolates()) this.#isolates.set(isolate.id, isolate)
    this.#wantedAtMs = nowMs
    this.#talk = new UpperTalk(this.#region, {
      relay: (atMs) => this.#relayed(atMs),
      own: (talk) => this.#ownMessage(talk),
      send: (calls) => limiterOf(this.#head.tenantId).relay(calls),
      take: (calls, replies) => this.#takeReplies(calls, replies),
      ended: () => void this.#goOn(),
    })
  }

  async call(message: LimiterCall): Promise<LimiterReply> {
    const nowMs = Date.now()
    if (this.#head.tenantId !== message.tenantId) this.#writeHead({ tenantId: message.tenantId })
    this.#isolatesAre = message.health?.region ?? this.#isolatesAre
    // What it has found out goes on with whatever is asked for it.
    const before = this.#health.answer(message.health, nowMs)
    const isolate = this.#isolateOf(message.holder)
    // One that comes again asks again: its answer may have been that nobody could be asked.
    const isStraggler = message.number < isolate.number
    const wants = isStraggler ? [] : message.wants
    const admissions = takeMessage(isolate, message, this.#roomFor(isolate), nowMs)
    if (wants.length > 0) this.#wantedAtMs = nowMs
    this.#expire(nowMs)
    takeIsolate(this.#region, { ...message, admissions }, isStraggler, this.#timing(nowMs))
    this.#storage.writeIsolate(isolate)
    this.#storage.save(this.#region)
    this.#inNeed.add(wants)
    const { isReached, denied } = await this.#ask(wants)
    if (wants.length === 0 && isolate.chunks.length >= RUNS_MAX) await this.#relieve()
    const isOvertaken = message.number < isolate.number
    const asked = { ...message, wants: isOvertaken ? [] : wants }
    const said = lend(this.#region, asked, denied, this.#timing(Date.now()))
    this.#inNeed.delete(wants)
    this.#storage.save(this.#region)
    await this.#goOn()
    if (!isReached && said.grants.length + said.denials.length < asked.wants.length) {
      throw new Error('the tenant’s limiter is out of reach')
    }
    const health = this.#health.goOn(message.health, before, Date.now())
    const isBehind = message.switchesSeen !== undefined && message.switchesSeen < this.#switches.revision
    const keyIds = message.reports.map(({ keyId }) => keyId)
    return {
      acknowledged: isolate.acknowledged,
      revokedKeyIds: keyIds.filter((keyId) => this.#revokedKeyIds.has(keyId)),
      ...this.#secretEndsOf(message),
      ...said,
      ...this.#slotsOf(message, said.ttlMs),
      ...(isBehind ? { switches: this.#switches } : {}),
      ...(isolate.cancelled.length > 0 ? { cancelled: isolate.cancelled } : {}),
      ...(health === null ? {} : { health }),
    }
  }

  async alarm(): Promise<void> {
    this.#alarmAtMs = null
    const nowMs = Date.now()
    this.#expire(nowMs)
    this.#prune(nowMs)
    this.#storage.save(this.#region)
    if (this.#isTalkDue(nowMs)) await this.#talk.ask([])
    await this.arm(Date.now())
  }

  /** Sets the alarm for whatever is due first. */
  async arm(nowMs: number): Promise<void> {
    const talkDueMs = this.#talk.isRunning ? nowMs + CONTACT_MS : this.#talkDueMs(nowMs)
    const next = Math.min(nextSubDueMs(this.#region) ?? Infinity, talkDueMs)
    if (next === Infinity || (this.#alarmAtMs !== null && this.#alarmAtMs <= next)) return
    this.#alarmAtMs = Math.max(next, nowMs)
    await this.#alarms.setAlarm(this.#alarmAtMs)
  }

  /** Slots that the region itself has hardly any longer aren't kept for anybody; nor does anybody hurry because of them. */
  #slotsOf(message: LimiterCall, ttlMs: number): Partial<LimiterReply> {
    if (ttlMs >= Math.min(SLOTS_MS_MIN, this.#ttlMs)) return {}
    const { subs } = this.#region
    const slotsLost = message.reports.flatMap(({ leaseId, isDone }) => {
      const isKept = subs.get(leaseId)?.upper.limited.slots === false
      return isDone || isKept ? [] : [leaseId]
    })
    return { ttlMs: this.#ttlMs, slotsLost }
  }

  #secretEndsOf({ reports }: LimiterCall): Pick<LimiterReply, 'secretEnds'> {
    if (this.#secretEnds.size === 0) return {}
    const keyIds = new Set(reports.map(({ keyId }) => keyId))
    const secretEnds = [...keyIds].flatMap((keyId) => this.#secretEnds.get(keyId) ?? [])
    return secretEnds.length === 0 ? {} : { secretEnds }
  }

  /** Has the tenant's limiter asked for what is lacking. */
  async #ask(
    wants: readonly LeaseWant[],
  ): Promise<{ readonly isReached: boolean; readonly denied: ReadonlyMap<string, Denial> }> {
    const denied = new Map<string, Denial>()
    for (const { path } of wants) if (this.#revokedKeyIds.has(path.keyId)) denied.set(nameOf(path), { kind: 'revoked' })
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const lacking = lackingIn(this.#region, wants, Date.now()).filter(({ path }) => !denied.has(nameOf(path)))
      if (lacking.length === 0) break
      const talked = await this.#talk.ask(lacking)
      if (!talked.isReached) return { isReached: false, denied }
      for (const wanted of lacking) {
        const denial = refusalFor(this.#region, wanted, talked)
        if (denial !== null) denied.set(nameOf(wanted.path), denial)
      }
    }
    return { isReached: true, denied }
  }

  /** Talks to the tenant's limiter behind everybody's back, if it is time to. */
  async #goOn(): Promise<void> {
    const nowMs = Date.now()
    if (!this.#talk.isRunning && this.#isTalkDue(nowMs)) void this.#talk.ask([])
    await this.arm(nowMs)
  }

  /** Lets an isolate's runs of events arrive before it sends more of them. */
  async #relieve(): Promise<void> {
    const { isReached } = await this.#talk.ask([])
    if (!isReached) await scheduler.wait(RUNS_WAIT_MS)
  }

  /** What isolates have told. What there is little left of goes back along with it, but for what is just being asked for. */
  #relayed(nowMs: number): readonly LimiterCall[] {
    this.#telling = this.#news
    const inNeed = new Set([...this.#inNeed].flat().map(({ path }) => nameOf(path)))
    for (const [name, lease] of this.#region.leases) if (!inNeed.has(name)) giveBackTail(lease)
    return relayOf(this.#isolates.values(), this.#head.tenantId, nowMs)
  }

  #ownMessage(talk: { readonly reports: readonly LeaseReport[]; readonly wants: readonly LeaseWant[] }): LimiterCall {
    this.#writeHead({ leaseCount: this.#region.leaseCount, messageCount: this.#head.messageCount + 1 })
    this.#storage.save(this.#region)
    const { tenantId, name: holder, messageCount: number } = this.#head
    const switchesSeen = this.#switches.revision
    const health = this.#healthAbove.talk(this.#isolatesAre, Date.now())
    return { v: LIMITS_VERSION, tenantId, holder, number, ...talk, admissions: [], chunks: [], switchesSeen, health }
  }

  #takeReplies(calls: readonly LimiterCall[], replies: readonly LimiterReply[]): void {
    for (const [index, relayed] of calls.slice(0, -1).entries()) {
      const isolate = this.#isolates.get(relayed.holder)
      const reply = replies[index]
      if (isolate !== undefined && reply !== undefined) takeRelayed(isolate, relayed, reply)
    }
    this.#told = this.#telling
    const own = replies.at(-1)
    if (own?.switches !== undefined && own.switches.revision > this.#switches.revision) this.#switches = own.switches
    if (own !== undefined) this.#healthAbove.take(own.health, Date.now())
    for (const keyId of own?.revokedKeyIds ?? []) {
      if (this.#revokedKeyIds.size >= REVOKED_MAX) this.#revokedKeyIds.clear()
      this.#revokedKeyIds.add(keyId)
      closeKey(this.#region, keyId)
    }
    const told = Map.groupBy(own?.secretEnds ?? [], ({ keyId }) => keyId)
    if (this.#secretEnds.size + told.size > REVOKED_MAX) this.#secretEnds.clear()
    for (const [keyId, ends] of told) this.#secretEnds.set(keyId, ends)
    this.#storage.save(this.#region)
  }

  /** Expires what is due; what was in flight under it may be spent. What nobody wants any more goes back. */
  #expire(nowMs: number): void {
    forgetPast(this.#region, this.#timing(nowMs))
    const before = nextSubDueMs(this.#region)
    for (const { id, holder } of expireSubs(this.#region, nowMs)) {
      const isolate = this.#isolates.get(holder)
      if (isolate === undefined) continue
      for (const [admission, { leaseId, nanoUsd }] of isolate.inFlight) {
        if (leaseId !== id) continue
        isolate.inFlight.delete(admission)
        noteSubInFlight(this.#region, id, nanoUsd)
      }
      this.#storage.writeIsolate(isolate)
    }
    if (before !== null && before <= nowMs) this.#news += 1
    if (nowMs >= this.#wantedAtMs + REST_AFTER_MS) restRegion(this.#region)
  }

  #isTalkDue(nowMs: number): boolean {
    if (this.#talkDueMs(nowMs) <= nowMs) return true
    if (nowMs < this.#talk.begunAtMs + RENEW_EVERY_MS) return false
    for (const lease of this.#region.leases.values()) if (lease.open > 0 && wantsRenewal(lease, nowMs)) return true
    return false
  }

  /** When the tenant's limiter is to hear of this region at the latest; Infinity for no need. */
  #talkDueMs(nowMs: number): number {
    if (this.#talk.isResting(nowMs)) return nowMs + CONTACT_MS / 2
    if (this.#news !== this.#told) return nowMs
    for (const isolate of this.#isolates.values()) if (isToRelay(isolate, nowMs)) return nowMs
    return hasToTalk(this.#region) ? this.#talk.begunAtMs + CONTACT_MS : Infinity
  }

  #isolateOf(id: string): KnownIsolate {
    const known = this.#isolates.get(id)
    if (known !== undefined) return known
    const isolate = newIsolate(id)
    this.#isolates.set(id, isolate)
    return isolate
  }

  /** Characters of events that may be held of an isolate. */
  #roomFor(isolate: KnownIsolate): number {
    let chars = 0
    for (const other of this.#isolates.values()) if (other !== isolate) chars += charsOf(other.chunks)
    return PENDING_CHARS_MAX - chars
  }

  #prune(nowMs: number): void {
    if (nowMs < this.#pruneAtMs) return
    this.#pruneAtMs = nowMs + PRUNE_EVERY_MS
    for (const [id, { seenAtMs, chunks, unconfirmed, inFlight }] of this.#isolates) {
      const keptMs = inFlight.size > 0 ? RETENTION_MS : QUIET_MS
      if (seenAtMs >= nowMs - keptMs || chunks.length + unconfirmed.size > 0) continue
      this.#isolates.delete(id)
      this.#storage.deleteIsolate(id)
    }
  }

  #writeHead(changed: Partial<RegionHead>): void {
    this.#head = { ...this.#head, ...changed }
    this.#storage.writeHead(this.#head)
  }

  #timing(nowMs: number): Timing {
    return { nowMs, ttlMs: this.#ttlMs }
  }
}

/** The name goes with the storage: another life of the object is the same holder, and no other object ever is. */
function newHead(): RegionHead {
  return { name: `region-${crypto.randomUUID()}`, tenantId: '', leaseCount: 0, messageCount: 0 }
}
