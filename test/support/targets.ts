// A target with everything that a target has, for tests that care for only some of it.
import type { Target } from '../../src/core/directory.ts'
import type { Price } from '../../src/core/money/price.ts'

export function someTarget(id: string, fields: Partial<Target> = {}): Target {
  return {
    id,
    provider: 'simulated',
    dialect: 'openai-chat',
    baseUrl: 'http://localhost:1/v1',
    model: id,
    credential: null,
    maxRetries: 1,
    timeouts: { firstContentMs: 1_000, idleMs: 1_000, totalMs: 10_000 },
    maxOutputTokens: 1_000,
    price: null,
    priceVersion: null,
    costCenter: null,
    ...fields,
  }
}

/** A price for all that is read and all that is written, in pico-USD per token. */
export function costingPicoUsd(input: number, output: number): Price {
  return {
    input,
    cacheRead: input,
    cacheWrite: input,
    cacheWriteLong: input,
    output,
    reasoning: output,
    audioInput: input,
    audioOutput: output,
  }
}
