// Isolates that choose by speed, and what their region knows: told and asked in the background alone, seldom, and about nothing
// that nobody chooses by.
import { describe, expect, test } from 'vitest'
import { SpeedPool } from '../../src/core/health/speed-pool.ts'
import { blended } from '../../src/platform/region-speeds.ts'
import { targetSpeeds } from '../../src/platform/target-speeds.ts'
import { someTarget } from '../support/targets.ts'

const A = someTarget('a')
const B = someTarget('b')

/** A region with shared objects of its own, and a clock. */
function someRegion() {
  const region = { nowMs: 1_760_000_000_000, calls: 0, isAway: false }
  const pools = new Map<string, SpeedPool>()
  const shared = (targetId: string) => ({
    speed: async (...[model, told]: [string, Parameters<SpeedPool['hear']>[1]]) => {
      region.calls += 1
      if (region.isAway) throw new Error('away')
      const pool = pools.get(targetId) ?? new SpeedPool()
      pools.set(targetId, pool)
      return pool.hear(model, told, region.nowMs)
    },
  })
  function isolate() {
    const speeds = targetSpeeds({ nowMs: () => region.nowMs, draw: () => 0.5, log: { warn: () => undefined }, shared })
    return {
      /** As a strategy asks for all members. */
      choose: () => [A, B].map((target) => speeds.of(target)),
      async answered(target: typeof A, ttftMs: number) {
        const work: Promise<void>[] = []
        const measured = { isStreamed: true, ttftMs, outputTokens: 50, writingMs: 500 }
        speeds.note(target, measured, (one) => work.push(one))
        await Promise.all(work)
      },
    }
  }
  return { region, isolate }
}

describe('an isolate of a region', () => {
  test('knows after its first answer what its neighbours know of all members', async () => {
    const { region, isolate } = someRegion()
    const neighbour = isolate()
    neighbour.choose()
    await neighbour.answered(A, 300)
    await neighbour.answered(B, 700)
    region.nowMs += 30_000
    await neighbour.answered(B, 700)
    const cold = isolate()
    expect(cold.choose()).toEqual([null, null])
    await cold.answered(A, 300)
    expect(cold.choose()).toEqual([
      { ttftMs: 300, tokensPerSecond: 100 },
      { ttftMs: 700, tokensPerSecond: 100 },
    ])
  })

  test('isn’t misled by its only call', async () => {
    const { region, isolate } = someRegion()
    const [busy, quiet] = [isolate(), isolate()]
    busy.choose()
    for (let count = 0; count < 30; count += 1) {
      await busy.answered(A, 300)
      region.nowMs += 2_000
    }
    quiet.choose()
    await quiet.answered(A, 9_000)
    const [known] = quiet.choose()
    expect(known).toMatchObject({ ttftMs: expect.any(Number) })
    const { ttftMs } = known !== null && typeof known === 'object' ? known : { ttftMs: Infinity }
    expect(ttftMs).toBeLessThan(2_600)
    const [others] = busy.choose()
    expect(others).toEqual({ ttftMs: 300, tokensPerSecond: 100 })
  })

  test('is sent to find out, or stays away where another is', async () => {
    const { region, isolate } = someRegion()
    const [first, second] = [isolate(), isolate()]
    for (const one of [first, second]) {
      one.choose()
      await one.answered(A, 300)
    }
    expect(first.choose()[1]).toBeNull()
    expect(second.choose()[1]).toBe('tried-elsewhere')
    await first.answered(B, 50)
    region.nowMs += 30_000
    await first.answered(B, 50)
    await second.answered(A, 300)
    expect(second.choose()[1]).toEqual({ ttftMs: 50, tokensPerSecond: 100 })
    // Who was sent and hasn't been anywhere isn't waited for.
    region.nowMs += 150_000
    const [third, fourth] = [isolate(), isolate()]
    for (const one of [third, fourth]) {
      one.choose()
      await one.answered(A, 300)
    }
    expect(third.choose()[1]).toBeNull()
    region.nowMs += 120_001
    fourth.choose()
    await fourth.answered(A, 300)
    expect([third.choose()[1], fourth.choose()[1]]).toEqual(['tried-elsewhere', null])
  })

  test('asks nobody while it chooses, and about each target every half minute at most', async () => {
    const { region, isolate } = someRegion()
    const one = isolate()
    await one.answered(A, 300)
    expect(region.calls).toBe(0)
    one.choose()
    expect(region.calls).toBe(0)
    for (let count = 0; count < 100; count += 1) {
      await one.answered(A, 300)
      one.choose()
      region.nowMs += 600
    }
    // Two targets for a minute.
    expect(region.calls).toBe(4)
    // Nobody chooses any more.
    region.nowMs += 120_001
    await one.answered(A, 300)
    expect(region.calls).toBe(4)
  })

  test('goes by its own while the shared object is away', async () => {
    const { region, isolate } = someRegion()
    region.isAway = true
    const one = isolate()
    one.choose()
    await one.answered(A, 300)
    expect(region.calls).toBe(2)
    expect(one.choose()).toMatchObject([{ ttftMs: 300, tokensPerSecond: 100 }, null])
  })

  test('keeps an old word for want of another, and takes up a later one', async () => {
    const { region, isolate } = someRegion()
    const one = isolate()
    one.choose()
    await one.answered(A, 300)
    region.nowMs += 600_000
    expect(one.choose()[0]).toEqual({ ttftMs: 300, tokensPerSecond: 100 })
    region.nowMs += 1
    expect(one.choose()[0]).toBeNull()
  })
})

test('a whole reply says nothing of the first token where there are streams', () => {
  let nowMs = 0
  const speeds = targetSpeeds({ nowMs: () => nowMs, draw: () => 0.5, log: { warn: () => undefined } })
  const whole = { isStreamed: false, ttftMs: 8_000, outputTokens: 50, writingMs: 0 }
  const stream = { isStreamed: true, ttftMs: 300, outputTokens: 50, writingMs: 500 }
  const after = (measured: typeof whole) => {
    speeds.note(A, measured, () => undefined)
    return speeds.of(A)
  }
  expect(after(whole)).toMatchObject({ ttftMs: 8_000, tokensPerSecond: 0 })
  for (const measured of [stream, whole, stream, whole]) {
    expect(after(measured)).toMatchObject({ ttftMs: 300, tokensPerSecond: 100 })
  }
  // The streams are forgotten, though whole replies went on.
  nowMs += 120_000
  expect(after(whole)).toMatchObject({ ttftMs: 300 })
  nowMs += 1
  expect(after(whole)).toMatchObject({ ttftMs: 8_000, tokensPerSecond: 0 })
})

describe('what an isolate goes by', () => {
  const own = { ttftMs: 4_000, tokensPerSecond: 10 }
  const region = { ttftMs: 400, tokensPerSecond: 100 }

  test('is the region’s word the more, the fewer calls it has made itself', () => {
    const at = (calls: number) => blended(own, calls, region).ttftMs
    expect(at(1)).toBe(1_120)
    expect(at(4)).toBe(2_200)
    expect(at(16)).toBe(3_280)
    expect(at(1_000)).toBe(at(16))
    expect(blended(own, 1, null)).toEqual(own)
  })

  test('is the pace of whoever knows one', () => {
    const none = { ttftMs: 4_000, tokensPerSecond: 0 }
    expect(blended(none, 9, region).tokensPerSecond).toBe(100)
    expect(blended(own, 9, { ...region, tokensPerSecond: 0 }).tokensPerSecond).toBe(10)
  })
})
