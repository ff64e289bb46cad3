// Which price a tenant is charged at which time, and what is counted besides tokens.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { PriceBook, type PriceRule } from '../../src/core/money/price-book.ts'
import { type Price, adjustedPrice, costNanoUsd, dearestTier, priceAt } from '../../src/core/money/price.ts'
import { NO_USAGE, SERVICE_TIERS, UNIT_KINDS, USAGE_BUCKETS, addUnits, withUnits } from '../../src/core/money/usage.ts'
import { costingPicoUsd } from '../support/targets.ts'

const LISTED = costingPicoUsd(1_000, 2_000)
const MODEL = { provider: 'openai', model: 'gpt-4o', price: LISTED, priceVersion: 'listed' }
const ACME = { tenantId: 'acme', atMs: 1_000 }

function rule(id: string, fields: Partial<PriceRule> = {}): PriceRule {
  const all = { id, provider: 'openai', model: 'gpt-4o', tenantId: null, fromMs: 0, basisPoints: 0, version: id }
  return { ...all, price: costingPicoUsd(7, 7), ...fields }
}

function chosen(rules: readonly PriceRule[], terms = ACME, model: Parameters<PriceBook['priceOf']>[0] = MODEL) {
  const book = new PriceBook()
  book.take(rules)
  return book.priceOf(model, terms)?.priceVersion ?? null
}

describe('the price that is charged', () => {
  test('is the listed one where nothing is said of it', () => {
    expect(chosen([])).toBe('listed')
    expect(chosen([rule('other', { model: 'gpt-4o-mini' }), rule('elsewhere', { provider: 'azure' })])).toBe('listed')
  })

  test('is the most specific one: of the tenant, of the model, of the provider, in this order', () => {
    const rules = [
      rule('all', { provider: '*', model: '*' }),
      rule('openai', { model: '*' }),
      rule('short', { model: 'gpt-*' }),
      rule('long', { model: 'gpt-4*' }),
      rule('anywhere', { provider: '*' }),
      rule('exact'),
      rule('acme-all', { provider: '*', model: '*', tenantId: 'acme' }),
    ]
    const versions: (string | null)[] = []
    for (let left = rules; left.length > 0;) {
      const version = chosen(left.toReversed())
      versions.push(version)
      left = left.filter(({ id }) => id !== version)
    }
    expect(versions).toEqual(['acme-all', 'exact', 'anywhere', 'long', 'short', 'openai', 'all'])
    expect(chosen(rules, { tenantId: 'another', atMs: 1_000 })).toBe('exact')
  })

  test('changes at the instant from which it holds, for requests accepted from then on', () => {
    const rules = [rule('before', { fromMs: 500 }), rule('after', { fromMs: 2_000 })]
    expect([499, 500, 1_999, 2_000].map((atMs) => chosen(rules, { tenantId: 'acme', atMs }))).toEqual([
      'listed',
      'before',
      'before',
      'after',
    ])
  })

  test('has a margin or discount on top, but not where it was made with the tenant itself', () => {
    const margin = rule('+10%', { price: null, basisPoints: 1_000 })
    expect(chosen([margin])).toBe('listed +10%')
    expect(chosen([margin, rule('ours')])).toBe('ours +10%')
    expect(chosen([margin, rule('contract', { tenantId: 'acme' })])).toBe('contract')
    const discount = rule('-20%', { price: null, basisPoints: -2_000, tenantId: 'acme' })
    expect(chosen([margin, discount])).toBe('listed -20%')
    expect(chosen([margin, discount], { tenantId: 'another', atMs: 1_000 })).toBe('listed +10%')
  })

  test('is none for a model that nobody has a price for, unless the policy has one for such', () => {
    const unknown = { ...MODEL, price: null, priceVersion: null }
    expect(chosen([], ACME, unknown)).toBeNull()
    const byDefault = { action: 'default', price: LISTED, priceVersion: 'default' } as const
    expect(new PriceBook(byDefault).priceOf(unknown, ACME)?.priceVersion).toBe('default')
    expect(new PriceBook(byDefault).priceOf(unknown, { ...ACME, unpriced: { action: 'zero' } })).toBeNull()
    expect(new PriceBook(byDefault).priceOf(MODEL, ACME)?.priceVersion).toBe('listed')
  })

  test('follows the newest rules that were heard of', () => {
    const book = new PriceBook()
    book.take([rule('first')])
    expect(book.priceOf(MODEL, ACME)?.priceVersion).toBe('first')
    book.take([rule('second')])
    expect(book.priceOf(MODEL, ACME)?.priceVersion).toBe('second')
    book.take([])
    expect(book.priceOf(MODEL, ACME)?.priceVersion).toBe('listed')
  })
})

const pico = fc.nat(1_000_000_000)
const tokens = fc.record(Object.fromEntries(USAGE_BUCKETS.map((bucket) => [bucket, pico] as const)))
const counts = fc.record(Object.fromEntries(UNIT_KINDS.map((kind) => [kind, fc.nat(10_000)] as const)))

describe('a cost', () => {
  test('is that of the tokens at their tier, and of all units, to the pico-dollar', () => {
    const tier = fc.constantFrom(undefined, ...SERVICE_TIERS)
    fc.assert(
      fc.property(tokens, tokens, counts, counts, tier, (usual, flex, prices, units, served) => {
        const price = { ...NO_USAGE, ...usual, tiers: { flex: { ...NO_USAGE, ...flex } }, units: prices }
        const usage = { ...NO_USAGE, input: 3, reasoning: 5, units, ...(served === undefined ? {} : { tier: served }) }
        const at = served === 'flex' ? price.tiers.flex : price
        const exact =
          BigInt(at.input) * 3n +
          BigInt(at.reasoning) * 5n +
          UNIT_KINDS.reduce((sum, kind) => sum + BigInt(prices[kind] ?? 0) * BigInt(units[kind] ?? 0), 0n)
        expect(costNanoUsd(usage, price)).toBe(Number((exact + 999n) / 1000n))
      }),
    )
  })

  test('is all at the price of long prompts where the prompt, cached or not, is longer than so much', () => {
    fc.assert(
      fc.property(tokens, tokens, tokens, fc.nat(3_000), fc.nat(3_000), (usual, long, longer, input, cacheRead) => {
        const [first, second] = [long, longer].map((one) => ({ ...NO_USAGE, ...one }))
        const price: Price = {
          ...NO_USAGE,
          ...usual,
          longPrompts: [
            { aboveTokens: 1_000, tokens: first ?? NO_USAGE },
            { aboveTokens: 3_000, tokens: second ?? NO_USAGE },
          ],
        }
        const usage = { ...NO_USAGE, input, cacheRead, output: 7 }
        const length = input + cacheRead
        const at = length > 3_000 ? second : length > 1_000 ? first : { ...NO_USAGE, ...usual }
        expect(costNanoUsd(usage, price)).toBe(costNanoUsd(usage, at ?? NO_USAGE))
        expect(costNanoUsd(usage, priceAt(price, length))).toBe(costNanoUsd(usage, price))
      }),
    )
  })

  test('is exact also where its units are beyond what a double can count', () => {
    const usage = withUnits({ ...NO_USAGE, input: 1 }, { requests: 9_007_199_254_740 })
    const price = { ...NO_USAGE, input: 1, units: { requests: 3_000 } }
    expect(costNanoUsd(usage, price)).toBe(27_021_597_764_221)
  })

  test('never exceeds that of the dearest tier', () => {
    fc.assert(
      fc.property(tokens, tokens, tokens, fc.constantFrom(...SERVICE_TIERS), (usual, a, b, tier) => {
        const price = { ...NO_USAGE, ...usual, tiers: { flex: { ...NO_USAGE, ...a }, priority: { ...NO_USAGE, ...b } } }
        const usage = { ...NO_USAGE, input: 10, output: 10, cacheRead: 10 }
        const most = costNanoUsd(usage, dearestTier(price))
        expect(most).toBeGreaterThanOrEqual(costNanoUsd({ ...usage, tier }, price))
        expect(most).toBeGreaterThanOrEqual(costNanoUsd(usage, price))
      }),
    )
  })
})

describe('a margin', () => {
  test('is on every number of a price, and nothing for nothing', () => {
    fc.assert(
      fc.property(tokens, counts, fc.integer({ min: -10_000, max: 100_000 }), (usual, units, points) => {
        const long = [{ aboveTokens: 9, tokens: { ...NO_USAGE, ...usual } }]
        const price = { ...NO_USAGE, ...usual, units, tiers: { batch: { ...NO_USAGE, ...usual } }, longPrompts: long }
        const adjusted = adjustedPrice(price, points)
        const times = (one: number): number => Number((BigInt(one) * BigInt(10_000 + points) + 5_000n) / 10_000n)
        for (const bucket of USAGE_BUCKETS) {
          expect(adjusted[bucket]).toBe(times(price[bucket]))
          expect(adjusted.tiers?.batch?.[bucket]).toBe(times(price[bucket]))
          expect(adjusted.longPrompts?.[0]?.tokens[bucket]).toBe(times(price[bucket]))
        }
        for (const kind of UNIT_KINDS) expect(adjusted.units?.[kind]).toBe(times(units[kind] ?? 0))
        expect(adjustedPrice(price, 0)).toEqual(price)
      }),
    )
  })
})

describe('units', () => {
  test('taken away again are none', () => {
    fc.assert(
      fc.property(counts, counts, (a, b) => {
        expect(addUnits(addUnits(a, b), b, -1)).toEqual(addUnits(a, {}))
        expect(addUnits(a, a, -1)).toEqual({})
      }),
    )
  })
})
