// Wildcard targets: what a request costs is known although the target names no model.
import { describe, expect, it } from 'vitest'
import type { Target } from '../../src/core/directory.ts'
import { concreteTarget } from '../../src/data-plane/route/concrete-target.ts'

const WILDCARD: Target = {
  id: 'openai-any',
  provider: 'openai',
  dialect: 'openai-chat',
  baseUrl: 'https://api.openai.com/v1',
  model: '*',
  credential: 'OPENAI_API_KEY',
  maxRetries: 1,
  timeouts: { firstContentMs: 1000, idleMs: 1000, totalMs: 1000 },
  maxOutputTokens: 4096,
  price: null,
  priceVersion: null,
  costCenter: null,
}

describe('a wildcard target', () => {
  it('has the listed price of the model that was asked for', async () => {
    const target = await concreteTarget(WILDCARD, 'gpt-4o-mini')
    expect(target).toMatchObject({ id: 'openai-any', model: 'gpt-4o-mini', price: { input: 150_000, output: 600_000 } })
    expect(target.priceVersion).toContain('openai/gpt-4o-mini')
  })

  it('is resolved once per model, then at once', async () => {
    const first = await concreteTarget(WILDCARD, 'gpt-4o')
    expect(concreteTarget(WILDCARD, 'gpt-4o')).toBe(first)
  })

  it('has no price for a model that nobody lists, and says so', async () => {
    expect(await concreteTarget(WILDCARD, 'no-such-model')).toMatchObject({ price: null, priceVersion: null })
  })

  it('keeps a price that its operator gave', async () => {
    const [input, output] = [7, 9]
    const rest = { cacheRead: 7, cacheWrite: 7, cacheWriteLong: 7, reasoning: 9, audioInput: 7, audioOutput: 9 }
    const priced: Target = { ...WILDCARD, price: { input, output, ...rest }, priceVersion: 'configured' }
    expect(await concreteTarget(priced, 'gpt-4o')).toMatchObject({ price: { input: 7 }, priceVersion: 'configured' })
  })
})

describe('any other target', () => {
  it('is what it is', () => {
    const named = { ...WILDCARD, model: 'gpt-4o' }
    expect(concreteTarget(named, 'my-alias')).toBe(named)
  })
})
