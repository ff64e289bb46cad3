// A simulation of a tenant's limiter, regions that hold leases of it, and isolates that hold leases of those. On both levels
// messages are lost, doubled, delayed and overtaken; isolates crash with attempts in flight, regions start anew or fall silent for ever,
// clocks are off. It knows what was really spent, and objects as soon as a limit is passed or the books contradict each other.
import { strict as assert } from 'node:assert'
import { type Counts, NOTHING, counted, each, greatest, minus } from '../../src/core/limits/amounts.ts'
import type { HeldLease } from '../../src/core/limits/lease.ts'
import * as leases from '../../src/core/limits/lease.ts'
import {
  LIMITS_VERSION,
  type LeaseWant,
  type Limit,
  type LimiterCall,
  type LimiterReply,
} from '../../src/core/limits/limits.ts'
import * as regions from '../../src/core/limits/regional-limits.ts'
import { type Chance, chance } from './chance.ts'
import { type Receiver, configOf, node, receiver } from './limiter-receiver.ts'
import type { Attempt, Isolate, Packet, Place } from './region-parts.ts'
import { anyLimit, checkPlace, keep, newIsolate, newPlace, restart, untoldOf } from './region-parts.ts'
import { Truth } from './true-spend.ts'

/** The machine under test. */
export type RegionMachine = typeof regions

export interface RegionWorldOptions {
  readonly seed: number
  readonly steps: number
  readonly kind: Limit['kind']
  /** Nobody dies or falls silent. */
  readonly isCalm?: boolean
  /** Attempts may cost more than they reserved: a budget is passed by as much, as long as the limiter can't know of it. */
  readonly mayOverrun?: boolean
  /** The budget changes now and then. */
  readonly reconfigures?: boolean
  readonly machine?: RegionMachine
}

const PATH = { tenantId: 't', teamId: null, keyId: 'k', model: 'm' } as const
const TTL_MS = 30_000
const SUB_TTL_MS = 10_000
const EXCHANGE_MS_MAX = 5_000

export class RegionWorld {
  readonly root: Receiver
  admitted = 0
  denied = 0
  readonly #chance: Chance
  readonly #machine: RegionMachine
  readonly #options: RegionWorldOptions
  #limit: Limit
  readonly #truth: Truth
  #fill = { parts: 0, atMs: 0 }
  #nowMs: number
  #places: Place[] = []
  #isolates: Isolate[] = []
  #count = 0
  #net: Packet[] = []

  constructor(options: RegionWorldOptions) {
    this.#options = options
    this.#chance = chance(options.seed)
    this.#machine = options.machine ?? regions
    this.#limit = anyLimit(this.#chance, options.kind)
    this.#nowMs = Date.UTC(2026, 4, 4, 12) + this.#chance.below(3_600_000)
    this.#fill.atMs = this.#nowMs
    this.root = receiver(configOf([node('tenant', 't', { more: [this.#limit] })]), this.#nowMs, TTL_MS)
    this.#truth = new Truth(this.root.authority)
    for (let count = 1 + this.#chance.below(3); count > 0; count--) this.#addPlace()
    for (let count = 2 + this.#chance.below(4); count > 0; count--) this.#addIsolate()
  }

  run(): this {
    for (let step = 0; step < this.#options.steps; step++) this.#step()
    return this
  }

  /** What is held or lent once everything has ended and everybody who lives has said so. */
  close(): number {
    this.#net = []
    for (const isolate of this.#isolates) {
      for (const attempt of [...isolate.attempts]) this.#end(isolate, attempt)
      if (isolate.lease !== null) this.#closeLease(isolate, isolate.lease)
      this.#deliver(this.#ask(isolate, []))
    }
    this.#nowMs += 2 * TTL_MS
    for (const place of this.#places) {
      this.#machine.expireSubs(place.region, this.#nowMs + place.offsetMs)
      this.#machine.restRegion(place.region)
      for (let round = 0; round < 2; round++) {
        const up = this.#talkUp(place, [])
        const reply = this.#callRoot(up)
        this.#deliver({ kind: 'down', place, message: up.message, sentAtMs: up.sentAtMs, reply })
        this.#nowMs += 2 * TTL_MS
      }
    }
    this.root.expire(this.#nowMs)
    return [...this.root.authority.leases.values()].reduce(
      (sum, { granted, settled, returned }) => sum + granted.nanoUsd - settled.nanoUsd - returned.nanoUsd,
      0,
    )
  }

  #step(): void {
    const draw = this.#chance.below(100)
    const isolate = this.#chance.pick(this.#isolates)
    if (draw < 34) this.#admit(isolate)
    else if (draw < 46) this.#finish(isolate)
    else if (draw < 84) this.#network()
    else if (draw < 86) this.#net.push(...this.#asks(isolate, []))
    else if (draw < 87) this.#crash(isolate)
    else if (draw < 88 && this.#chance.below(8) === 0) this.#silence()
    else if (draw < 89) this.root.expire(this.#nowMs)
    else if (draw < 90 && isolate.lease !== null) leases.giveBack(isolate.lease)
    else if (draw < 91) this.#restart()
    else if (draw < 92 && this.#options.reconfigures === true) this.#reconfigure()
    else this.#wait()
    this.#cutOverdue()
    this.#check()
    for (const place of this.#places) keep(place)
  }

  #wait(): void {
    const isLong = this.#chance.below(20) === 0
    this.#nowMs += this.#chance.below(
      isLong ? this.#chance.pick([29_900, 60_000, 2_000_000]) : this.#chance.pick([2, 100, 1_500]),
    )
    for (const place of this.#places) this.#expire(place)
  }

  #expire(place: Place): void {
    const expired = this.#machine.expireSubs(place.region, this.#nowMs + place.offsetMs)
    for (const { id } of expired) this.#noteLost(place, id)
  }

  #noteLost(place: Place, leaseId: string): void {
    for (const [id, record] of place.inFlight) {
      if (record.leaseId !== leaseId) continue
      place.inFlight.delete(id)
      this.#machine.noteSubInFlight(place.region, leaseId, record.reserved.nanoUsd)
    }
  }

  #admit(isolate: Isolate): void {
    // Of a budget that many share, overruns show where others are in flight.
    const limit = this.#limit
    const isShared = this.#options.mayOverrun === true && limit.kind === 'budget'
    const largest = isShared ? limit.amountNanoUsd / 25 : this.#chance.pick([10, 100, 400])
    const [inputTokens, nanoUsd] = [this.#chance.below(largest), this.#chance.below(largest)]
    const reserved = counted({ requests: 1, inputTokens, outputTokens: 0, slots: 1, nanoUsd })
    const { lease } = isolate
    if (lease === null || !leases.reserve(lease, reserved, this.#nowMs + isolate.offsetMs)) {
      this.denied += 1
      const waiting = Array.from({ length: 1 + this.#chance.below(isShared ? 8 : 3) }, () => reserved)
      this.#net.push(...this.#asks(isolate, waiting))
      return
    }
    this.admitted += 1
    isolate.attemptCount += 1
    const over = this.#options.mayOverrun === true && this.#chance.below(3) === 0 ? 3 : 1
    const actual = each((resource) =>
      this.#options.kind === 'budget' ? this.#chance.below(reserved[resource] * over + 1) : reserved[resource],
    )
    const id = `${isolate.name}-${isolate.attemptCount}`
    const attempt: Attempt = { id, lease, reserved, actual: { ...actual, slots: 0 } }
    isolate.attempts.push(attempt)
    isolate.untold.add(id)
    this.#spend(isolate, attempt)
  }

  /** Spent as soon as the attempt runs, whatever becomes of its isolate or its region. */
  #spend(isolate: Isolate, { id, lease, reserved, actual }: Attempt): void {
    if (this.#limit.kind === 'budget') {
      const upper = this.#upperOf(isolate.place, lease)
      const startMs = Object.values(this.root.authority.leases.get(upper)?.charged ?? {})[0] ?? 0
      this.#truth.spend(upper, actual.nanoUsd)
      this.#truth.overrun(id, upper, greatest(minus(actual, reserved), NOTHING))
      assert(this.#nowMs < startMs + 3_600_000, 'an attempt is admitted after its window')
    }
    if (this.#limit.kind === 'rate') {
      const { perMinute, burst } = this.#limit
      this.#fill.parts = Math.max(0, this.#fill.parts - (this.#nowMs - this.#fill.atMs) * perMinute)
      this.#fill.parts += reserved.tokens * 60_000
      this.#fill.atMs = this.#nowMs
      assert(this.#fill.parts <= (burst ?? perMinute) * 60_000, 'admits more than its bucket allows')
    }
  }

  #uppers = new Map<string, string>()
  #upperOf(place: Place, lease: HeldLease): string {
    const sub = place.region.subs.get(lease.id)
    if (sub !== undefined) this.#uppers.set(lease.id, sub.upper.id)
    return this.#uppers.get(lease.id) ?? ''
  }

  #finish(isolate: Isolate): void {
    const attempt = isolate.attempts[this.#chance.below(isolate.attempts.length)]
    if (attempt !== undefined) this.#end(isolate, attempt)
  }

  #end(isolate: Isolate, attempt: Attempt): void {
    isolate.attempts = isolate.attempts.filter((other) => other !== attempt)
    leases.settle(attempt.lease, attempt.reserved, attempt.actual)
    leases.giveBackTail(attempt.lease)
    isolate.untold.delete(attempt.id)
    isolate.chunkCount += 1
    const at = isolate.chunkCount
    isolate.chunks.push({ from: at, to: at, events: '[]', settles: [attempt.id] })
  }

  #cutOverdue(): void {
    for (const isolate of this.#isolates) {
      for (const attempt of isolate.attempts) {
        if (leases.hasLostSlots(attempt.lease, this.#nowMs + isolate.offsetMs)) this.#end(isolate, attempt)
      }
    }
  }

  #crash(isolate: Isolate): void {
    if (this.#options.isCalm === true) return
    this.#isolates = this.#isolates.filter((other) => other !== isolate)
    this.#addIsolate()
  }

  /** A region is never heard of again: its isolates go on from what they have. */
  #silence(): void {
    if (this.#options.isCalm === true) return
    const place = this.#chance.pick(this.#places)
    place.isSilent = true
    this.#places = this.#places.filter((other) => other !== place)
    this.#addPlace()
    this.#addIsolate()
  }

  #restart(): void {
    const place = this.#chance.pick(this.#places)
    if (this.#chance.below(2) === 0) this.#machine.restRegion(place.region)
    else restart(place, { nowMs: this.#nowMs + place.offsetMs, ttlMs: SUB_TTL_MS })
  }

  #reconfigure(): void {
    this.#limit = anyLimit(this.#chance, this.#options.kind)
    const revision = this.root.authority.config.revision + 1
    this.root.configure(configOf([node('tenant', 't', { more: [this.#limit] })], revision), this.#nowMs)
    this.#truth.raiseLimits()
  }

  #addPlace(): void {
    this.#count += 1
    const region = this.#machine.newRegionalLimits(`region-${this.#count}`)
    this.#places.push(newPlace(region, this.#chance.below(2e9) - 1e9))
  }

  #addIsolate(): void {
    this.#count += 1
    this.#isolates.push(newIsolate(`h${this.#count}`, this.#chance.below(2e9) - 1e9, this.#chance.pick(this.#places)))
  }

  #closeLease(isolate: Isolate, lease: HeldLease): void {
    leases.giveBack(lease)
    lease.isClosing = true
    isolate.lease = null
    isolate.closing.add(lease)
  }

  #asks(isolate: Isolate, waiting: readonly Counts[]): readonly Packet[] {
    if (isolate.waitingSinceMs !== null && this.#nowMs < isolate.waitingSinceMs + EXCHANGE_MS_MAX) return []
    isolate.waitingSinceMs = this.#nowMs
    return [this.#ask(isolate, waiting)]
  }

  #ask(isolate: Isolate, waiting: readonly Counts[]): Packet {
    const nowMs = this.#nowMs + isolate.offsetMs
    const { lease } = isolate
    if (lease !== null && lease.deadlineMs !== 0 && nowMs >= lease.deadlineMs) this.#closeLease(isolate, lease)
    if (waiting.length > 0 && isolate.lease === null) {
      isolate.leaseCount += 1
      isolate.lease = leases.emptyLease(`${isolate.name}:${isolate.leaseCount}`, PATH, nowMs)
    }
    const wants = waiting.length === 0 || isolate.lease === null ? [] : [leases.want(isolate.lease, waiting, nowMs)]
    const held = [...(isolate.lease === null ? [] : [isolate.lease]), ...isolate.closing]
    for (const one of held) leases.tell(one)
    isolate.messageCount += 1
    const message: LimiterCall = {
      v: LIMITS_VERSION,
      tenantId: 't',
      holder: isolate.name,
      number: isolate.messageCount,
      reports: held.map(leases.report),
      admissions: untoldOf(isolate),
      chunks: [...isolate.chunks],
      wants,
    }
    return { kind: 'ask', isolate, message, sentAtMs: nowMs, held }
  }

  #network(): void {
    const index = this.#chance.below(this.#net.length)
    const packet = this.#net[index]
    if (packet === undefined) return
    const fate = this.#chance.below(100)
    if (fate >= 13) this.#net.splice(index, 1)
    if (fate < 88) this.#deliver(packet)
  }

  #deliver(packet: Packet): void {
    switch (packet.kind) {
      case 'ask':
        return packet.isolate.place.isSilent ? undefined : this.#arrive(packet)
      case 'say':
        return this.#hear(packet)
      case 'up': {
        const { place, message, sentAtMs } = packet
        this.#net.push({ kind: 'down', place, message, sentAtMs, reply: this.#callRoot(packet) })
        return
      }
      case 'down': {
        const { place, message, reply, sentAtMs } = packet
        if (place.isSilent || message.number !== place.messageCount) return
        this.#machine.takeUpper(place.region, message.reports, reply, sentAtMs)
        this.denied += reply.denials.length
      }
    }
  }

  /** An isolate's message reaches its region, which answers at once with what it has and asks the limiter for more. */
  #arrive(packet: Packet & { kind: 'ask' }): void {
    const { isolate, message } = packet
    const { place } = isolate
    const time = { nowMs: this.#nowMs + place.offsetMs, ttlMs: SUB_TTL_MS }
    const isStraggler = message.number <= (place.numbers.get(isolate.name) ?? 0)
    const acknowledged = place.acknowledged.get(isolate.name) ?? 0
    for (const id of message.chunks.flatMap(({ to, settles }) => (to > acknowledged ? settles : []))) {
      place.inFlight.delete(id)
      place.ended.add(id)
    }
    place.acknowledged.set(isolate.name, Math.max(acknowledged, ...message.chunks.map(({ to }) => to)))
    this.#expire(place)
    this.#machine.takeIsolate(place.region, structuredClone(message), isStraggler, time)
    if (!isStraggler) for (const record of message.admissions) place.inFlight.set(record.id, record)
    place.numbers.set(isolate.name, Math.max(message.number, place.numbers.get(isolate.name) ?? 0))
    const wants = isStraggler ? [] : message.wants
    const lacking = this.#machine.lackingIn(place.region, wants, time.nowMs)
    if (lacking.length > 0 || this.#chance.below(4) === 0) this.#net.push(this.#talkUp(place, lacking))
    const said = this.#machine.lend(place.region, { ...message, wants }, new Map(), time)
    for (const { leaseId } of said.grants) {
      const sub = place.region.subs.get(leaseId)
      if (sub !== undefined) this.#uppers.set(leaseId, sub.upper.id)
    }
    const reply: LimiterReply = {
      acknowledged: place.acknowledged.get(isolate.name) ?? 0,
      revokedKeyIds: [],
      ...structuredClone(said),
    }
    this.#net.push({ ...packet, kind: 'say', reply })
  }

  #talkUp(place: Place, lacking: readonly LeaseWant[]): Packet & { kind: 'up' } {
    const sentAtMs = this.#nowMs + place.offsetMs
    const { reports, wants } = this.#machine.upperTalk(place.region, lacking, sentAtMs)
    place.messageCount += 1
    const head = { v: LIMITS_VERSION, tenantId: 't', holder: place.region.name, number: place.messageCount } as const
    const message = structuredClone({ ...head, reports, wants, admissions: [], chunks: [] })
    return { kind: 'up', place, message, sentAtMs, ended: [...place.ended] }
  }

  #callRoot({ message, ended }: Packet & { kind: 'up' }): LimiterReply {
    const reply = this.root.call(structuredClone(message), this.#nowMs)
    this.#truth.tell(ended, this.#nowMs)
    for (const { leaseId } of reply.grants) this.#truth.charge(leaseId)
    return reply
  }

  #hear({ isolate, message, reply, sentAtMs, held }: Packet & { kind: 'say' }): void {
    if (isolate.waitingSinceMs === null || message.number !== isolate.messageCount) return
    const waitedMs = this.#nowMs - isolate.waitingSinceMs
    isolate.waitingSinceMs = null
    if (waitedMs >= EXCHANGE_MS_MAX) return
    for (const lease of held) if (!reply.slotsLost.includes(lease.id)) leases.heard(lease, sentAtMs, reply.ttlMs)
    for (const { id } of message.admissions) isolate.untold.delete(id)
    isolate.chunks = isolate.chunks.filter(({ to }) => to > reply.acknowledged)
    for (const { leaseId, isDone } of message.reports) {
      for (const lease of isolate.closing) if (isDone && lease.id === leaseId) isolate.closing.delete(lease)
    }
    for (const grant of reply.grants) {
      if (isolate.lease?.id === grant.leaseId) leases.accept(isolate.lease, grant, sentAtMs)
    }
    const gone = [...(reply.closedLeases ?? []), ...reply.denials.map(({ leaseId }) => leaseId)]
    if (isolate.lease !== null && gone.includes(isolate.lease.id)) this.#closeLease(isolate, isolate.lease)
  }

  #check(): void {
    const isBounded = this.#options.mayOverrun !== true
    for (const place of this.#places) checkPlace(place, this.root.authority, this.#machine.exposureOf, isBounded)
    const running = this.#isolates.reduce((sum, { attempts }) => sum + attempts.length, 0)
    if (this.#limit.kind === 'slots') assert(running <= this.#limit.most, `${running} run at once`)
    for (const gauge of this.root.authority.gauges.values()) {
      if (gauge.kind === 'budget') this.#truth.check(gauge)
    }
  }
}
