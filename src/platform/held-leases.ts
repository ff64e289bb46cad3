// The leases that an isolate holds of one tenant: which one a request is admitted from, and what to tell and to ask of
// the limiter about them. A key has one lease, and another for each set of models that have limits of their own.
import type { Counts } from '../core/limits/amounts.ts'
import {
  type HeldLease,
  accept,
  emptyLease,
  free,
  giveBack,
  heard,
  isLikelyUsed,
  report,
  restartRate,
  tell,
  want,
  wantsRenewal,
} from '../core/limits/lease.ts'
import type { LeaseInHand } from '../ports.ts'
import { QUIET_MS } from './idle-watch.ts'
import {
  type LeaseReport,
  type LeaseWant,
  type LimiterPath,
  type LimiterReply,
  matchesModel,
} from '../core/limits/limits.ts'

/** What a message tells of the leases, and asks for. */
export interface LeaseTalk {
  readonly reports: readonly LeaseReport[]
  readonly wants: readonly LeaseWant[]
  /** What is reported. */
  readonly leases: readonly HeldLease[]
}

/** A path whose lease has too little, and by how much. */
export interface Shortage {
  readonly path: LimiterPath
  readonly amounts: Counts
  /** With how much money of `amounts` it makes do; null for all of it. */
  readonly leastNanoUsd: number | null
}

/** Keys whose models are known at once: of those beyond, only the ones that hold a lease. */
const PATTERNS_MAX = 10_000

/** What has to be told waits this long for company, at most. */
const FLUSH_MS = 50
/** How long a message takes, while nothing is known of that. */
const CONTACT_MS = 250
/** Share of the latest message in what one is taken to last. */
const CONTACT_WEIGHT = 0.25

export class HeldLeases {
  readonly #holder: string
  readonly #leases = new Map<string, HeldLease>()
  readonly #closing = new Set<HeldLease>()
  /** Models with limits of their own, by key; keys that the limiter told of. */
  readonly #patterns = new Map<string, readonly string[]>()
  readonly #aheadRequests: number | undefined
  /** How long it takes of late until the limiter has heard of something and its answer is here. */
  contactMs = CONTACT_MS + FLUSH_MS
  #count = 0
  #latest: LeaseTalk | null = null

  /** `aheadRequests`: how many requests ahead a lease asks for; as usual where it isn't given. */
  constructor(holder: string, aheadRequests?: number) {
    this.#holder = holder
    this.#aheadRequests = aheadRequests
  }

  get isEmpty(): boolean {
    return this.#leases.size === 0 && this.#closing.size === 0
  }

  /** Names the lease that covers a path: paths with the same limits share one. */
  nameOf({ keyId, model }: LimiterPath): string {
    const patterns = this.#patterns.get(keyId)
    if (patterns === undefined) return `${keyId}\n?`
    if (patterns.length === 0) return keyId
    return [keyId, ...patterns.filter((pattern) => matchesModel(pattern, model))].join('\n')
  }

  of(path: LimiterPath): HeldLease | undefined {
    return this.#leases.get(this.nameOf(path))
  }

  /** What a path's lease has left, without taking any of it; null where it admits nothing. */
  inHand(path: LimiterPath, nowMs: number): LeaseInHand | null {
    const lease = this.of(path)
    const expiresInMs = (lease?.deadlineMs ?? 0) - nowMs
    if (lease === undefined || lease.isClosing || expiresInMs <= 0) return null
    const left = free(lease)
    // Of money only so much may be reserved before the limiter has heard of it.
    const nanoUsd = Math.min(left.nanoUsd, lease.blindNanoUsd - lease.unheardNanoUsd)
    return { free: { ...left, nanoUsd }, limited: lease.limited, expiresInMs }
  }

  /** What there is to say. `shortages` in order of arrival. */
  talk(shortages: readonly Shortage[], nowMs: number): LeaseTalk {
    const wants = this.#wants(shortages, nowMs)
    for (const lease of this.#leases.values()) if (lease.open === 0 && isPast(lease, nowMs)) this.close(lease)
    const leases = [...this.#leases.values(), ...this.#closing]
    for (const lease of leases) tell(lease)
    this.#latest = { reports: leases.map(report), wants, leases }
    return this.#latest
  }

  /** Takes in what the limiter answered to `talk`. */
  take(talk: LeaseTalk, reply: LimiterReply, sentAtMs: number, nowMs: number): void {
    const { reports, wants, leases } = talk
    const isLatest = talk === this.#latest
    for (const lease of leases) {
      if (isLatest && !reply.slotsLost.includes(lease.id)) heard(lease, sentAtMs, reply.ttlMs)
    }
    this.contactMs += (nowMs - sentAtMs + FLUSH_MS - this.contactMs) * CONTACT_WEIGHT
    for (const { leaseId, isDone } of reports) if (isDone) this.#forgetClosed(leaseId)
    const paths = new Map(wants.map((wanted) => [wanted.leaseId, wanted.path]))
    for (const { leaseId, patterns } of [...reply.grants, ...reply.denials]) {
      const path = paths.get(leaseId)
      if (path !== undefined) this.#learnPatterns(path, leaseId, patterns)
    }
    // A grant that comes late is repeated with the answer to the latest message.
    for (const grant of isLatest ? reply.grants : []) {
      const lease = this.#byId(grant.leaseId)
      if (lease !== undefined) accept(lease, grant, sentAtMs)
    }
    for (const leaseId of reply.closedLeases ?? []) this.closeById(leaseId)
  }

  /** Admits nothing more from it; what is free goes back. */
  close(lease: HeldLease): void {
    giveBack(lease)
    lease.isClosing = true
    for (const [name, held] of this.#leases) if (held === lease) this.#leases.delete(name)
    this.#closing.add(lease)
  }

  /** Closes the lease of that id, if it is held. */
  closeById(leaseId: string): void {
    const lease = this.#byId(leaseId)
    if (lease !== undefined) this.close(lease)
  }

  /** Closes every lease of a key. */
  closeKey(keyId: string): void {
    for (const lease of [...this.#leases.values()]) if (lease.path.keyId === keyId) this.close(lease)
  }

  /** Nobody has asked for long: what nothing runs under is closed, the rest gives back what is free. What is likely to be asked for
   *  soon may be kept: whether anything is. */
  rest(nowMs: number, mayKeep: boolean): boolean {
    let isKept = false
    for (const lease of [...this.#leases.values()]) {
      if (mayKeep && isLikelyUsed(lease, QUIET_MS, nowMs)) isKept = true
      else if (lease.open === 0) this.close(lease)
      else giveBack(lease)
    }
    return isKept
  }

  #wants(shortages: readonly Shortage[], nowMs: number): LeaseWant[] {
    const asking = new Map<string, Pick<Shortage, 'path' | 'leastNanoUsd'> & { readonly waiting: Counts[] }>()
    for (const { path, amounts, leastNanoUsd } of shortages) {
      const name = this.nameOf(path)
      const entry = asking.get(name) ?? { path, leastNanoUsd, waiting: [] }
      entry.waiting.push(amounts)
      asking.set(name, entry)
    }
    for (const [name, lease] of this.#leases) {
      if (!asking.has(name) && lease.open > 0 && wantsRenewal(lease, nowMs)) {
        asking.set(name, { path: lease.path, leastNanoUsd: null, waiting: [] })
      }
    }
    return [...asking].map(([name, { path, leastNanoUsd, waiting }]) => {
      const lease = this.#live(name, path, nowMs)
      restartRate(lease, nowMs)
      lease.contactMs = this.contactMs
      return want(lease, waiting, nowMs, leastNanoUsd)
    })
  }

  /** The lease of that name, or a new one where there is none or its deadline has passed. */
  #live(name: string, path: LimiterPath, nowMs: number): HeldLease {
    const known = this.#leases.get(name)
    if (known !== undefined && !isPast(known, nowMs)) return known
    if (known !== undefined) this.close(known)
    this.#count += 1
    const lease = emptyLease(`${this.#holder}:${this.#count}`, path, nowMs, this.#aheadRequests)
    if (known !== undefined) lease.rateAmounts = known.rateAmounts
    this.#leases.set(name, lease)
    return lease
  }

  /** A lease that was asked for before the patterns were known gets its proper name. */
  #learnPatterns(path: LimiterPath, leaseId: string, patterns: readonly string[]): void {
    const before = this.nameOf(path)
    if (this.#patterns.size >= PATTERNS_MAX) this.#forgetPatterns()
    this.#patterns.set(path.keyId, patterns)
    const name = this.nameOf(path)
    const lease = this.#leases.get(before)
    if (name === before || lease?.id !== leaseId) return
    const other = this.#leases.get(name)
    if (other !== undefined) this.close(other)
    this.#leases.delete(before)
    this.#leases.set(name, lease)
  }

  /** Keys without a lease: they ask as if for the first time. */
  #forgetPatterns(): void {
    const held = new Set([...this.#leases.values()].map(({ path }) => path.keyId))
    for (const keyId of this.#patterns.keys()) if (!held.has(keyId)) this.#patterns.delete(keyId)
  }

  #byId(leaseId: string): HeldLease | undefined {
    for (const lease of this.#leases.values()) if (lease.id === leaseId) return lease
    return undefined
  }

  #forgetClosed(leaseId: string): void {
    for (const lease of this.#closing) if (lease.id === leaseId) this.#closing.delete(lease)
  }
}

/** With what it makes do. */
export function leastOf({ amounts, leastNanoUsd }: Shortage): Counts {
  return leastNanoUsd === null ? amounts : { ...amounts, nanoUsd: leastNanoUsd }
}

/** Granted once, and over. */
function isPast(lease: HeldLease, nowMs: number): boolean {
  return lease.deadlineMs > 0 && nowMs >= lease.deadlineMs
}
