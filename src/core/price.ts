// Prices and costs. A price is integer pico-USD per token (10^-12 USD: $0.0375 per million tokens is 37,500); a cost is
// integer nano-USD (10^-9 USD), rounded up once per attempt. Integers only, so that sums are exact.
import { USAGE_BUCKETS, type Usage } from './usage.ts'

/** Pico-USD per token for every bucket of `Usage`. A bucket without a price of its own repeats its parent's. */
export interface Price {
  readonly input: number
  readonly cacheRead: number
  readonly cacheWrite: number
  readonly cacheWriteLong: number
  readonly output: number
  readonly reasoning: number
  readonly audioInput: number
  readonly audioOutput: number
}

const PICO_PER_NANO = 1000

/**
 * The cost of `usage` at `price` in nano-USD, rounded up once. Zero usage costs zero. Exact while the cost in pico-USD
 * is below 2^53 (about 9,000 USD for one call); beyond that it is computed in BigInt and stays exact to the nano-USD.
 */
export function costNanoUsd(usage: Usage, price: Price): number {
  const pico =
    usage.input * price.input +
    usage.cacheRead * price.cacheRead +
    usage.cacheWrite * price.cacheWrite +
    usage.cacheWriteLong * price.cacheWriteLong +
    usage.output * price.output +
    usage.reasoning * price.reasoning +
    usage.audioInput * price.audioInput +
    usage.audioOutput * price.audioOutput
  return pico <= Number.MAX_SAFE_INTEGER ? Math.ceil(pico / PICO_PER_NANO) : costInBigInt(usage, price)
}

function costInBigInt(usage: Usage, price: Price): number {
  let pico = 0n
  for (const bucket of USAGE_BUCKETS) pico += BigInt(usage[bucket]) * BigInt(price[bucket])
  return Number((pico + 999n) / 1000n)
}
