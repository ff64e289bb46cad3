// What a simulated world of regions is made of: isolates with one lease each, regions, and messages on their way.
import { strict as assert } from 'node:assert'
import { type Counts, RESOURCES, each } from '../../src/core/limits/amounts.ts'
import type { Authority, Timing } from '../../src/core/limits/authority.ts'
import type { HeldLease } from '../../src/core/limits/lease.ts'
import type { AdmissionRecord, EventChunk, Limit, LimiterCall, LimiterReply } from '../../src/core/limits/limits.ts'
import type { RegionalLimits, SubLease } from '../../src/core/limits/regional-limits.ts'
import {
  type SubRow,
  type UpperRow,
  hasSubMoved,
  hasUpperMoved,
  restoreRegion,
  subRow,
  upperRow,
} from '../../src/core/limits/regional-upkeep.ts'
import type { Chance } from './chance.ts'
import { budget, rate, slots } from './limiter-receiver.ts'

/** A limit of that kind, of some size. */
export function anyLimit(draws: Chance, kind: Limit['kind']): Limit {
  const units = draws.pick([500, 5_000, 50_000])
  const made: Readonly<Record<Limit['kind'], Limit>> = {
    budget: budget(units, 'hour'),
    rate: rate('tokens', draws.pick([units, Math.ceil(units / 50)]), units),
    slots: slots(draws.pick([3, 8, 20])),
  }
  return made[kind]
}

export interface Attempt {
  readonly id: string
  readonly lease: HeldLease
  readonly reserved: Counts
  readonly actual: Counts
}

export interface Isolate {
  readonly name: string
  readonly offsetMs: number
  readonly place: Place
  lease: HeldLease | null
  readonly closing: Set<HeldLease>
  attempts: Attempt[]
  untold: Set<string>
  chunks: EventChunk[]
  chunkCount: number
  leaseCount: number
  attemptCount: number
  messageCount: number
  waitingSinceMs: number | null
}

/** A region, with what its object keeps besides. */
export interface Place {
  region: RegionalLimits
  /** Its leases as they were last written. */
  readonly uppers: Map<string, UpperRow>
  readonly subs: Map<string, SubRow>
  readonly offsetMs: number
  readonly numbers: Map<string, number>
  readonly acknowledged: Map<string, number>
  readonly inFlight: Map<string, AdmissionRecord>
  /** Attempts whose end it has been told of. */
  readonly ended: Set<string>
  messageCount: number
  isSilent: boolean
}

export type Packet =
  | { kind: 'ask'; isolate: Isolate; message: LimiterCall; sentAtMs: number; held: readonly HeldLease[] }
  | {
      kind: 'say'
      isolate: Isolate
      message: LimiterCall
      sentAtMs: number
      held: readonly HeldLease[]
      reply: LimiterReply
    }
  | { kind: 'up'; place: Place; message: LimiterCall; sentAtMs: number; ended: readonly string[] }
  | { kind: 'down'; place: Place; message: LimiterCall; sentAtMs: number; reply: LimiterReply }

export function newPlace(region: RegionalLimits, offsetMs: number): Place {
  return {
    region,
    uppers: new Map(),
    subs: new Map(),
    offsetMs,
    numbers: new Map(),
    acknowledged: new Map(),
    inFlight: new Map(),
    ended: new Set(),
    messageCount: 0,
    isSilent: false,
  }
}

/** Writes what has changed of a region's leases, as its object does before anything leaves that follows from it. */
export function keep({ region, uppers, subs }: Place): void {
  const held = new Map([...region.leases.values(), ...region.closing].map((lease) => [lease.id, lease]))
  for (const lease of held.values()) {
    const kept = uppers.get(lease.id)
    if (kept === undefined || hasUpperMoved(region, lease, kept)) uppers.set(lease.id, upperRow(region, lease))
  }
  for (const sub of region.subs.values()) {
    const kept = subs.get(sub.id)
    if (kept === undefined || hasSubMoved(sub, kept)) subs.set(sub.id, subRow(sub))
  }
  for (const id of uppers.keys()) if (!held.has(id)) uppers.delete(id)
  for (const id of subs.keys()) if (!region.subs.has(id)) subs.delete(id)
}

/** The region's object is started anew, on what it wrote. What it was being told is lost. */
export function restart(place: Place, time: Timing): void {
  const { name, leaseCount } = place.region
  const rows = { name, leaseCount, uppers: [...place.uppers.values()], subs: [...place.subs.values()] }
  place.region = restoreRegion(structuredClone(rows), time)
  place.uppers.clear()
  place.subs.clear()
  place.messageCount += 1
  keep(place)
}

export function newIsolate(name: string, offsetMs: number, place: Place): Isolate {
  return {
    name,
    offsetMs,
    place,
    lease: null,
    closing: new Set(),
    attempts: [],
    untold: new Set(),
    chunks: [],
    chunkCount: 0,
    leaseCount: 0,
    attemptCount: 0,
    messageCount: 0,
    waitingSinceMs: null,
  }
}

/** Attempts that the region hasn't said it knows of. */
export function untoldOf({ attempts, untold }: Isolate): readonly AdmissionRecord[] {
  return attempts
    .filter(({ id }) => untold.has(id))
    .map(({ id, lease, reserved }) => ({ id, leaseId: lease.id, reserved, event: '{}' }))
}

/** A region's lease is what it lent, what was settled, what went back and what is free; of that nothing is negative, if no
 *  attempt costs more than it reserved. */
export function checkPlace(
  { region }: Place,
  authority: Authority,
  exposureOf: (sub: SubLease) => Counts,
  isBounded: boolean,
): void {
  const lent = new Map<HeldLease, Counts>()
  for (const sub of region.subs.values()) {
    const exposed = exposureOf(sub)
    const before = lent.get(sub.upper)
    lent.set(sub.upper, before === undefined ? exposed : each((resource) => before[resource] + exposed[resource]))
  }
  for (const lease of [...region.leases.values(), ...region.closing]) {
    const known = authority.leases.get(lease.id)
    for (const kind of RESOURCES) {
      const out = lent.get(lease)?.[kind] ?? 0
      assert.equal(lease.reserved[kind], out, `${lease.id}: ${kind} lent is not what is exposed`)
      const used = lease.settled[kind] + lease.reserved[kind] + lease.returned[kind]
      const isKept = !isBounded || !lease.limited[kind] || used <= lease.granted[kind]
      assert(isKept, `${lease.id} lent more ${kind} than it has (I2)`)
      if (known !== undefined) assert(lease.granted[kind] <= known.granted[kind], `${lease.id} (I4)`)
    }
  }
}
