// A simulation of a limiter and the isolates that hold leases from it: messages are lost, doubled, delayed and overtaken,
// isolates crash with attempts in flight, clocks are off by any amount, limits change, windows roll over. It knows what was
// really spent, and objects as soon as the books or the limits say otherwise. Everything follows from one seed.
import { strict as assert } from 'node:assert'
import type { HeldLease } from '../../src/core/lease.ts'
import * as leases from '../../src/core/lease.ts'
import type { Amounts, LeaseReport, LeaseWant, LimiterCall, LimiterNode, LimiterReply } from '../../src/core/limits.ts'
import { type Chance, chance } from './chance.ts'
import { Truth, checkLease } from './true-spend.ts'
import { AUTHORITY, type AuthorityMachine, type Receiver, exposures, node, receiver } from './limiter-receiver.ts'

/** The holder's half of the machinery under test. */
export type HolderMachine = typeof leases

export interface WorldOptions {
  readonly seed: number
  readonly steps: number
  /** Attempts may cost more than they reserved: limits may be passed then, the books must still add up. */
  readonly mayOverrun?: boolean
  /** The limits change now and then. */
  readonly reconfigures?: boolean
  readonly crashes?: boolean
  /** Rate limits only, used to the full, with leases that often run out: what brings a token too many to light. */
  readonly tight?: boolean
  /** Every message arrives twice in a row. */
  readonly doubled?: boolean
  readonly authority?: AuthorityMachine
  readonly holder?: HolderMachine
}

interface Attempt {
  readonly lease: HeldLease
  readonly reserved: Amounts
  readonly actual: Amounts
}

interface Isolate {
  readonly name: string
  /** Its clock minus the true one. */
  readonly offsetMs: number
  readonly leases: Map<string, HeldLease>
  readonly closing: Set<HeldLease>
  attempts: Attempt[]
  leaseCount: number
  messageCount: number
  /** When its latest message left, on the true clock; null when that was answered. One is out at a time. */
  waitingSinceMs: number | null
  isCrashed: boolean
}

type Packet =
  | { readonly kind: 'call'; readonly isolate: Isolate; readonly message: LimiterCall; readonly sentAtMs: number }
  | {
      readonly kind: 'reply'
      readonly isolate: Isolate
      readonly reply: LimiterReply
      readonly sentAtMs: number
      /** Of the message that it answers, with what that reported. */
      readonly number: number
      readonly reported: readonly LeaseReport[]
    }

const TTL_MS = 30_000
const ZONES = ['UTC', 'Europe/Berlin', 'Asia/Kathmandu', 'America/Havana', 'Australia/Lord_Howe'] as const
const KEYS = ['k1', 'k2', 'k3'] as const
/** What takes longer is taken for lost. */
const EXCHANGE_MS_MAX = 5_000
const HOUR_MS = 3_600_000

export class LeaseWorld {
  readonly receiver: Receiver
  admitted = 0
  denied = 0
  readonly #options: WorldOptions
  readonly #chance: Chance
  readonly #holder: HolderMachine
  readonly #limitScale: number
  readonly #timeZone: string
  #nowMs: number
  #revision = 1
  #isolates: Isolate[] = []
  #isolateCount = 0
  #net: Packet[] = []
  readonly #truth: Truth

  constructor(options: WorldOptions) {
    this.#options = options
    this.#chance = chance(options.seed)
    this.#holder = options.holder ?? leases
    this.#limitScale = this.#chance.pick([500, 5_000, 50_000])
    this.#timeZone = this.#chance.pick(ZONES)
    this.#nowMs = Date.UTC(2026, this.#chance.below(12), 1 + this.#chance.below(28)) - this.#chance.below(2 * HOUR_MS)
    this.receiver = receiver(this.#config(), this.#nowMs, TTL_MS, options.authority ?? AUTHORITY)
    this.#truth = new Truth(this.receiver.authority)
    for (let count = 1 + this.#chance.below(4); count > 0; count--) this.#addIsolate()
  }

  /** Runs it to its end and throws at the first objection. */
  run(): this {
    for (let step = 0; step < this.#options.steps; step++) {
      this.#step()
      this.#check()
    }
    return this
  }

  /** Every attempt ends, every isolate that lives says all it knows, and the dead ones' leases run out. */
  close(): void {
    this.#net = []
    for (const isolate of this.#isolates) {
      while (isolate.attempts.length > 0) this.#finish(isolate)
      for (const lease of [...isolate.leases.values()]) this.#closeLease(isolate, lease)
      this.#deliver({ kind: 'call', isolate, message: this.#message(isolate, []), sentAtMs: 0 })
      this.#check()
    }
    this.#nowMs += TTL_MS + 1
    this.receiver.expire(this.#nowMs)
    this.#check()
  }

  /** After the end of every window: nothing of the past counts any more. */
  outlive(): void {
    this.#nowMs += 62 * 24 * HOUR_MS
    this.receiver.configure({ ...this.#config(), revision: ++this.#revision }, this.#nowMs)
    this.receiver.expire(this.#nowMs)
  }

  /** What is held and lent in windows that still run. */
  get openPositions(): { readonly held: number; readonly outstanding: number } {
    const states = [...this.receiver.authority.nodes.values()]
    const running = states.filter((state) => state.window !== null && this.#nowMs < state.window.endMs)
    return {
      held: running.reduce((sum, state) => sum + state.heldNanoUsd, 0),
      outstanding: states.reduce((sum, state) => sum + (state.bucket?.outstanding ?? 0), 0),
    }
  }

  #step(): void {
    const draw = this.#chance.below(100)
    const isolate = this.#chance.pick(this.#isolates)
    if (draw < 35) this.#admit(isolate)
    else if (draw < 50) this.#finish(isolate)
    else if (draw < 84) this.#network()
    else if (draw < 86) this.#send(isolate, [])
    else if (draw < 88) this.#goIdle(isolate)
    else if (draw < 89) this.#crash(isolate)
    else if (draw < 90) this.receiver.expire(this.#nowMs)
    else if (draw < 91) this.#reconfigure()
    else this.#wait()
  }

  #wait(): void {
    const isTight = this.#options.tight === true
    const long = isTight ? [29_900, 40_000] : [40_000, 2_000_000]
    const isLong = this.#chance.below(isTight ? 6 : 25) === 0
    this.#nowMs += this.#chance.below(this.#chance.pick(isLong ? long : [2, 100, 1_000, 4_000]))
  }

  #admit(isolate: Isolate): void {
    const keyId = this.#chance.pick(KEYS)
    const largest = this.#chance.pick([10, 100, this.#limitScale / 4])
    const reserved = { tokens: this.#chance.below(largest), nanoUsd: this.#chance.below(largest) }
    const nowMs = this.#nowMs + isolate.offsetMs
    const lease = isolate.leases.get(keyId)
    if (lease !== undefined && this.#holder.reserve(lease, reserved, nowMs)) {
      this.#begin(isolate, lease, reserved)
      return
    }
    this.denied += 1
    this.#send(isolate, [{ keyId, waiting: Array.from({ length: 1 + this.#chance.below(3) }, () => reserved) }])
  }

  #begin(isolate: Isolate, lease: HeldLease, reserved: Amounts): void {
    this.admitted += 1
    if (this.#options.tight === true) return this.#account(isolate, { lease, reserved, actual: reserved })
    const over = this.#options.mayOverrun === true && this.#chance.below(3) === 0 ? 3 : 1
    const actual = {
      tokens: this.#chance.below(reserved.tokens * over + 1),
      nanoUsd: this.#chance.below(reserved.nanoUsd * over + 1),
    }
    this.#account(isolate, { lease, reserved, actual })
  }

  #account(isolate: Isolate, attempt: Attempt): void {
    const { lease, actual } = attempt
    isolate.attempts.push(attempt)
    // Spent as soon as the attempt runs, whatever becomes of its isolate.
    this.#truth.spend(lease.id, actual.nanoUsd)
    if (!this.#changesRules) this.#truth.admitTokens(lease.path.keyId, actual.tokens, this.#nowMs)
    this.#objectToLateAdmission(lease)
  }

  /** Cost belongs to the window of its admission: a lease must not be used in the next one. */
  #objectToLateAdmission(lease: HeldLease): void {
    const granted = this.receiver.authority.leases.get(lease.id)
    for (const [id, startMs] of Object.entries(granted?.budgetNodes ?? {})) {
      const window = this.receiver.authority.nodes.get(id)?.window
      if (window?.startMs !== startMs) continue
      assert(this.#nowMs < window.endMs, `${lease.id} admits after the window of ${id}`)
    }
  }

  #finish(isolate: Isolate): void {
    const attempt = isolate.attempts.splice(this.#chance.below(isolate.attempts.length), 1)[0]
    if (attempt === undefined) return
    this.#holder.settle(attempt.lease, attempt.reserved, attempt.actual)
    if (attempt.lease.isTail) this.#holder.giveBack(attempt.lease)
  }

  #goIdle(isolate: Isolate): void {
    for (const lease of [...isolate.leases.values()]) {
      if (this.#chance.below(3) === 0) this.#closeLease(isolate, lease)
      else this.#holder.giveBack(lease)
    }
    this.#send(isolate, [])
  }

  #crash(isolate: Isolate): void {
    if (this.#options.crashes !== true) return
    isolate.isCrashed = true
    this.#isolates = this.#isolates.filter((other) => other !== isolate)
    this.#addIsolate()
  }

  #addIsolate(): void {
    this.#isolateCount += 1
    this.#isolates.push({
      name: `h${this.#isolateCount}`,
      offsetMs: this.#chance.below(2e9) - 1e9,
      leases: new Map(),
      closing: new Set(),
      attempts: [],
      leaseCount: 0,
      messageCount: 0,
      waitingSinceMs: null,
      isCrashed: false,
    })
  }

  #closeLease(isolate: Isolate, lease: HeldLease): void {
    lease.isClosing = true
    isolate.leases.delete(lease.path.keyId)
    isolate.closing.add(lease)
  }

  #send(isolate: Isolate, asks: readonly { readonly keyId: string; readonly waiting: readonly Amounts[] }[]): void {
    if (isolate.waitingSinceMs !== null && this.#nowMs < isolate.waitingSinceMs + EXCHANGE_MS_MAX) return
    isolate.waitingSinceMs = this.#nowMs
    const nowMs = this.#nowMs + isolate.offsetMs
    const wants = asks.map(({ keyId, waiting }) => {
      const known = isolate.leases.get(keyId)
      const isPast = known !== undefined && known.deadlineMs !== 0 && nowMs >= known.deadlineMs
      if (known !== undefined && isPast) this.#closeLease(isolate, known)
      const lease = isolate.leases.get(keyId) ?? this.#newLease(isolate, keyId, nowMs)
      return this.#holder.want(lease, waiting, nowMs)
    })
    this.#net.push({ kind: 'call', isolate, message: this.#message(isolate, wants), sentAtMs: nowMs })
  }

  #newLease(isolate: Isolate, keyId: string, nowMs: number): HeldLease {
    isolate.leaseCount += 1
    const path = { tenantId: 't', teamId: keyId === 'k3' ? null : 'team', keyId }
    const lease = this.#holder.emptyLease(`${isolate.name}:${isolate.leaseCount}`, path, nowMs)
    isolate.leases.set(keyId, lease)
    return lease
  }

  #message(isolate: Isolate, wants: readonly LeaseWant[]): LimiterCall {
    isolate.messageCount += 1
    const reports = [...isolate.leases.values(), ...isolate.closing].map((lease) => this.#holder.report(lease))
    const { name: holder, messageCount: number } = isolate
    return { tenantId: 't', holder, number, reports, admissions: [], chunks: [], wants }
  }

  /** Something happens to some packet: it arrives, twice perhaps, or is lost. */
  #network(): void {
    const index = this.#chance.below(this.#net.length)
    const packet = this.#net[index]
    if (packet === undefined) return
    const fate = this.#chance.below(100)
    if (fate >= 13) this.#net.splice(index, 1)
    if (fate < 88) this.#deliver(packet)
  }

  #deliver(packet: Packet): void {
    const { isolate, sentAtMs } = packet
    if (packet.kind === 'reply') {
      // Only the reply to the latest message is taken, and only in time.
      if (isolate.isCrashed || isolate.waitingSinceMs === null || packet.number !== isolate.messageCount) return
      if (this.#nowMs < isolate.waitingSinceMs + EXCHANGE_MS_MAX) this.#takeReply(isolate, packet)
      isolate.waitingSinceMs = null
      return
    }
    const reply = this.#call(packet.message)
    if (this.#options.doubled === true) this.receiver.call(structuredClone(packet.message), this.#nowMs)
    this.#net.push({
      kind: 'reply',
      isolate,
      reply,
      sentAtMs,
      number: packet.message.number,
      reported: packet.message.reports,
    })
  }

  #call(message: LimiterCall): LimiterReply {
    const reply = this.receiver.call(structuredClone(message), this.#nowMs)
    for (const { leaseId } of reply.grants) this.#truth.charge(leaseId)
    return reply
  }

  #takeReply(isolate: Isolate, { reply, reported, sentAtMs }: Packet & { readonly kind: 'reply' }): void {
    for (const { leaseId, isDone } of reported) {
      for (const lease of isolate.closing) if (isDone && lease.id === leaseId) isolate.closing.delete(lease)
    }
    for (const grant of reply.grants) {
      for (const lease of isolate.leases.values()) {
        if (lease.id === grant.leaseId) this.#holder.accept(lease, grant, sentAtMs)
      }
    }
    for (const { leaseId, denial } of reply.denials) {
      if (denial.kind !== 'stale-lease') continue
      for (const lease of [...isolate.leases.values()]) if (lease.id === leaseId) this.#closeLease(isolate, lease)
    }
  }

  get #changesRules(): boolean {
    return this.#options.reconfigures === true || this.#options.mayOverrun === true
  }

  #reconfigure(): void {
    if (this.#options.reconfigures !== true) return
    const before = this.receiver.authority.config
    const config = { ...this.#config(), revision: ++this.#revision }
    for (const { scope, id } of [...before.nodes, ...config.nodes]) {
      const periods = [before, config].map(
        ({ nodes }) => nodes.find((other) => other.scope === scope && other.id === id)?.budget?.period,
      )
      if (periods[0] !== periods[1]) this.#truth.beginAnew(`${scope}:${id}`)
    }
    this.receiver.configure(config, this.#nowMs)
    this.#truth.raiseLimits()
  }

  #config() {
    const nodes: LimiterNode[] = [node('tenant', 't', this.#limits()), node('team', 'team', this.#limits())]
    for (const key of KEYS) if (this.#chance.below(4) > 0) nodes.push(node('key', key, this.#limits()))
    return { revision: this.#revision, timeZone: this.#timeZone, nodes, revokedKeyIds: [] }
  }

  #limits() {
    const amount = this.#limitScale * (1 + this.#chance.below(4))
    if (this.#options.tight === true)
      return { tokensPerMinute: this.#chance.pick([amount, Math.ceil(amount / 50)]), burstTokens: amount }
    const budget = { amountNanoUsd: amount, period: this.#chance.pick(['hour', 'day', 'week', 'month'] as const) }
    return {
      tokensPerMinute: this.#chance.pick([null, amount, Math.ceil(amount / 100)]),
      burstTokens: this.#chance.below(3) === 0 ? null : amount,
      budget: this.#chance.below(2) === 0 ? null : budget,
    }
  }

  #check(): void {
    const { authority } = this.receiver
    for (const [id, state] of authority.nodes) {
      const books = exposures(authority, id)
      // A window that has ended is begun anew by whoever looks next.
      if (state.window !== null && this.#nowMs < state.window.endMs) {
        assert.equal(state.heldNanoUsd, books.heldNanoUsd, `what ${id} holds is not what its leases expose`)
        this.#truth.check(state, this.#options.mayOverrun !== true)
      }
      if (state.bucket !== null) {
        const { level, outstanding } = state.bucket
        const capacity = state.node.burstTokens ?? state.node.tokensPerMinute ?? 0
        if (!this.#changesRules) assert(level + outstanding <= capacity, `${id} has more than it can hold`)
      }
      if (state.bucket !== null) assert.equal(state.bucket.outstanding, books.outstanding, `${id} has lost count`)
    }
    for (const isolate of this.#isolates) {
      for (const lease of isolate.leases.values()) {
        checkLease(lease, authority.leases.get(lease.id), this.#options.mayOverrun !== true)
      }
    }
  }
}
