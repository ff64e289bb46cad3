// The laws of a token bucket whose units can be out on lease: exact to the unit and to the millisecond, whatever the rate.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type Bucket,
  type BucketRule,
  forgotten,
  fullBucket,
  handedBack,
  lent,
  refilled,
  reruled,
  spent,
  waitMs,
} from '../../src/core/limits/token-bucket.ts'

const START_MS = Date.UTC(2026, 0, 1)

const rules: fc.Arbitrary<BucketRule> = fc.record({
  capacity: fc.oneof(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 10_000_000 })),
  perMinute: fc.oneof(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 10_000_000 })),
})

/** A bucket somewhere in its life: partly used, partly refilled, nothing lent. */
const buckets = fc
  .record({ rule: rules, used: fc.double({ min: 0, max: 1.5, noNaN: true }), waits: fc.array(fc.nat(5_000)) })
  .map(({ rule, used, waits }) => {
    let nowMs = START_MS
    let bucket = take(fullBucket(rule, nowMs), Math.floor(used * rule.capacity))
    for (const wait of waits) bucket = refilled(bucket, rule, (nowMs += wait))
    return { rule, bucket, nowMs }
  })

/** Spends at once, without a lease; more than there is leaves a debt. */
function take(bucket: Bucket, units: number): Bucket {
  return spent(bucket, units, 0)
}

describe('a token bucket', () => {
  test('says to the millisecond how long a refused request has to wait', () => {
    fc.assert(
      fc.property(buckets, fc.double({ min: 0, max: 1, noNaN: true }), ({ rule, bucket, nowMs }, share) => {
        const units = Math.ceil(share * rule.capacity)
        const wait = waitMs(bucket, rule, units)
        expect(wait).not.toBeNull()
        if (wait === null) return
        expect(refilled(bucket, rule, nowMs + wait).level).toBeGreaterThanOrEqual(units)
        if (wait > 0) expect(refilled(bucket, rule, nowMs + wait - 1).level).toBeLessThan(units)
        if (wait === 0) expect(bucket.level).toBeGreaterThanOrEqual(units)
      }),
      { numRuns: 2_000 },
    )
  })

  test('never lets through what exceeds its capacity, and says so', () => {
    fc.assert(
      fc.property(buckets, fc.integer({ min: 1, max: 1_000 }), ({ rule, bucket }, more) => {
        expect(waitMs(bucket, rule, rule.capacity + more)).toBeNull()
      }),
    )
  })

  test('is left by a refused request as if it had never been asked, however often', () => {
    fc.assert(
      fc.property(buckets, fc.array(fc.nat(700), { maxLength: 40 }), ({ rule, bucket, nowMs }, waits) => {
        let asked = bucket
        let atMs = nowMs
        for (const wait of waits) asked = refilled(asked, rule, (atMs += wait))
        expect(asked).toEqual(refilled(bucket, rule, atMs))
      }),
      { numRuns: 1_000 },
    )
  })

  test('refills nothing when time runs backwards', () => {
    fc.assert(
      fc.property(buckets, fc.integer({ min: 0, max: 1e9 }), ({ rule, bucket, nowMs }, backMs) => {
        expect(refilled(bucket, rule, nowMs - backMs)).toEqual(bucket)
      }),
    )
  })

  test('refitted to another rule gives nothing away and takes no more than the new capacity demands', () => {
    fc.assert(
      fc.property(buckets, rules, fc.nat(1_000), ({ bucket }, rule, lentUnits) => {
        const before = lent(bucket, lentUnits)
        const after = reruled(before, rule)
        expect(after.outstanding).toBe(before.outstanding)
        expect(after.level).toBe(Math.min(before.level, Math.max(0, rule.capacity - before.outstanding)))
      }),
    )
  })
})

interface Lease {
  left: number
  expiresAtMs: number
}

/** What may happen to a leased bucket. */
type Step =
  | { readonly kind: 'lend'; readonly share: number; readonly ttlMs: number }
  | { readonly kind: 'use'; readonly lease: number; readonly share: number }
  | { readonly kind: 'return'; readonly lease: number; readonly share: number }
  | { readonly kind: 'wait'; readonly ms: number }

const share = fc.double({ min: 0, max: 1, noNaN: true })
const steps: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('lend' as const), share, ttlMs: fc.integer({ min: 1, max: 20_000 }) }),
  fc.record({ kind: fc.constant('use' as const), lease: fc.nat(5), share }),
  fc.record({ kind: fc.constant('return' as const), lease: fc.nat(5), share }),
  fc.record({ kind: fc.constant('wait' as const), ms: fc.oneof(fc.nat(50), fc.nat(20_000)) }),
)

/** A leaky bucket beside the real one: above `capacity` the window bound is broken for some (s, t]. In 1/60000 units. */
class WindowBound {
  readonly #rule: BucketRule
  #fill = 0
  #atMs = START_MS

  constructor(rule: BucketRule) {
    this.#rule = rule
  }

  admit(units: number, nowMs: number): void {
    this.#fill = Math.max(0, this.#fill - (nowMs - this.#atMs) * this.#rule.perMinute) + units * 60_000
    this.#atMs = nowMs
    expect(this.#fill).toBeLessThanOrEqual(this.#rule.capacity * 60_000)
  }
}

class LeasedBucket {
  readonly #rule: BucketRule
  readonly #bound: WindowBound
  readonly #leases: Lease[] = []
  #bucket: Bucket
  #nowMs = START_MS

  constructor(rule: BucketRule) {
    this.#rule = rule
    this.#bound = new WindowBound(rule)
    this.#bucket = fullBucket(rule, START_MS)
  }

  /** Expires what is due, in order and at its own time, then does the step. */
  do(step: Step): void {
    if (step.kind === 'wait') this.#nowMs += step.ms
    this.#expire()
    this.#bucket = refilled(this.#bucket, this.#rule, this.#nowMs)
    if (step.kind === 'lend') this.#lend(Math.floor(step.share * this.#bucket.level), step.ttlMs)
    if (step.kind === 'use' || step.kind === 'return') this.#end(step)
    const { level, fraction, outstanding } = this.#bucket
    expect(level * 60_000 + fraction + outstanding * 60_000).toBeLessThanOrEqual(this.#rule.capacity * 60_000)
    expect(outstanding).toBe(this.#leases.reduce((sum, lease) => sum + lease.left, 0))
    expect(Number.isSafeInteger(level) && Number.isSafeInteger(fraction)).toBe(true)
  }

  #expire(): void {
    this.#leases.sort((a, b) => a.expiresAtMs - b.expiresAtMs)
    for (
      let lease = this.#leases[0];
      lease !== undefined && lease.expiresAtMs <= this.#nowMs;
      lease = this.#leases[0]
    ) {
      this.#bucket = forgotten(refilled(this.#bucket, this.#rule, lease.expiresAtMs), lease.left)
      this.#leases.shift()
    }
  }

  #lend(units: number, ttlMs: number): void {
    this.#bucket = lent(this.#bucket, units)
    this.#leases.push({ left: units, expiresAtMs: this.#nowMs + ttlMs })
  }

  #end(step: Step & { readonly kind: 'use' | 'return' }): void {
    const lease = this.#leases[step.lease]
    if (lease === undefined) return
    const units = Math.floor(step.share * lease.left)
    lease.left -= units
    if (step.kind === 'return') this.#bucket = handedBack(this.#bucket, units)
    else {
      this.#bound.admit(units, this.#nowMs)
      this.#bucket = spent(this.#bucket, units, units)
    }
  }
}

describe('a token bucket with leases', () => {
  test('admits at most capacity + rate × t in any interval of length t', () => {
    fc.assert(
      fc.property(rules, fc.array(steps, { minLength: 20, maxLength: 150 }), (rule, schedule) => {
        const world = new LeasedBucket(rule)
        for (const step of schedule) world.do(step)
      }),
      { numRuns: 400 },
    )
  })

  test('with uses beyond what was lent is paid back by the level before anything else is admitted', () => {
    fc.assert(
      fc.property(rules, fc.nat(1_000_000), (rule, over) => {
        const lentOut = lent(fullBucket(rule, START_MS), rule.capacity)
        const after = spent(lentOut, rule.capacity + over, rule.capacity)
        expect(after).toMatchObject({ level: 0 - over, outstanding: 0 })
        const wait = waitMs(after, rule, 1)
        expect(wait).toBe(Math.ceil(((over + 1) * 60_000) / rule.perMinute))
      }),
    )
  })
})
