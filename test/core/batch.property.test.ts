// What requests of one call are charged: integers that add up to the call, and to nobody's disadvantage.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { sharesOf } from '../../src/core/batch.ts'
import { type Price, costNanoUsd } from '../../src/core/money/price.ts'
import { NO_USAGE, USAGE_BUCKETS, addUnits } from '../../src/core/money/usage.ts'
import type { Units, Usage } from '../../src/core/money/usage.ts'

const count = fc.nat({ max: 10_000_000 })
const counts = fc.record({
  input: count,
  cacheRead: count,
  cacheWrite: count,
  cacheWriteLong: count,
  output: count,
  reasoning: count,
  audioInput: count,
  audioOutput: count,
})
const units = fc.record({ requests: fc.constant(1), busyMilliseconds: fc.nat({ max: 600_000 }) }, { requiredKeys: [] })
const price: fc.Arbitrary<Price> = fc
  .record({ tokens: counts, units: fc.option(fc.record({ requests: count, busyMilliseconds: count })) })
  .map(({ tokens, units: each }) => ({ ...tokens, ...(each === null ? {} : { units: each }) }))
const weights = fc.array(fc.nat({ max: 300_000 }), { minLength: 1, maxLength: 40 })
const tier = fc.constantFrom({}, { tier: 'batch' as const })

function summed(all: readonly Usage[]): Record<string, number> {
  return Object.fromEntries(USAGE_BUCKETS.map((bucket) => [bucket, all.reduce((sum, each) => sum + each[bucket], 0)]))
}

describe('the shares of a call', () => {
  test('add up to what was counted and to what it costs, exactly', () => {
    fc.assert(
      fc.property(counts, units, price, weights, tier, (tokens, own, its, all, served) => {
        const usage = { ...tokens, ...served }
        const shares = sharesOf({ usage, units: own, price: its }, all)
        expect(shares).toHaveLength(all.length)
        expect(summed(shares.map((share) => share.usage ?? NO_USAGE))).toEqual({ ...tokens })
        const total = shares.reduce<Units>((sum, share) => addUnits(sum, share.units), {})
        expect(total).toEqual(addUnits({}, own))
        const cost = shares.reduce((sum, { costNanoUsd: each }) => sum + (each ?? Number.NaN), 0)
        expect(cost).toBe(costNanoUsd({ ...usage, units: own }, its))
        for (const share of shares) expect(share.usage).toMatchObject(served)
      }),
    )
  })

  test('are never negative, and within one of their true part', () => {
    fc.assert(
      fc.property(counts, price, weights, (usage, its, all) => {
        const sum = all.reduce((total, weight) => total + weight, 0)
        for (const [at, share] of sharesOf({ usage, units: {}, price: its }, all).entries()) {
          const part = sum === 0 ? 1 / all.length : (all[at] ?? 0) / sum
          for (const bucket of USAGE_BUCKETS) {
            const own = share.usage?.[bucket] ?? -1
            expect(own).toBeGreaterThanOrEqual(0)
            expect(Math.abs(own - usage[bucket] * part)).toBeLessThanOrEqual(1)
          }
          expect(share.costNanoUsd).toBeGreaterThanOrEqual(0)
        }
      }),
    )
  })

  test('have no cost where nothing was counted, or nothing has a price', () => {
    expect(sharesOf({ usage: null, units: { requests: 1 }, price: NO_USAGE }, [1, 1])).toEqual([
      { usage: null, units: {}, costNanoUsd: null },
      { usage: null, units: { requests: 1 }, costNanoUsd: null },
    ])
    const [first] = sharesOf({ usage: { ...NO_USAGE, input: 7 }, units: {}, price: null }, [5])
    expect(first).toEqual({ usage: { ...NO_USAGE, input: 7 }, units: {}, costNanoUsd: null })
  })
})
