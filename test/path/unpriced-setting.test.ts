// What a gateway's variables say of models without a price: understood, or refusal.
import { describe, expect, test } from 'vitest'
import { readUnpriced } from '../../src/platform/unpriced.ts'

function read(unpriced?: string, price?: string) {
  const warnings: string[] = []
  const log = { warn: (event: string) => void warnings.push(event) }
  const env = {
    ...(unpriced === undefined ? {} : { UNPRICED_MODELS: unpriced }),
    ...(price === undefined ? {} : { DEFAULT_PRICE: price }),
  }
  return { policy: readUnpriced(env, log), warnings }
}

describe('the variables', () => {
  test('that are not set mean that such models are charged nothing', () => {
    expect(read()).toEqual({ policy: { action: 'zero' }, warnings: [] })
  })

  test('can have them refused, or charged a price of their own', () => {
    expect(read('refuse')).toEqual({ policy: { action: 'refuse' }, warnings: [] })
    expect(read('default', '3, 15.25')).toMatchObject({
      policy: { action: 'default', price: { input: 3_000_000, output: 15_250_000 } },
      warnings: [],
    })
  })

  test.each([
    ['default', undefined],
    ['default', '3'],
    ['default', '-3,15'],
    ['default', '3,15,1'],
    ['free', '3,15'],
  ])('that make no sense (%s, %s) mean refusal, and a line in the log', (unpriced, price) => {
    expect(read(unpriced, price)).toEqual({ policy: { action: 'refuse' }, warnings: ['bad-setting'] })
  })
})
