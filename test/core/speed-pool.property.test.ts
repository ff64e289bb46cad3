// What a region's isolates know together of speed: an average that no single one can bend, that is forgotten in time, and that
// sends one of them where nobody knows anything.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Paces, SpeedPool } from '../../src/core/health/speed-pool.ts'

const START_MS = 1_760_000_000_000
const told = (ttftMs: number, count = 10, tokensPerSecond = 100): Paces => ({ ttftMs, tokensPerSecond, count })

function ttftOf(pool: SpeedPool, nowMs: number): number | null {
  return pool.hear('m', null, nowMs).known?.ttftMs ?? null
}

/** A pool that has heard from five isolates that a target takes 400 ms. */
function settled(): SpeedPool {
  const pool = new SpeedPool()
  for (let isolate = 0; isolate < 5; isolate += 1) pool.hear('m', told(400), START_MS)
  return pool
}

describe('what a region knows', () => {
  test('is the mean of all calls, as long as there are few', () => {
    const pool = new SpeedPool()
    pool.hear('m', told(1_000, 1), START_MS)
    pool.hear('m', told(200, 3, 60), START_MS)
    expect(pool.hear('m', null, START_MS)).toEqual({ known: { ttftMs: 400, tokensPerSecond: 70 }, mayTry: false })
  })

  test('lies among what was told', () => {
    const message = fc.record({
      ttftMs: fc.integer({ min: 1, max: 60_000 }),
      tokensPerSecond: fc.integer({ min: 1, max: 500 }),
      count: fc.integer({ min: 1, max: 1_000 }),
    })
    fc.assert(
      fc.property(fc.array(message, { minLength: 1, maxLength: 40 }), (messages) => {
        const pool = new SpeedPool()
        const words = messages.map((one, index) => pool.hear('m', one, START_MS + index * 1_000).known)
        for (const [index, word] of words.entries()) {
          const before = messages.slice(0, index + 1)
          for (const member of ['ttftMs', 'tokensPerSecond'] as const) {
            const values = before.map((one) => one[member])
            expect(word?.[member]).toBeGreaterThanOrEqual(Math.min(...values) - 1e-6)
            expect(word?.[member]).toBeLessThanOrEqual(Math.max(...values) + 1e-6)
          }
        }
      }),
    )
  })

  test('is bent by one isolate no further than by half, however far off and busy that is', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 600_000 }), fc.integer({ min: 1, max: 1e6 }), (ttftMs, count) => {
        const pool = settled()
        pool.hear('m', told(ttftMs, count), START_MS)
        expect(ttftOf(pool, START_MS)).toBeGreaterThanOrEqual(400 * 0.8)
        expect(ttftOf(pool, START_MS)).toBeLessThanOrEqual(400 * 1.5)
      }),
    )
  })

  test('forgets an isolate with a bad road when the others go on', () => {
    const pool = settled()
    pool.hear('m', told(30_000), START_MS)
    for (let isolate = 0; isolate < 5; isolate += 1) pool.hear('m', told(400), START_MS + 30_000)
    expect(ttftOf(pool, START_MS + 30_000)).toBeLessThan(460)
  })

  test('follows a target that has become slow for all of them within a minute', () => {
    const pool = settled()
    for (const afterMs of [0, 30_000]) {
      for (let isolate = 0; isolate < 5; isolate += 1) pool.hear('m', told(4_000), START_MS + afterMs)
    }
    expect(ttftOf(pool, START_MS + 30_000)).toBeGreaterThan(3_000)
  })

  test('is forgotten two minutes after the last call, and begins anew', () => {
    const pool = settled()
    expect(ttftOf(pool, START_MS + 120_000)).toBe(400)
    expect(ttftOf(pool, START_MS + 120_001)).toBeNull()
    pool.hear('m', told(9_000, 1), START_MS + 130_000)
    expect(ttftOf(pool, START_MS + 130_000)).toBe(9_000)
  })

  test('keeps models apart, and no more than a hundred', () => {
    const pool = settled()
    pool.hear('other', told(50), START_MS)
    expect(pool.hear('m', null, START_MS).known?.ttftMs).toBe(400)
    for (let count = 0; count < 100; count += 1) pool.hear(`model ${count}`, told(1), START_MS)
    expect(pool.hear('m', null, START_MS).known).toBeNull()
  })

  test('a reply that shows no pace leaves the pace as it was', () => {
    const pool = settled()
    pool.hear('m', told(400, 10, 0), START_MS)
    expect(pool.hear('m', null, START_MS).known?.tokensPerSecond).toBe(100)
  })
})

describe('what nobody knows', () => {
  test('one isolate in half a minute is sent to find out, until somebody has', () => {
    const pool = new SpeedPool()
    const sent = (afterMs: number) => pool.hear('m', null, START_MS + afterMs).mayTry
    expect([0, 0, 29_999, 30_000, 30_000].map(sent)).toEqual([true, false, false, true, false])
    pool.hear('m', told(400), START_MS + 31_000)
    expect(sent(61_000)).toBe(false)
    expect(sent(151_001)).toBe(true)
  })
})
