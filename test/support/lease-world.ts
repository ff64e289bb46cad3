// A simulation of a limiter and the isolates that hold leases from it: messages are lost, doubled, delayed and overtaken,
// isolates crash with attempts in flight, clocks are off by any amount, limits change, windows roll over. It knows what was
// really spent, and objects as soon as the books or the limits say otherwise. Everything follows from one seed.
import { type Counts, NOTHING, counted, each, greatest, minus, plus } from '../../src/core/limits/amounts.ts'
import type { HeldLease } from '../../src/core/limits/lease.ts'
import * as leases from '../../src/core/limits/lease.ts'
import {
  type AdmissionRecord,
  type LeaseWant,
  type Limit,
  type LimiterCall,
  type LimiterReply,
  LIMITS_VERSION,
} from '../../src/core/limits/limits.ts'
import { type Chance, chance } from './chance.ts'
import { AUTHORITY, type AuthorityMachine, type Receiver, receiver } from './limiter-receiver.ts'
import { Truth } from './true-spend.ts'
import { checkWorld, coveredBefore, givenBeyond, objectToLateAdmission, openIn } from './world-checks.ts'
import { KEYS, MODELS, anyLimits, oneLimit } from './world-limits.ts'
import {
  type Attempt,
  type HolderMachine,
  type Isolate,
  type Packet,
  type Sent,
  closeLease,
  newIsolate,
  takeReply,
} from './world-parts.ts'

export interface WorldOptions {
  readonly seed: number
  readonly steps: number
  /** Attempts may cost more than they reserved: limits are passed by as much, as long as the limiter can't know of it. */
  readonly mayOverrun?: boolean
  /** The limits change now and then. */
  readonly reconfigures?: boolean
  readonly crashes?: boolean
  /** Rates and slots only, used to the full, with leases that often run out: what brings a token too many to light. */
  readonly tight?: boolean
  /** One limit of that kind and no other, used to the full: what brings a single unit too many to light. */
  readonly focus?: Limit['kind']
  /** Every message arrives twice in a row. */
  readonly doubled?: boolean
  readonly authority?: AuthorityMachine
  readonly holder?: HolderMachine
  readonly hear?: typeof takeReply
  /** A fault: answers to earlier messages count as well. */
  readonly hearsAll?: true
}

const TTL_MS = 30_000
const ZONES = ['UTC', 'Europe/Berlin', 'Asia/Kathmandu', 'America/Havana', 'Australia/Lord_Howe'] as const
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
  readonly #hear: typeof takeReply
  readonly #limitScale: number
  readonly #slotScale: number
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
    this.#hear = options.hear ?? takeReply
    this.#limitScale = this.#chance.pick([500, 5_000, 50_000])
    this.#slotScale = this.#chance.pick([3, 8, 20])
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
      for (const lease of [...isolate.leases.values()]) closeLease(isolate, lease)
      this.#deliver({ kind: 'call', isolate, sent: this.#message(isolate, [], 0) })
      this.#check()
    }
    this.#nowMs += 2 * TTL_MS + 1
    this.receiver.expire(this.#nowMs)
    this.#check()
    if (this.#options.crashes !== true) this.#truth.checkBooked(this.#nowMs)
  }

  /** After the end of every window: nothing of the past counts any more. */
  outlive(): void {
    this.#nowMs += 62 * 24 * HOUR_MS
    this.receiver.configure({ ...this.#config(), revision: ++this.#revision }, this.#nowMs)
    this.receiver.expire(this.#nowMs)
  }

  /** What is out of all limits, of budgets in windows that still run. */
  get openPositions(): number {
    return openIn(this.receiver.authority, this.#nowMs)
  }

  /** The same without money. */
  get openRates(): number {
    return openIn(this.receiver.authority, Infinity)
  }

  #step(): void {
    const [draw, isolate] = [this.#chance.below(100), this.#chance.pick(this.#isolates)]
    if (draw < 35) this.#admit(isolate)
    else if (draw < 47) this.#finish(isolate)
    else if (draw < 50) this.#extend(isolate)
    else if (draw < 84) this.#network()
    else if (draw < 86) this.#send(isolate, [])
    else if (draw < 88) this.#goIdle(isolate)
    else if (draw < 89) this.#crash(isolate)
    else if (draw < 90) this.receiver.expire(this.#nowMs)
    else if (draw < 91) this.#reconfigure()
    else this.#wait()
  }

  #wait(): void {
    const isTight = this.#isTight
    const long = isTight ? [29_900, 40_000] : [40_000, 2_000_000]
    const isLong = this.#chance.below(isTight ? 6 : 25) === 0
    this.#nowMs += this.#chance.below(this.#chance.pick(isLong ? long : [2, 100, 1_000, 4_000]))
  }

  #admit(isolate: Isolate): void {
    const keyId = this.#isShared ? KEYS[0] : this.#chance.pick(KEYS)
    const model = this.#options.focus === undefined ? this.#chance.pick<string>(MODELS[keyId]) : MODELS[keyId][0]
    const reserved = this.#weight()
    const name = `${keyId} ${model}`
    const lease = isolate.leases.get(name)
    if (lease !== undefined && this.#holder.reserve(lease, reserved, this.#nowMs + isolate.offsetMs)) {
      this.#begin(isolate, lease, reserved)
      return
    }
    this.denied += 1
    const waiting = Array.from({ length: 1 + this.#chance.below(this.#isShared ? 8 : 3) }, () => reserved)
    this.#send(isolate, [{ name, keyId, model, waiting }])
  }

  #weight(): Counts {
    const largest = this.#chance.pick(this.#isShared ? [this.#limitScale / 25] : [10, 100, this.#limitScale / 4])
    const [inputTokens, outputTokens, nanoUsd] = [1, 2, 3].map(() => this.#chance.below(largest))
    return counted({
      requests: 1,
      inputTokens: inputTokens ?? 0,
      outputTokens: outputTokens ?? 0,
      slots: 1,
      nanoUsd: nanoUsd ?? 0,
    })
  }

  #begin(isolate: Isolate, lease: HeldLease, reserved: Counts): void {
    this.admitted += 1
    isolate.attemptCount += 1
    const times = this.#options.mayOverrun === true && this.#chance.below(3) === 0 ? 3 : 1
    const part = each((resource) => this.#chance.below(reserved[resource] * times + 1))
    const tokens = part.inputTokens + part.outputTokens
    const actual = this.#isTight && times === 1 ? { ...reserved, slots: 0 } : { ...part, tokens, slots: 0 }
    const id = `${isolate.name}-${isolate.attemptCount}`
    const attempt: Attempt = { id, lease, reserved, untoldNanoUsd: 0, actual }
    isolate.attempts.push(attempt)
    isolate.untold.add(id)
    // Spent as soon as the attempt runs, whatever becomes of its isolate.
    this.#truth.spend(lease.id, actual.nanoUsd)
    const over = greatest(minus(actual, reserved), NOTHING)
    this.#truth.overrun(id, lease.id, over)
    if (this.#isConstant) this.#truth.admitRates(lease.id, minus(actual, over), this.#nowMs)
    objectToLateAdmission(this.receiver.authority, lease, this.#nowMs)
  }

  /** An attempt in mid-stream finds that it needs more; all of it is spent. */
  #extend(isolate: Isolate): void {
    const attempt = isolate.attempts[this.#chance.below(isolate.attempts.length)]
    if (attempt === undefined || this.#options.tight === true) return
    const more = { ...this.#weight(), requests: 0, slots: 0 }
    const { lease } = attempt
    if (!this.#holder.extend(lease, more, this.#nowMs + isolate.offsetMs)) return
    objectToLateAdmission(this.receiver.authority, lease, this.#nowMs)
    isolate.attempts = isolate.attempts.filter((other) => other !== attempt)
    isolate.attempts.push({
      ...attempt,
      reserved: plus(attempt.reserved, more),
      untoldNanoUsd: attempt.untoldNanoUsd + more.nanoUsd,
      actual: plus(attempt.actual, more),
    })
    this.#truth.spend(lease.id, more.nanoUsd)
    if (this.#isConstant) this.#truth.admitRates(lease.id, more, this.#nowMs)
  }

  #finish(isolate: Isolate): void {
    const attempt = isolate.attempts[this.#chance.below(isolate.attempts.length)]
    if (attempt !== undefined) this.#end(isolate, attempt)
  }

  #end(isolate: Isolate, attempt: Attempt): void {
    isolate.attempts = isolate.attempts.filter((other) => other !== attempt)
    this.#holder.settle(attempt.lease, attempt.reserved, attempt.actual, attempt.untoldNanoUsd)
    this.#holder.giveBackTail(attempt.lease)
    isolate.untold.delete(attempt.id)
    isolate.chunkCount += 1
    const at = isolate.chunkCount
    isolate.chunks.push({ from: at, to: at, events: '[]', settles: [attempt.id] })
  }

  /** Attempts whose slots may be somebody else's by now are cut by their isolate. */
  #cutOverdue(): void {
    for (const isolate of this.#isolates) {
      for (const attempt of isolate.attempts) {
        if (this.#holder.hasLostSlots(attempt.lease, this.#nowMs + isolate.offsetMs)) this.#end(isolate, attempt)
      }
    }
  }

  #goIdle(isolate: Isolate): void {
    for (const lease of [...isolate.leases.values()]) {
      if (this.#chance.below(3) === 0) closeLease(isolate, lease)
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
    this.#isolates.push(newIsolate(`h${this.#isolateCount}`, this.#chance.below(2e9) - 1e9))
  }

  #send(
    isolate: Isolate,
    asks: readonly {
      readonly name: string
      readonly keyId: string
      readonly model: string
      readonly waiting: readonly Counts[]
    }[],
  ): void {
    if (isolate.waitingSinceMs !== null && this.#nowMs < isolate.waitingSinceMs + EXCHANGE_MS_MAX) return
    isolate.waitingSinceMs = this.#nowMs
    const nowMs = this.#nowMs + isolate.offsetMs
    const wants = asks.map(({ name, keyId, model, waiting }) => {
      const known = isolate.leases.get(name)
      const isPast = known !== undefined && known.deadlineMs !== 0 && nowMs >= known.deadlineMs
      if (known !== undefined && isPast) closeLease(isolate, known)
      const lease = isolate.leases.get(name) ?? this.#newLease(isolate, name, keyId, model, nowMs)
      return this.#holder.want(lease, waiting, nowMs)
    })
    this.#net.push({ kind: 'call', isolate, sent: this.#message(isolate, wants, nowMs) })
  }

  #newLease(isolate: Isolate, name: string, keyId: string, model: string, nowMs: number): HeldLease {
    isolate.leaseCount += 1
    const path = { tenantId: 't', teamId: keyId === 'k3' ? null : 'team', keyId, model }
    const lease = this.#holder.emptyLease(`${isolate.name}:${isolate.leaseCount}`, path, nowMs)
    isolate.leases.set(name, lease)
    return lease
  }

  #message(isolate: Isolate, wants: readonly LeaseWant[], sentAtMs: number): Sent {
    isolate.messageCount += 1
    const all = [...isolate.leases.values(), ...isolate.closing]
    for (const lease of all) this.#holder.tell(lease)
    const admissions = isolate.attempts
      .filter(({ id }) => isolate.untold.has(id))
      .map(({ id, lease, reserved }): AdmissionRecord => ({ id, leaseId: lease.id, reserved, event: '{}' }))
    const message: LimiterCall = {
      v: LIMITS_VERSION,
      tenantId: 't',
      holder: isolate.name,
      number: isolate.messageCount,
      reports: all.map((lease) => this.#holder.report(lease)),
      admissions,
      chunks: [...isolate.chunks],
      wants,
    }
    return { message, sentAtMs, leases: all }
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
    const { isolate, sent } = packet
    if (packet.kind === 'reply') {
      // Only the reply to the latest message is taken, and only in time.
      const isLatest = sent.message.number === isolate.messageCount || this.#options.hearsAll === true
      if (isolate.isCrashed || isolate.waitingSinceMs === null || !isLatest) return
      if (this.#nowMs < isolate.waitingSinceMs + EXCHANGE_MS_MAX) {
        this.#hear(this.#holder, isolate, packet.reply, sent, this.#nowMs + isolate.offsetMs)
      }
      isolate.waitingSinceMs = null
      return
    }
    const reply = this.#call(sent.message)
    if (this.#options.doubled === true) this.receiver.call(structuredClone(sent.message), this.#nowMs)
    this.#net.push({ kind: 'reply', isolate, reply, sent })
  }

  #call(message: LimiterCall): LimiterReply {
    this.#truth.tell(
      message.chunks.flatMap(({ settles }) => settles),
      this.#nowMs,
    )
    const before = coveredBefore(this.receiver.authority, message)
    const reply = this.receiver.call(structuredClone(message), this.#nowMs)
    for (const { leaseId, granted } of reply.grants) {
      this.#truth.charge(leaseId)
      if (this.#isConstant) this.#truth.checkRepaid(leaseId, givenBeyond(before, leaseId, granted), this.#nowMs)
    }
    return reply
  }

  /** Many attempts under few leases of one limit: overruns show only where others are in flight. */
  get #isShared(): boolean {
    return this.#options.mayOverrun === true && this.#options.focus !== undefined
  }

  get #isTight(): boolean {
    return this.#options.tight === true || this.#options.focus !== undefined
  }

  get #isConstant(): boolean {
    return this.#options.reconfigures !== true
  }

  #reconfigure(): void {
    if (this.#options.reconfigures !== true) return
    const before = new Set(this.receiver.authority.gauges.keys())
    this.receiver.configure({ ...this.#config(), revision: ++this.#revision }, this.#nowMs)
    const after = new Set(this.receiver.authority.gauges.keys())
    for (const id of [...before, ...after]) if (!before.has(id) || !after.has(id)) this.#truth.beginAnew(id)
    this.#truth.raiseLimits()
  }

  #config() {
    const { focus, tight: isTight = false } = this.#options
    const scales = { units: this.#limitScale, slots: this.#slotScale, isTight }
    const nodes =
      focus === undefined ? anyLimits(this.#chance, scales, this.#nowMs) : oneLimit(this.#chance, scales, focus)
    return { v: LIMITS_VERSION, revision: this.#revision, timeZone: this.#timeZone, nodes, revokedKeyIds: [] } as const
  }

  #check(): void {
    this.#cutOverdue()
    const rules = { isBounded: this.#options.mayOverrun !== true, isConstant: this.#isConstant }
    checkWorld(this.receiver.authority, this.#truth, this.#isolates, this.#nowMs, rules)
  }
}
