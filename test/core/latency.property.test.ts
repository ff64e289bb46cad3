// The laws of latency ejection: who is spared, how much, and that it ends.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  LATENCY,
  type Latency,
  type Recent,
  afterLatency,
  hasRisen,
  keepRecent,
  keptShares,
  p95Of,
} from '../../src/core/health/latency.ts'

const NOW_MS = Date.UTC(2026, 0, 1)

/** Latencies, one each so many ms, the last of them now. */
function measured(values: readonly number[], everyMs = 100, before: Latency | null = null): Latency {
  let latency = before
  values.forEach((ms, index) => {
    latency = afterLatency(latency, ms, NOW_MS - (values.length - 1 - index) * everyMs)
  })
  if (latency === null) throw new Error('nothing measured')
  return latency
}

const steady = (ms: number, count = 200): Latency => measured(Array.from({ length: count }, () => ms))
/** As fast as always for five minutes, then slow for the last ten seconds. */
const slowed = (before: number, now: number): Latency =>
  measured([...Array.from({ length: 3_000 }, () => before), ...Array.from({ length: 100 }, () => now)])

describe('a latency', () => {
  test('of one value is that value, however often it is measured', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60_000 }), fc.integer({ min: 1, max: 300 }), (ms, count) => {
        const { fastMs, slowMs } = steady(ms, count)
        expect(fastMs).toBeCloseTo(ms, 6)
        expect(slowMs).toBeCloseTo(ms, 6)
      }),
    )
  })

  test('lies between the least and the most that was measured, and time running backwards breaks nothing', () => {
    const values = fc.array(fc.tuple(fc.integer({ min: 0, max: 60_000 }), fc.integer({ min: -500, max: 5_000 })), {
      minLength: 1,
      maxLength: 100,
    })
    fc.assert(
      fc.property(values, (measurements) => {
        let latency: Latency | null = null
        let nowMs = NOW_MS
        for (const [ms, waitMs] of measurements) latency = afterLatency(latency, ms, (nowMs += waitMs))
        const all = measurements.map(([ms]) => ms)
        for (const value of [latency?.fastMs ?? -1, latency?.slowMs ?? -1]) {
          expect(value).toBeGreaterThanOrEqual(Math.min(...all) - 1e-6)
          expect(value).toBeLessThanOrEqual(Math.max(...all) + 1e-6)
        }
      }),
    )
  })

  test('follows a change within seconds, and remembers for minutes what was before', () => {
    const latency = slowed(100, 1_000)
    expect(latency.fastMs).toBeGreaterThan(500)
    expect(latency.slowMs).toBeLessThan(150)
    expect(hasRisen(latency, NOW_MS)).toBe(true)
  })

  test('says nothing after few measurements, or after a long silence', () => {
    const few = measured([...Array.from({ length: 10 }, () => 1), ...Array.from({ length: 9 }, () => 10_000)])
    expect(hasRisen(few, NOW_MS)).toBe(false)
    expect(hasRisen(slowed(100, 1_000), NOW_MS + LATENCY.knownMs + 1)).toBe(false)
  })
})

describe('the shares of a pool', () => {
  test('are whole while nobody has become slow, whoever is slow by nature', () => {
    expect(keptShares([steady(100), steady(5_000), null], NOW_MS)).toEqual([1, 1, 1])
  })

  test('are whole where all have become slow together: then it is nobody of them', () => {
    expect(keptShares([slowed(100, 1_000), slowed(100, 1_000)], NOW_MS)).toEqual([1, 1])
  })

  test('spare the one that has become slow, the more the slower it is', () => {
    const [slow, slower] = [slowed(100, 1_000), slowed(100, 4_000)].map(
      (latency) => keptShares([latency, steady(100)], NOW_MS)[0] ?? 1,
    )
    expect(slow).toBeGreaterThan(0.1)
    expect(slow).toBeLessThan(0.2)
    expect(slower).toBeLessThan(slow ?? 0)
  })

  test('come back bit by bit as it gets faster', () => {
    let latency = slowed(100, 1_000)
    let share = 0
    const shares: number[] = []
    for (let second = 1; second <= 60; second++) {
      latency = afterLatency(latency, 100, NOW_MS + second * 1_000)
      share = keptShares([latency, { ...steady(100), atMs: latency.atMs }], latency.atMs)[0] ?? 0
      shares.push(share)
    }
    for (const [index, value] of shares.entries()) expect(value).toBeGreaterThanOrEqual(shares[index - 1] ?? 0)
    expect(shares[2]).toBeLessThan(0.5)
    expect(shares.at(-1)).toBe(1)
  })

  test('are lessened for at most half of the pool, never to nothing', () => {
    const latency = fc
      .tuple(fc.integer({ min: 10, max: 1_000 }), fc.integer({ min: 1, max: 50 }))
      .map(([ms, factor]): Latency => ({ fastMs: ms * factor, slowMs: ms, count: 100, atMs: NOW_MS }))
    fc.assert(
      fc.property(fc.array(fc.option(latency), { minLength: 1, maxLength: 8 }), (pool) => {
        const shares = keptShares(pool, NOW_MS)
        expect(shares).toHaveLength(pool.length)
        expect(shares.filter((share) => share < 1).length).toBeLessThanOrEqual(Math.floor(pool.length / 2))
        for (const share of shares) expect(share).toBeGreaterThanOrEqual(LATENCY.shareMin)
      }),
    )
  })

  test('of a target that is alone are whole', () => {
    expect(keptShares([slowed(100, 10_000)], NOW_MS)).toEqual([1])
  })
})

describe('the p95', () => {
  const of = (values: readonly number[]): number | null => {
    const recent: Recent = { ms: [], next: 0 }
    for (const value of values) keepRecent(recent, value)
    return p95Of(recent)
  }

  test('is what 95 of the last 100 took no longer than', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(10_000), { minLength: 20, maxLength: 300 }), (values) => {
        const p95 = of(values) ?? -1
        const last = values.slice(-100)
        expect(last.filter((value) => value <= p95).length).toBeGreaterThanOrEqual(0.95 * last.length)
        expect(last.filter((value) => value < p95).length).toBeLessThan(0.95 * last.length)
      }),
    )
  })

  test('is not known of fewer than twenty', () => {
    expect(of(Array.from({ length: 19 }, () => 1))).toBeNull()
    expect(of(Array.from({ length: 20 }, () => 1))).toBe(1)
  })
})
