// Prices: exact on their way in, complete, and named for good.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { findPrice } from '../../src/catalog/price-catalogue.ts'
import { picoPerToken, priceOf, priceVersionOf } from '../../src/catalog/price-units.ts'
import { PRICE_OVERRIDES } from '../../src/catalog/prices.ts'
import { findProvider, PROVIDERS } from '../../src/catalog/providers.ts'
import { checkEndpoint } from '../../src/core/guard/endpoint-guard.ts'
import { costNanoUsd } from '../../src/core/money/price.ts'
import { NO_USAGE } from '../../src/core/money/usage.ts'

describe('price units', () => {
  it('turn every price of up to six decimals into the exact integer', () => {
    fc.assert(
      fc.property(fc.nat(2_000_000_000), (pico) => {
        const decimal = `${Math.floor(pico / 1_000_000)}.${String(pico % 1_000_000).padStart(6, '0')}`
        expect(picoPerToken(Number(decimal))).toBe(pico)
      }),
    )
  })

  it('round half up below a pico-USD', () => {
    expect([0.0375, 0.0000005, 0.0000004, 1e-9].map(picoPerToken)).toEqual([37_500, 1, 0, 0])
  })

  it('fill every bucket from its parent', () => {
    expect(priceOf({ input: 2, output: 8 })).toEqual({
      input: 2_000_000,
      cacheRead: 2_000_000,
      cacheWrite: 2_000_000,
      cacheWriteLong: 2_000_000,
      output: 8_000_000,
      reasoning: 8_000_000,
      audioInput: 2_000_000,
      audioOutput: 8_000_000,
    })
    expect(priceOf({ input: 2, output: 8, cacheWrite: 3 }).cacheWriteLong).toBe(3_000_000)
  })

  it('give two prices two versions, and one price one', () => {
    const price = priceOf({ input: 2, output: 8 })
    expect(priceVersionOf('x', price)).toBe(priceVersionOf('x', { ...price }))
    expect(priceVersionOf('x', price)).not.toBe(priceVersionOf('x', { ...price, reasoning: 1 }))
  })
})

describe('price catalogue', () => {
  it('knows the published prices of well-known models', async () => {
    expect((await findPrice('openai', 'gpt-4o'))?.price).toMatchObject({
      input: 2_500_000,
      cacheRead: 1_250_000,
      output: 10_000_000,
      reasoning: 10_000_000,
    })
    expect((await findPrice('anthropic', 'claude-sonnet-4-5'))?.price).toMatchObject({
      input: 3_000_000,
      cacheRead: 300_000,
      cacheWrite: 3_750_000,
      cacheWriteLong: 6_000_000,
      output: 15_000_000,
    })
    expect((await findPrice('openai', 'gpt-audio'))?.price).toMatchObject({
      audioInput: 32_000_000,
      audioOutput: 64_000_000,
    })
  })

  it('prices a dated name as its model, and names the catalogue in the version', async () => {
    const found = await findPrice('openai', 'gpt-4o-mini-2024-07-18')
    expect(found?.price.input).toBe(150_000)
    expect(found?.priceVersion).toMatch(/^genai-prices-[0-9.]+@[0-9-]{10}\/openai\/gpt-4o-mini#[0-9a-f]{8}$/)
  })

  it('knows no price rather than a wrong one', async () => {
    expect(await findPrice('openai', 'no-such-model')).toBeNull()
    expect(await findPrice('custom', 'gpt-4o')).toBeNull()
    expect(await findPrice('no-such-provider', 'gpt-4o')).toBeNull()
    expect(await findPrice('openai', '*')).toBeNull()
  })

  it('prices simulated models, so that their cost is never zero', async () => {
    for (const [provider, model] of [
      ['simulated-openai', 'x'],
      ['simulated-anthropic', '*'],
    ] as const) {
      const found = await findPrice(provider, model)
      expect(found === null ? 0 : costNanoUsd({ ...NO_USAGE, input: 1 }, found.price)).toBeGreaterThan(0)
    }
  })
})

describe('catalogue data', () => {
  it('has each provider once, on an address that a target may have', () => {
    expect(new Set(PROVIDERS.map((one) => one.name)).size).toBe(PROVIDERS.length)
    for (const provider of PROVIDERS) {
      if (provider.baseUrl === null) continue
      const checked = checkEndpoint(new URL(provider.baseUrl.replaceAll(/[{}]/g, '')), {
        allowPrivate: false,
        services: ['SIMULATED'],
      })
      expect([provider.name, checked.ok]).toEqual([provider.name, true])
      expect(provider.baseUrl).not.toMatch(/\/$/)
    }
  })

  it('names credentials that may be sent to a provider', () => {
    for (const provider of PROVIDERS)
      expect(provider.credential ?? 'X_API_KEY').toMatch(/^[A-Z][A-Z0-9_]*_(?:API_KEY|CREDENTIALS|ACCESS_KEY)$/)
  })

  it('has overrides of known providers with a source and a date', () => {
    for (const one of PRICE_OVERRIDES) {
      expect(findProvider(one.provider)?.name).toBe(one.provider)
      expect(one.date).toMatch(/^20\d\d-\d\d-\d\d$/)
      expect(one.source).not.toBe('')
    }
  })
})
