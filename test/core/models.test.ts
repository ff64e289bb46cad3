// What is known of models: names are found whatever stands before them, and context windows agree with the catalogue's.
import { findProvider } from '@pydantic/genai-prices'
import { describe, expect, test } from 'vitest'
import { findCapabilities } from '../../src/catalog/models.ts'

describe('capabilities', () => {
  test.each([
    ['gpt-4o-2024-08-06', 128_000],
    ['openai/gpt-4o', 128_000],
    ['us.anthropic.claude-sonnet-4-5-20250929-v1:0', 200_000],
    ['anthropic.claude-3-5-sonnet-20241022-v2:0', 200_000],
    ['amazon.nova-pro-v1:0', 300_000],
    ['accounts/fireworks/models/llama-v3p1-8b-instruct', undefined],
    ['publishers/google/models/gemini-2.5-pro', 1_048_576],
    ['o10-of-tomorrow', undefined],
    ['', undefined],
  ])('%s takes %s tokens', (model, tokens) => {
    expect(findCapabilities(model).contextTokens).toBe(tokens)
  })

  test('the longest beginning decides', () => {
    expect(findCapabilities('claude-3-7-sonnet-20250219').reasoning).toBe(true)
    expect(findCapabilities('claude-3-haiku-20240307').reasoning).toBeUndefined()
    expect(findCapabilities('gpt-oss-120b').vision).toBe(false)
    expect(findCapabilities('grok-3-mini').reasoning).toBe(true)
  })

  test.each(['openai', 'anthropic', 'x-ai', 'cohere', 'perplexity', 'zai'])(
    'never claim a larger context window than the price catalogue gives for %s',
    (providerId) => {
      const listed = findProvider({ providerId })?.models ?? []
      expect(listed.length).toBeGreaterThan(0)
      const larger = listed.flatMap(({ id, context_window: window }) => {
        const known = findCapabilities(id).contextTokens
        return window === undefined || known === undefined || known <= window * 1.03
          ? []
          : [`${id}: ${known} > ${window}`]
      })
      expect(larger).toEqual([])
    },
  )
})
