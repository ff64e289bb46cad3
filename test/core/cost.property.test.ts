// What a request is thought to need, what it cost, and what becomes of attempts that were lost: to the unit.
import fc from 'fast-check'
import { estimateTokenCount } from 'tokenx'
import { describe, expect, test } from 'vitest'
import { adjusted, lost } from '../../src/core/limits/booking.ts'
import { demand, estimateTokens, tokensOfChars } from '../../src/core/estimate/estimate.ts'
import { type Price, costNanoUsd } from '../../src/core/money/price.ts'
import { type UsageEvent, packEvent, unpackOwnEvent } from '../../src/core/money/usage-event.ts'
import {
  USAGE_BUCKETS,
  NO_USAGE,
  type Usage,
  completionTokens,
  promptTokens,
  totalTokens,
} from '../../src/core/money/usage.ts'
import { someTarget } from '../support/targets.ts'
import { usageEvent } from '../support/usage-events.ts'

function buckets(most: number): fc.Arbitrary<Usage> {
  const count = fc.oneof(fc.constant(0), fc.nat(1_000), fc.nat(most))
  return fc.record({
    input: count,
    cacheRead: count,
    cacheWrite: count,
    cacheWriteLong: count,
    output: count,
    reasoning: count,
    audioInput: count,
    audioOutput: count,
  })
}

const usages = buckets(2_000_000)
const prices: fc.Arbitrary<Price> = buckets(600_000_000)
/** The same sum in integers of any size. */
function exactCost(usage: Usage, price: Price): bigint {
  return (USAGE_BUCKETS.reduce((sum, name) => sum + BigInt(usage[name]) * BigInt(price[name]), 0n) + 999n) / 1000n
}

describe('a cost', () => {
  test('is exact, rounded up once, also where it is beyond what a double can count', () => {
    fc.assert(
      fc.property(usages, prices, (usage, price) => {
        const cost = costNanoUsd(usage, price)
        expect(Number.isInteger(cost)).toBe(true)
        expect(cost).toBe(Number(exactCost(usage, price)))
      }),
      { numRuns: 2_000 },
    )
  })

  test('of a third of a nano-dollar here and there is one nano-dollar, not two', () => {
    const price = { ...NO_USAGE, input: 300, output: 300 }
    expect(costNanoUsd({ ...NO_USAGE, input: 1, output: 1 }, price)).toBe(1)
    expect(costNanoUsd(NO_USAGE, price)).toBe(0)
    expect(costNanoUsd({ ...NO_USAGE, input: 10 }, { ...NO_USAGE, input: 100 })).toBe(1)
  })

  test('counts every token once', () => {
    fc.assert(
      fc.property(usages, (usage) => {
        expect(promptTokens(usage) + completionTokens(usage)).toBe(totalTokens(usage))
        expect(totalTokens(usage)).toBe(USAGE_BUCKETS.reduce((sum, name) => sum + usage[name], 0))
      }),
    )
  })
})

describe('an estimate', () => {
  const words = fc.array(fc.constantFrom('the', 'gateway', 'lease', 'of', 'a', 'budget,', 'window.', 'is', 'counted'), {
    minLength: 200,
    maxLength: 4_000,
  })

  test('of a long text of one kind is near what counting the whole of it says', () => {
    fc.assert(
      fc.property(words, (list) => {
        const text = list.join(' ')
        const whole = estimateTokenCount(text)
        expect(estimateTokens(text)).toBeGreaterThan(whole * 0.75)
        expect(estimateTokens(text)).toBeLessThan(whole * 1.35)
      }),
    )
  })

  test('of any text is a whole number of tokens, at least none, and none for nothing', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), fc.integer({ min: 1, max: 20 }), (text, times) => {
        const tokens = estimateTokens(text.repeat(times))
        expect(Number.isSafeInteger(tokens)).toBe(true)
        expect(tokens).toBeGreaterThanOrEqual(0)
      }),
    )
    expect(estimateTokens('')).toBe(0)
    expect(tokensOfChars(0)).toBe(0)
  })

  test('of a short text is the count itself, or more', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 300 }), (text) => {
        expect(estimateTokens(text)).toBeGreaterThanOrEqual(estimateTokenCount(text))
      }),
    )
    expect(estimateTokens('The lease of a budget, counted.')).toBe(
      estimateTokenCount('The lease of a budget, counted.'),
    )
  })

  test.each([
    ['letters and digits mixed', '9fA0kQ7zLm3XbT1vYc8RwE5uHg2N', 1.8],
    ['a digest in hex', 'c0ffee1234deadbeef5678a9b0c1d2e3', 1.8],
    ['ids', '3f2b8c1e-7d49-4a60-9b1c-5e8f0a2d6c37 ', 1.8],
    ['Thai', 'สวัสดีครับ', 1.8],
    ['Arabic', 'مرحبا كيف حالك ', 2],
    ['Hindi', 'नमस्ते आप कैसे हैं ', 2],
  ])('of %s is not that of words: tokens are short there', (_, unit, charsPerToken) => {
    for (const times of [1, 8, 400]) {
      const text = unit.repeat(times)
      expect(estimateTokens(text), `${times}`).toBeGreaterThanOrEqual(Math.floor(text.length / charsPerToken))
    }
  })

  test('reserves enough for every output up to its bound, reasoning or not, and for a prompt a quarter longer', () => {
    const plain = fc.record({ input: fc.nat(1e6), output: fc.nat(1e6), reasoning: fc.nat(1e6) })
    const share = fc.double({ min: 0, max: 1, noNaN: true })
    fc.assert(
      fc.property(
        plain,
        fc.nat(200_000),
        fc.option(fc.nat(10_000)),
        fc.integer({ min: 1, max: 4 }),
        share,
        (some, prompt, most, choices, thought) => {
          const price: Price = { ...NO_USAGE, ...some, cacheRead: 0 }
          const need = demand(
            prompt,
            { maxOutputTokens: most, choices },
            someTarget('m', { price, maxOutputTokens: 500 }),
          )
          const out = need.maxOutputTokens * choices
          const reasoning = Math.floor(out * thought)
          const usage = { ...NO_USAGE, input: Math.floor(prompt * 1.25), output: out - reasoning, reasoning }
          expect(costNanoUsd(usage, price)).toBeLessThanOrEqual(need.amounts.nanoUsd)
          expect(need.maxOutputTokens).toBe(most ?? 500)
          expect(Number.isSafeInteger(need.amounts.inputTokens + need.amounts.outputTokens)).toBe(true)
        },
      ),
    )
  })

  test('needs no money for a target without a price', () => {
    expect(demand(1_000, { maxOutputTokens: null, choices: 1 }, someTarget('m')).amounts.nanoUsd).toBe(0)
  })
})

/** The events of a run, with all their fields. */
function unpacked(run: string): readonly UsageEvent[] {
  const events: readonly UsageEvent[] = JSON.parse(run)
  return events.map(unpackOwnEvent)
}

describe('an attempt that was lost with its isolate', () => {
  const admission = fc.record({ reservedNanoUsd: fc.nat(1e9), usage: usages, truth: usages, costNanoUsd: fc.nat(1e9) })

  test('is booked at its reservation, and its true event corrects the sum exactly', () => {
    fc.assert(
      fc.property(admission, ({ reservedNanoUsd, usage, truth, costNanoUsd: cost }) => {
        const event = packEvent(usageEvent('r', { usage, startedAtMs: 1_000 }))
        const open = { id: 'r#1', reservedNanoUsd, event, bookedAtMs: 5_000 }
        const booked = unpacked(lost([open], 5_000))
        expect(booked).toMatchObject([
          { ending: 'lost', isEstimated: true, costNanoUsd: reservedNanoUsd, latencyMs: 4_000 },
        ])
        const own = usageEvent('other')
        const late = `[${[usageEvent('r', { usage: truth, costNanoUsd: cost }), own].map(packEvent).join(',')}]`
        const [correction, untouched] = unpacked(adjusted(late, [open]))
        expect(untouched).toEqual(own)
        expect(correction?.kind).toBe('adj')
        expect((correction?.costNanoUsd ?? 0) + reservedNanoUsd).toBe(cost)
        for (const name of USAGE_BUCKETS) expect((correction?.usage[name] ?? 0) + usage[name]).toBe(truth[name])
      }),
    )
  })
})
