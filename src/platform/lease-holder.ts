// One isolate's dealings with one tenant's limiter: holds leases, admits from them, and ships what happened. Knows no
// Cloudflare type: the object is a function that takes a message. State is shared by all requests of the isolate, and
// a request may die at any await, so nothing here waits on another request's promise without a deadline.
import type { Amounts, Denial, LimiterCall, LimiterPath, LimiterReply, LeaseWant } from '../core/limits.ts'
import {
  type HeldLease,
  accept,
  emptyLease,
  giveBack,
  report,
  reserve,
  restartRate,
  settle,
  want,
  wantsRenewal,
} from '../core/lease.ts'
import type { UsageEvent } from '../core/usage-event.ts'
import { type Later, type Refusal, type Reservation, isAdmitted } from '../ports.ts'
import { EventJournal } from './event-journal.ts'

/** The outside world of a holder. */
export interface HolderPorts {
  readonly send: (message: LimiterCall) => Promise<LimiterReply>
  readonly nowMs: () => number
  readonly sleep: (ms: number) => Promise<void>
  readonly onRevoked: (keyIds: readonly string[]) => void
}

interface Waiter {
  readonly path: LimiterPath
  readonly amounts: Amounts
  readonly template: UsageEvent
  readonly resolve: (result: Reservation | Refusal) => void
}

/** Group commit: records wait at most this long for company. */
const FLUSH_DELAY_MS = 25
/** Unused allowance goes back after so long without a request. */
const IDLE_MS = 8_000
/** A refusal is remembered for at most this long. */
const DENIAL_MS_MAX = 1_000
/** An exchange that takes longer is taken for lost. */
const EXCHANGE_MS_MAX = 5_000
/** How often a message is sent that is turned away at once. */
const SENDS_MAX = 2
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
  readonly #leases = new Map<string, HeldLease>()
  readonly #closing = new Set<HeldLease>()
  readonly #denials = new Map<
    string,
    { readonly untilMs: number; readonly amounts: Amounts; readonly denial: Denial }
  >()
  readonly #journal = new EventJournal()
  #waiters: Waiter[] = []
  #leaseCount = 0
  #messageCount = 0
  #ttlMs = 30_000
  #exchangeSinceMs: number | null = null
  #mustExchangeAgain = false
  #isRetrying = false
  #flushDueMs: number | null = null
  #idleDueMs: number | null = null
  #lastUseMs = 0

  constructor(tenantId: string, holder: string, ports: HolderPorts) {
    this.#tenantId = tenantId
    this.#holder = holder
    this.#ports = ports
  }

  /** True when nothing is held, owed or waited for. */
  get isIdle(): boolean {
    return this.#leases.size === 0 && this.#closing.size === 0 && this.#waiters.length === 0 && this.#journal.isEmpty
  }

  /** Admits from the lease in hand, without asking anyone; a promise only when the limiter has to be asked. */
  admit(
    path: LimiterPath,
    amounts: Amounts,
    template: UsageEvent,
    later: Later,
  ): Reservation | Promise<Reservation | Refusal> {
    const nowMs = this.#ports.nowMs()
    this.#lastUseMs = nowMs
    if (this.#journal.isFull) return Promise.resolve({ kind: 'unavailable' })
    const lease = this.#leases.get(path.keyId)
    if (lease !== undefined && this.#waiters.length === 0 && reserve(lease, amounts, nowMs)) {
      this.#renewAhead(lease, nowMs, later)
      this.#flushSoon(later)
      return this.#reservation(lease, amounts, template)
    }
    return this.#ask(path, amounts, template, nowMs, later)
  }

  /** Hands over an event that has no reservation and costs nothing (a cache hit). With a full journal, while the limiter
   *  is away, it is let go of: there is no money in it. */
  record(event: UsageEvent, later: Later): void {
    this.#lastUseMs = this.#ports.nowMs()
    if (this.#journal.isFull) return
    this.#journal.add(event)
    this.#flushSoon(later)
  }

  /** Drops what is held for a key; the next request asks anew. */
  forget(keyId: string): void {
    const lease = this.#leases.get(keyId)
    if (lease !== undefined) this.#close(lease)
  }

  #reservation(lease: HeldLease, amounts: Amounts, template: UsageEvent): Reservation {
    const id = `${template.requestId}#${template.attempt}`
    this.#journal.admit(id, { leaseId: lease.id, reserved: amounts, template })
    let isSettled = false
    return {
      amounts,
      limitsMoney: lease.limitsMoney,
      settle: (actual, event, later) => {
        if (isSettled) return
        isSettled = true
        settle(lease, amounts, actual)
        if (lease.isTail) giveBack(lease)
        this.#journal.settle(id, event)
        this.#flushSoon(later)
      },
      keepAliveMs: this.#ttlMs / 4,
      keepAlive: (later) => this.#renewAhead(lease, this.#ports.nowMs(), later),
    }
  }

  /** Renews in the background; an exchange under way has seen to it already. */
  #renewAhead(lease: HeldLease, nowMs: number, later: Later): void {
    if (this.#exchangeSinceMs === null && wantsRenewal(lease, nowMs)) this.#exchangeSoon(later)
  }

  async #ask(
    path: LimiterPath,
    amounts: Amounts,
    template: UsageEvent,
    nowMs: number,
    later: Later,
  ): Promise<Reservation | Refusal> {
    const denied = this.#denials.get(path.keyId)
    if (denied !== undefined && nowMs < denied.untilMs && coversDenied(amounts, denied.amounts)) {
      return aged(denied.denial, denied.untilMs - nowMs)
    }
    if (this.#waiters.length >= WAITERS_MAX) return { kind: 'unavailable' }
    const answered = new Promise<Reservation | Refusal>((resolve) => {
      this.#waiters.push({ path, amounts, template, resolve })
    })
    const waiter = this.#waiters[this.#waiters.length - 1]
    this.#exchangeSoon(later)
    const expired = this.#ports.sleep(WAIT_MS_MAX).then((): Refusal => {
      // Nobody would settle a reservation that came after all.
      this.#waiters = this.#waiters.filter((waiting) => waiting !== waiter)
      return { kind: 'unavailable' }
    })
    const result = await Promise.race([answered, expired])
    if (isAdmitted(result)) this.#flushSoon(later)
    return result
  }

  #flushSoon(later: Later): void {
    const nowMs = this.#ports.nowMs()
    this.#returnWhenIdle(nowMs, later)
    if (this.#flushDueMs !== null && nowMs < this.#flushDueMs + EXCHANGE_MS_MAX) return
    this.#flushDueMs = nowMs + FLUSH_DELAY_MS
    later(
      this.#ports.sleep(FLUSH_DELAY_MS).then(() => {
        this.#flushDueMs = null
        return this.#exchange()
      }),
    )
  }

  #exchangeSoon(later: Later): void {
    later(this.#exchange())
  }

  /** Watches for idleness on behalf of all requests; re-armed by whichever request finds nobody watching. */
  #returnWhenIdle(nowMs: number, later: Later): void {
    if (this.#idleDueMs !== null && nowMs < this.#idleDueMs + EXCHANGE_MS_MAX) return
    this.#idleDueMs = nowMs + IDLE_MS
    later(
      this.#ports.sleep(IDLE_MS).then(() => {
        this.#idleDueMs = null
        const idleMs = this.#ports.nowMs() - this.#lastUseMs
        if (idleMs < IDLE_MS) return this.#returnWhenIdle(this.#ports.nowMs(), later)
        for (const lease of this.#leases.values()) {
          if (lease.open === 0) this.#close(lease)
          else giveBack(lease)
        }
        return this.#exchange()
      }),
    )
  }

  /** Ships everything there is and asks for what is waited for. One at a time; a second call is folded into the next.
   *  What could not be shipped is tried again a few times, in case no further request comes along. */
  async #exchange(): Promise<void> {
    const nowMs = this.#ports.nowMs()
    if (this.#exchangeSinceMs !== null && nowMs < this.#exchangeSinceMs + EXCHANGE_MS_MAX) {
      this.#mustExchangeAgain = true
      return
    }
    let hasArrived = true
    do {
      this.#exchangeSinceMs = this.#ports.nowMs()
      this.#mustExchangeAgain = false
      hasArrived = await this.#exchangeOnce()
    } while (this.#mustExchangeAgain)
    this.#exchangeSinceMs = null
    if (!hasArrived) await this.#tryAgain()
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
    const message = this.#message(sentAtMs)
    if (message === null) return true
    const reply = await this.#sendInTime(message)
    if (reply === null) {
      this.#journal.unsent(message.admissions)
      this.#failWaiters()
      return false
    }
    this.#ttlMs = reply.ttlMs
    this.#journal.acknowledge(reply.acknowledged)
    for (const sent of message.reports) if (sent.isDone) this.#forgetClosed(sent.leaseId)
    for (const grant of reply.grants) {
      const lease = this.#leaseById(grant.leaseId)
      if (lease !== undefined) accept(lease, grant, sentAtMs)
    }
    if (reply.revokedKeyIds.length > 0) {
      for (const keyId of reply.revokedKeyIds) this.forget(keyId)
      this.#ports.onRevoked(reply.revokedKeyIds)
    }
    this.#serveWaiters(message.wants, reply)
    return true
  }

  /** Null when no answer came in time. An object that was just restarted (a deployment does that) is asked once more:
   *  a message may be repeated. */
  async #sendInTime(message: LimiterCall): Promise<LimiterReply | null> {
    const late = this.#ports.sleep(EXCHANGE_MS_MAX).then(() => null)
    for (let sends = 1; ; sends++) {
      try {
        return await Promise.race([this.#ports.send(message), late])
      } catch {
        if (sends === SENDS_MAX) return null
      }
    }
  }

  #message(nowMs: number): LimiterCall | null {
    const { chunks, admissions } = this.#journal.outgoing()
    const wants = this.#wants(nowMs)
    for (const lease of this.#leases.values()) if (lease.open === 0 && isPast(lease, nowMs)) this.#close(lease)
    const leases = [...this.#leases.values(), ...this.#closing]
    const reports = leases.map(report)
    if (wants.length === 0 && chunks.length === 0 && admissions.length === 0 && reports.length === 0) return null
    this.#messageCount += 1
    return {
      tenantId: this.#tenantId,
      holder: this.#holder,
      number: this.#messageCount,
      reports,
      admissions,
      chunks,
      wants,
    }
  }

  #wants(nowMs: number): LeaseWant[] {
    const waiting = new Map<string, { readonly path: LimiterPath; readonly amounts: Amounts[] }>()
    for (const waiter of this.#waiters) {
      const entry = waiting.get(waiter.path.keyId) ?? { path: waiter.path, amounts: [] }
      entry.amounts.push(waiter.amounts)
      waiting.set(waiter.path.keyId, entry)
    }
    for (const lease of this.#leases.values()) {
      const keyId = lease.path.keyId
      if (!waiting.has(keyId) && lease.open > 0 && wantsRenewal(lease, nowMs)) {
        waiting.set(keyId, { path: lease.path, amounts: [] })
      }
    }
    return [...waiting.values()].map(({ path, amounts }) => {
      const lease = this.#liveLease(path, nowMs)
      restartRate(lease, nowMs)
      return want(lease, amounts, nowMs)
    })
  }

  /** The key's lease, or a new one where there is none or its deadline has passed. */
  #liveLease(path: LimiterPath, nowMs: number): HeldLease {
    const known = this.#leases.get(path.keyId)
    if (known !== undefined && !isPast(known, nowMs)) return known
    if (known !== undefined) this.#close(known)
    this.#leaseCount += 1
    const lease = emptyLease(`${this.#holder}:${this.#leaseCount}`, path, nowMs)
    if (known !== undefined) lease.rateAmounts = known.rateAmounts
    this.#leases.set(path.keyId, lease)
    return lease
  }

  #close(lease: HeldLease): void {
    lease.isClosing = true
    this.#leases.delete(lease.path.keyId)
    this.#closing.add(lease)
  }

  #forgetClosed(leaseId: string): void {
    for (const lease of this.#closing) if (lease.id === leaseId) this.#closing.delete(lease)
  }

  #leaseById(leaseId: string): HeldLease | undefined {
    for (const lease of this.#leases.values()) if (lease.id === leaseId) return lease
    return undefined
  }

  #serveWaiters(wants: readonly LeaseWant[], reply: LimiterReply): void {
    const keyIds = new Map(wants.map((want) => [want.leaseId, want.path.keyId]))
    const denials = new Map(reply.denials.map((entry) => [keyIds.get(entry.leaseId), entry.denial]))
    const nowMs = this.#ports.nowMs()
    const waiting = this.#waiters
    this.#waiters = []
    for (const waiter of waiting) {
      const lease = this.#leases.get(waiter.path.keyId)
      const denial = denials.get(waiter.path.keyId)
      if (lease !== undefined && reserve(lease, waiter.amounts, nowMs)) {
        waiter.resolve(this.#reservation(lease, waiter.amounts, waiter.template))
      } else if (denial !== undefined && denial.kind !== 'stale-lease') {
        this.#remember(waiter, denial, nowMs)
        waiter.resolve(denial)
      } else this.#waiters.push(waiter)
    }
    for (const [keyId, denial] of denials) if (denial.kind === 'stale-lease' && keyId !== undefined) this.forget(keyId)
    if (this.#waiters.length > 0) this.#mustExchangeAgain = true
  }

  #remember(waiter: Waiter, denial: Denial, nowMs: number): void {
    const retryMs = 'retryAfterMs' in denial ? (denial.retryAfterMs ?? DENIAL_MS_MAX) : DENIAL_MS_MAX
    const untilMs = nowMs + Math.min(DENIAL_MS_MAX, retryMs)
    this.#denials.set(waiter.path.keyId, { untilMs, amounts: waiter.amounts, denial })
  }

  #failWaiters(): void {
    const waiting = this.#waiters
    this.#waiters = []
    for (const waiter of waiting) waiter.resolve({ kind: 'unavailable' })
  }
}

/** Granted once, and over. */
function isPast(lease: HeldLease, nowMs: number): boolean {
  return lease.deadlineMs > 0 && nowMs >= lease.deadlineMs
}

function coversDenied(amounts: Amounts, denied: Amounts): boolean {
  return amounts.tokens >= denied.tokens && amounts.nanoUsd >= denied.nanoUsd
}

/** A remembered denial, with the wait that is left of it. */
function aged(denial: Denial, leftMs: number): Denial {
  if (denial.kind !== 'rate' || denial.retryAfterMs === null) return denial
  return { ...denial, retryAfterMs: Math.max(denial.retryAfterMs, leftMs) }
}
