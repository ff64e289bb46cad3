// From published prices (USD per million tokens, decimal fractions) to our integers (pico-USD per token). The only place
// where money is a float, and only on its way in.
import type { Price, TokenPrices } from '../core/money/price.ts'
import { crc32 } from '../core/virtual-key.ts'

/** A published price. Members that are left out follow their parent: cached and audio input the fresh input, reasoning
 *  and audio output the output, the long cache write the short one. */
export interface UsdPerMillion {
  readonly input: number
  readonly output: number
  readonly cacheRead?: number | undefined
  readonly cacheWrite?: number | undefined
  readonly cacheWriteLong?: number | undefined
  readonly reasoning?: number | undefined
  readonly audioInput?: number | undefined
  readonly audioOutput?: number | undefined
  /** With longer prompts, the shorter ones first. */
  readonly longPrompts?: readonly (UsdPerMillion & { readonly aboveTokens: number })[] | undefined
}

/** Pico-USD per token of a USD price per million tokens: × 10^6, rounded half up. Prices of six decimals are exact. */
export function picoPerToken(usdPerMillion: number): number {
  return Math.round(usdPerMillion * 1_000_000)
}

/** A published price in our integers, every bucket filled. */
export function priceOf({ longPrompts, ...published }: UsdPerMillion): Price {
  const tokens = tokensOf(published)
  if (longPrompts === undefined) return tokens
  return {
    ...tokens,
    longPrompts: longPrompts.map(({ aboveTokens, ...long }) => ({ aboveTokens, tokens: tokensOf(long) })),
  }
}

function tokensOf(published: UsdPerMillion): TokenPrices {
  const { input, output } = published
  const cacheWrite = published.cacheWrite ?? input
  return {
    input: picoPerToken(input),
    cacheRead: picoPerToken(published.cacheRead ?? input),
    cacheWrite: picoPerToken(cacheWrite),
    cacheWriteLong: picoPerToken(published.cacheWriteLong ?? cacheWrite),
    output: picoPerToken(output),
    reasoning: picoPerToken(published.reasoning ?? output),
    audioInput: picoPerToken(published.audioInput ?? input),
    audioOutput: picoPerToken(published.audioOutput ?? output),
  }
}

/** Names a price for good: where it comes from, and a checksum of all its numbers, so that no two differ silently. */
export function priceVersionOf(origin: string, price: Price): string {
  const { input, cacheRead, cacheWrite, cacheWriteLong, output, reasoning, audioInput, audioOutput } = price
  const numbers = [input, cacheRead, cacheWrite, cacheWriteLong, output, reasoning, audioInput, audioOutput]
  const { units, tiers, longPrompts } = price
  const more = longPrompts === undefined ? [units, tiers] : [units, tiers, longPrompts]
  const others = more.every((one) => one === undefined) ? '' : JSON.stringify(more)
  return `${origin}#${crc32(numbers.join(',') + others)
    .toString(16)
    .padStart(8, '0')}`
}
