// One isolate's dealings with one tenant's limiter: holds leases, admits from them, and ships what happened. Knows no
// Cloudflare type: the object is a function that takes a message. State is shared by all requests of the isolate, and
// a request may die at any await, so nothing here waits on another request's promise without a deadline.
import { type Counts, counted } from '../core/limits/amounts.ts'
import { type HeldLease, isAwaited, reserve, reserveWithin, wantsRenewal } from '../core/limits/lease.ts'
import {
  type AdmissionRecord,
  type Amounts,
  type Denial,
  LEASE_TTL_MS,
  LIMITS_VERSION,
  type LimiterCall,
  type LimiterPath,
  type LimiterReply,
} from '../core/limits/limits.ts'
import type { UsageEvent } from '../core/money/usage-event.ts'
import type { Later, LeaseInHand, Refusal } from '../ports.ts'
import { Denials, denialFor } from './denials.ts'
import { EventJournal, type Journal } from './event-journal.ts'
import { ExchangeTurns, sentInTime } from './exchange-turns.ts'
import { CommitPace } from './group-commit.ts'
import type { HeldReservation, HolderManner, HolderPorts } from './holder-ports.ts'
import { HeldLeases, type LeaseTalk, type Shortage, leastOf } from './held-leases.ts'
import { HolderNews, type WhyNot } from './holder-news.ts'
import { type Holding, idOf } from './holding.ts'
import { IdleWatch } from './idle-watch.ts'
import type { KnownKeys } from './known-keys.ts'
import { LeasedReservation, type ReservationDesk, RetractableReservation } from './leased-reservation.ts'

export type { HeldReservation, HolderManner, HolderPorts } from './holder-ports.ts'

interface Waiter extends Shortage {
  /** Whether the limiter was asked on its behalf: what it has got since is all there is. */
  isAsked: boolean
  /** Takes what it waits for from a lease; false when that hasn't as much. */
  readonly serve: (lease: HeldLease, nowMs: number, isAsked: boolean) => boolean
  readonly refuse: (refusal: Refusal) => void
  /** What has come to light against it since it waits. */
  readonly whyNot: WhyNot
}

/** While something runs, the limiter is heard of about this often: it may have news of a revocation or of a switch. */
const CONTACT_MS = 3_000
/** Group commit: what is owed waits at most this long for company. */
const FLUSH_DELAY_MS = 25
/** What could not be shipped is tried again after this, doubling, so many times. */
const RETRY_MS = 1_000
const RETRIES_MAX = 4
/** A waiting request gives up after this. */
const WAIT_MS_MAX = 6_000
/** Requests that may wait for a lease at once. */
const WAITERS_MAX = 10_000

export class LeaseHolder {
  readonly #tenantId: string
  readonly #holder: string
  readonly #ports: HolderPorts
  readonly #leases: HeldLeases
  readonly #denials = new Denials()
  readonly #journal: Journal
  readonly #manner: HolderManner | null
  readonly #news: HolderNews
  readonly #desk: ReservationDesk
  #waiters: Waiter[] = []
  #messageCount = 0
  #ttlMs = LEASE_TTL_MS
  readonly #turns = new ExchangeTurns()
  /** Admissions of a message that hasn't been answered: they go out with the next. */
  #unanswered: readonly AdmissionRecord[] = []
  #isRetrying = false
  readonly #commits: CommitPace
  /** Unused allowance goes back when nobody asks any more. */
  readonly #idleness: IdleWatch
  #lastHeardMs = 0
  /** What could be admitted on a path without asking anybody; null for nothing. Takes nothing. */
  readonly inHand = (path: LimiterPath): LeaseInHand | null => this.#leases.inHand(path, this.#ports.nowMs())

  constructor(tenantId: string, holder: string, ports: HolderPorts, manner: HolderManner | null = null) {
    this.#tenantId = tenantId
    this.#holder = holder
    this.#manner = manner
    this.#journal = manner?.journal ?? new EventJournal()
    this.#leases = new HeldLeases(holder, manner?.aheadRequests)
    this.#commits = new CommitPace(manner?.flushDelayMs ?? FLUSH_DELAY_MS)
    this.#ports = ports
    this.#news = new HolderNews(ports)
    this.#desk = this.#deskOf()
    this.#idleness = new IdleWatch(ports, async (mayWait) => {
      const isKept = this.#leases.rest(ports.nowMs(), mayWait && manner === null)
      await this.#exchange()
      return isKept
    })
  }

  get keys(): KnownKeys {
    return this.#news.keys
  }

  /** True when nothing is held, owed or waited for. */
  get isIdle(): boolean {
    return this.#leases.isEmpty && this.#waiters.length === 0 && this.#journal.isEmpty
  }

  /** Admits from the lease in hand, without asking anyone; a promise only when the limiter has to be asked. With less money
   *  than `amounts` say, but `leastNanoUsd`, only when the limiter has no more. */
  admit(
    path: LimiterPath,
    amounts: Amounts,
    template: UsageEvent,
    later: Later,
    leastNanoUsd: number | null = null,
  ): HeldReservation | Promise<HeldReservation | Refusal> {
    const nowMs = this.#ports.nowMs()
    this.#idleness.note(nowMs)
    if (this.#journal.isFull) return Promise.resolve({ kind: 'unavailable', isFull: true })
    const counts = counted(amounts)
    const lease = this.#leases.of(path)
    if (lease !== undefined && this.#waiters.length === 0 && reserve(lease, counts, nowMs)) {
      this.#renewAhead(lease, nowMs, later)
      this.#flushSoon(later)
      return this.#reservation(lease, path, counts, template)
    }
    return this.#askToAdmit({ path, amounts: counts, leastNanoUsd }, template, nowMs, later)
  }

  /** Hands over an event that has no reservation: of a cache hit, or of what was let through unchecked. With a full journal,
   *  while the limiter is away, it is let go of if there is no money in it. */
  record(event: UsageEvent, later: Later): void {
    this.#idleness.note(this.#ports.nowMs())
    if (this.#journal.isFull && event.costNanoUsd === 0) return
    this.keys.answered(event.keyId)
    this.#journal.add(event)
    this.#flushSoon(later, true)
  }

  /** Makes an attempt known that other limits let in: should this isolate die, it is booked as lost. Tells whether an operator
   *  wants it to end. */
  announce(template: UsageEvent, reserved: Amounts, later: Later): () => boolean {
    const id = idOf(template)
    this.#journal.admit(id, { leaseId: '', reserved: counted(reserved), limitsMoney: false, template })
    this.#flushSoon(later)
    return () => this.#news.isCancelled(id)
  }

  /** Hands over the event of what was announced. */
  conclude(event: UsageEvent, later: Later): void {
    this.#journal.settle(idOf(event), event)
    this.#flushSoon(later, true)
  }

  /** Drops what is held for a key; the next request asks anew. */
  forget(keyId: string): void {
    this.#leases.closeKey(keyId)
  }

  revoke(keyId: string): void {
    this.keys.revoke(keyId)
    this.forget(keyId)
  }

  #reservation(lease: HeldLease, path: LimiterPath, counts: Counts, template: UsageEvent): HeldReservation {
    const id = idOf(template)
    this.#journal.admit(id, { leaseId: lease.id, reserved: counts, limitsMoney: lease.limited.nanoUsd, template })
    const Reserved = this.#manner === null ? LeasedReservation : RetractableReservation
    return new Reserved(this.#desk, id, lease, path, counts)
  }

  /** What reservations ask of their holder. */
  #deskOf(): ReservationDesk {
    return {
      nowMs: this.#ports.nowMs,
      keepAliveMs: () => Math.min(this.#ttlMs / 4, CONTACT_MS / 2),
      settled: ({ id, lease, hasSlots }, event, later) => {
        if (hasSlots) this.#denials.forgetSlots()
        this.#journal.settle(id, event)
        this.#flushSoon(later, this.#manner === null, lease)
      },
      extend: (holding, path, more, later) => this.#extend(holding, path, more, later),
      keepAlive: (lease, later) => this.#keepAlive(lease, later),
      isRevoked: (keyId) => this.keys.isRevoked(keyId),
      isCancelled: (id) => this.#news.isCancelled(id),
    }
  }

  /** From the lease in hand, else after one call. */
  #extend(holding: Holding, path: LimiterPath, more: Counts, later: Later): boolean | Promise<boolean> {
    const nowMs = this.#ports.nowMs()
    for (const lease of [holding.lease, this.#leases.of(path)]) {
      if (lease !== undefined && holding.extend(lease, more, nowMs)) return true
    }
    if (holding.isSettled || this.#remembered(path, more, nowMs) !== null) return false
    const serve = (lease: HeldLease, atMs: number): boolean => holding.isSettled || holding.extend(lease, more, atMs)
    const shortage = { path, amounts: more, leastNanoUsd: null }
    return this.#ask(shortage, serve, null, later).then((refusal) => refusal === null && !holding.isSettled)
  }

  /** A lease that admits is renewed; one that only keeps slots, which it no longer can be, is told of. */
  #keepAlive(lease: HeldLease, later: Later): void {
    const nowMs = this.#ports.nowMs()
    const mustHear = this.#ports.switches !== undefined && nowMs >= this.#lastHeardMs + CONTACT_MS * 0.75
    if (mustHear && !this.#turns.isTaken) return this.#exchangeSoon(later)
    if (!lease.isClosing) return this.#renewAhead(lease, nowMs, later)
    const isDue = lease.limited.slots && nowMs >= lease.slotsUntilMs - this.#ttlMs / 2
    if (isDue && !this.#turns.isTaken) this.#exchangeSoon(later)
  }

  /** Renews in the background; an exchange under way has seen to it already. */
  #renewAhead(lease: HeldLease, nowMs: number, later: Later): void {
    if (!this.#turns.isTaken && wantsRenewal(lease, nowMs)) this.#exchangeSoon(later)
  }

  async #askToAdmit(
    shortage: Shortage,
    template: UsageEvent,
    nowMs: number,
    later: Later,
  ): Promise<HeldReservation | Refusal> {
    const { path, amounts, leastNanoUsd } = shortage
    const denied = this.#remembered(path, leastOf(shortage), nowMs)
    if (denied !== null) return denied
    if (this.#waiters.length >= WAITERS_MAX) return { kind: 'unavailable' }
    let reservation: HeldReservation | null = null
    const serve: Waiter['serve'] = (lease, atMs, isAsked) => {
      const least = isAsked ? (leastNanoUsd ?? amounts.nanoUsd) : amounts.nanoUsd
      const reserved = reserveWithin(lease, amounts, least, atMs)
      if (reserved === null) return false
      reservation = this.#reservation(lease, path, reserved, template)
      return true
    }
    const refusal = await this.#ask(shortage, serve, template.targetId, later)
    if (refusal === null) this.#flushSoon(later)
    return refusal ?? reservation ?? { kind: 'unavailable' }
  }

  /** Waits until `serve` took what it needs from a lease: null then, else why not. `targetId`: what is to be called then. */
  async #ask(
    shortage: Shortage,
    serve: Waiter['serve'],
    targetId: string | null,
    later: Later,
  ): Promise<Refusal | null> {
    const answered = new Promise<Refusal | null>((resolve) => {
      const served: Waiter['serve'] = (lease, atMs, isAsked) => {
        if (!serve(lease, atMs, isAsked)) return false
        resolve(null)
        return true
      }
      const whyNot = this.#news.watch(targetId)
      this.#waiters.push({ ...shortage, isAsked: false, serve: served, refuse: resolve, whyNot })
    })
    const waiter = this.#waiters[this.#waiters.length - 1]
    this.#exchangeSoon(later)
    const expired = this.#ports.sleep(WAIT_MS_MAX).then((): Refusal => {
      // Nobody would settle what came after all.
      this.#waiters = this.#waiters.filter((waiting) => waiting !== waiter)
      return { kind: 'unavailable' }
    })
    return Promise.race([answered, expired])
  }

  #remembered(path: LimiterPath, amounts: Counts, nowMs: number): Denial | null {
    return this.#denials.of(this.#leases.nameOf(path), amounts, nowMs)
  }

  /** `isUrgent`: what was answered is to be durable soon. `settled`: the lease under which something has just ended. */
  #flushSoon(later: Later, isUrgent = false, settled: HeldLease | null = null): void {
    const nowMs = this.#ports.nowMs()
    this.#idleness.watch(nowMs, later)
    if (this.#manner !== null && !this.#journal.hasNews && (settled === null || !isAwaited(settled))) return
    const dueMs = this.#commits.due(nowMs, isUrgent)
    if (dueMs === null) return
    // Never before its own answer has left: an exchange takes longer than a turn of the event loop.
    later(this.#ports.sleep(dueMs - nowMs).then(() => (this.#commits.isWanted(dueMs) ? this.#exchange() : undefined)))
  }

  #exchangeSoon(later: Later): void {
    later(this.#exchange())
  }

  /** Ships everything there is and asks for what is waited for, in turn; what comes meanwhile is folded into the next.
   *  What could not be shipped is tried again a few times, in case no further request comes along. */
  async #exchange(): Promise<void> {
    const turn = this.#turns.take(this.#ports.nowMs(), this.#waiters.length === 0 ? null : this.#leases.contactMs)
    if (turn === null) return
    let hasArrived = true
    do {
      // Only a tenant's limiter takes its time.
      this.#turns.start(this.#ports.nowMs(), this.#manner !== null || this.#waiters.length > 0)
      hasArrived = await this.#exchangeOnce()
    } while (this.#turns.goesOn(turn))
    if (this.#turns.end(turn) && !hasArrived) await this.#tryAgain()
  }

  /** One round of retries under way is enough, however many exchanges fail meanwhile. */
  async #tryAgain(): Promise<void> {
    if (this.#isRetrying) return
    this.#isRetrying = true
    for (let retry = 0; retry < RETRIES_MAX && !this.#journal.isEmpty; retry++) {
      await this.#ports.sleep(RETRY_MS * 2 ** retry)
      await this.#exchange()
    }
    this.#isRetrying = false
  }

  /** True when the limiter answered, or there was nothing to say. */
  async #exchangeOnce(): Promise<boolean> {
    const sentAtMs = this.#ports.nowMs()
    this.#journal.unsent(this.#unanswered)
    this.#unanswered = []
    const talk = this.#leases.talk(this.#waiters, sentAtMs)
    for (const waiter of this.#waiters) waiter.isAsked = true
    const message = this.#message(talk, sentAtMs)
    if (message === null) return true
    this.#commits.begun(sentAtMs)
    this.#unanswered = message.admissions
    const reply = await sentInTime(this.#ports, message)
    const isLatest = message.number === this.#messageCount
    if (reply === null) {
      if (isLatest) this.#failWaiters()
      return false
    }
    if (isLatest) this.#unanswered = []
    this.#news.take(message, reply, sentAtMs, isLatest)
    this.#ttlMs = reply.ttlMs
    this.#lastHeardMs = this.#ports.nowMs()
    this.#journal.acknowledge(reply.acknowledged)
    this.#leases.take(talk, reply, sentAtMs, this.#lastHeardMs)
    if (reply.revokedKeyIds.length > 0) {
      for (const keyId of reply.revokedKeyIds) this.revoke(keyId)
      this.#ports.onRevoked(reply.revokedKeyIds)
    }
    if (reply.secretEnds !== undefined) this.#ports.onSecretEnds?.(reply.secretEnds)
    if (isLatest) this.#serveWaiters(talk, reply)
    return true
  }

  #message({ reports, wants }: LeaseTalk, sentAtMs: number): LimiterCall | null {
    const { chunks, admissions } = this.#journal.outgoing()
    if (wants.length === 0 && chunks.length === 0 && admissions.length === 0 && reports.length === 0) return null
    this.#messageCount += 1
    return {
      v: LIMITS_VERSION,
      tenantId: this.#tenantId,
      holder: this.#holder,
      number: this.#messageCount,
      reports,
      admissions,
      chunks,
      wants,
      ...this.#news.told(sentAtMs),
    }
  }

  #serveWaiters({ wants }: LeaseTalk, reply: LimiterReply): void {
    const nowMs = this.#ports.nowMs()
    const denials = new Map<string, Denial>()
    for (const { leaseId, denial } of reply.denials) {
      const path = wants.find((wanted) => wanted.leaseId === leaseId)?.path
      if (denial.kind === 'stale-lease') this.#leases.closeById(leaseId)
      else if (path !== undefined) denials.set(this.#leases.nameOf(path), denial)
    }
    const waiting = this.#waiters
    this.#waiters = []
    const denied = new Map<string, Counts>()
    for (const waiter of waiting) {
      const refusal = waiter.whyNot(waiter.path)
      if (refusal !== null) {
        waiter.refuse(refusal)
        continue
      }
      const name = this.#leases.nameOf(waiter.path)
      const lease = this.#leases.of(waiter.path)
      if (lease !== undefined && waiter.serve(lease, nowMs, waiter.isAsked)) continue
      const denial = denials.get(name)
      // The first of that name is who it was said to; it holds for others as far as they ask for as much.
      const least = leastOf(waiter)
      const first = denied.get(name) ?? least
      denied.set(name, first)
      const own = denial === undefined ? null : denialFor(denial, first, least, 0)
      if (own === null) this.#waiters.push(waiter)
      else {
        if (first === least) this.#denials.remember(name, first, own, nowMs)
        waiter.refuse(own)
      }
    }
    if (this.#waiters.length > 0) this.#turns.goOn()
  }

  #failWaiters(): void {
    const waiting = this.#waiters
    this.#waiters = []
    for (const waiter of waiting) waiter.refuse({ kind: 'unavailable' })
  }
}
