// Prices and costs. A price is integer pico-USD per token (10^-12 USD: $0.0375 per million tokens is 37,500); a cost is
// integer nano-USD (10^-9 USD), rounded up once per attempt. Integers only, so that sums are exact.
import {
  type ServiceTier,
  type UnitKind,
  type Usage,
  type UsageBucket,
  NO_USAGE,
  SERVICE_TIERS,
  UNIT_KINDS,
  USAGE_BUCKETS,
  promptTokens,
} from './usage.ts'

/** Pico-USD per token for every bucket of `Usage`. A bucket without a price of its own repeats its parent's. */
export type TokenPrices = Readonly<Record<UsageBucket, number>>

/** What all tokens cost of a request whose prompt, cached or not, is longer than so many. */
export interface LongPromptPrices {
  readonly aboveTokens: number
  readonly tokens: TokenPrices
}

/** What a model costs. */
export interface Price extends TokenPrices {
  /** Pico-USD for one of each, besides the tokens; missing for nothing. */
  readonly units?: Readonly<Partial<Record<UnitKind, number>>>
  /** What its tokens cost from another tier; missing: the same. Units cost the same from all. */
  readonly tiers?: Readonly<Partial<Record<ServiceTier, TokenPrices>>>
  /** What its tokens cost with long prompts, the shorter ones first; missing: the same. A tier's prices are for all lengths. */
  readonly longPrompts?: readonly LongPromptPrices[]
}

/** Of what has no price and needs none. */
export const FREE: Price = NO_USAGE

const PICO_PER_NANO = 1000

/**
 * The cost of `usage` at `price` in nano-USD, rounded up once. Zero usage costs zero. Exact while the cost in pico-USD
 * is below 2^53 (about 9,000 USD for one call); beyond that it is computed in BigInt and stays exact to the nano-USD.
 */
export function costNanoUsd(usage: Usage, price: Price): number {
  const tier = usage.tier === undefined ? undefined : price.tiers?.[usage.tier]
  const tokens = tier ?? (price.longPrompts === undefined ? price : tokensAt(price, promptTokens(usage)))
  const pico =
    usage.input * tokens.input +
    usage.cacheRead * tokens.cacheRead +
    usage.cacheWrite * tokens.cacheWrite +
    usage.cacheWriteLong * tokens.cacheWriteLong +
    usage.output * tokens.output +
    usage.reasoning * tokens.reasoning +
    usage.audioInput * tokens.audioInput +
    usage.audioOutput * tokens.audioOutput +
    (usage.units === undefined || price.units === undefined ? 0 : unitsPico(usage.units, price.units))
  return pico <= Number.MAX_SAFE_INTEGER ? Math.ceil(pico / PICO_PER_NANO) : costInBigInt(usage, price, tokens)
}

function tokensAt(price: Price, tokens: number): TokenPrices {
  return price.longPrompts?.findLast(({ aboveTokens }) => tokens > aboveTokens)?.tokens ?? price
}

/** The same price as a prompt of so many tokens has it, which depends on no length any more. */
export function priceAt({ longPrompts, ...price }: Price, tokens: number): Price {
  return longPrompts === undefined ? price : { ...price, ...tokensAt({ ...price, longPrompts }, tokens) }
}

type PerUnit = Readonly<Partial<Record<UnitKind, number>>>

function unitsPico(counts: PerUnit, prices: PerUnit): number {
  let pico = 0
  for (const kind of UNIT_KINDS) pico += (counts[kind] ?? 0) * (prices[kind] ?? 0)
  return pico
}

function costInBigInt(usage: Usage, price: Price, tokens: TokenPrices): number {
  let pico = 0n
  for (const bucket of USAGE_BUCKETS) pico += BigInt(usage[bucket]) * BigInt(tokens[bucket])
  for (const kind of UNIT_KINDS) pico += BigInt(usage.units?.[kind] ?? 0) * BigInt(price.units?.[kind] ?? 0)
  return Number((pico + 999n) / 1000n)
}

const BASIS = 10_000

/** A price with a margin or discount in basis points (1,500 for 15 % more): each of its numbers, rounded half up. */
export function adjustedPrice(price: Price, basisPoints: number): Price {
  const { units, tiers, longPrompts, ...tokens } = price
  const adjusted = (pico: number): number => Number((BigInt(pico) * BigInt(BASIS + basisPoints) + 5_000n) / 10_000n)
  const ofTokens = (one: TokenPrices): TokenPrices => ({
    input: adjusted(one.input),
    cacheRead: adjusted(one.cacheRead),
    cacheWrite: adjusted(one.cacheWrite),
    cacheWriteLong: adjusted(one.cacheWriteLong),
    output: adjusted(one.output),
    reasoning: adjusted(one.reasoning),
    audioInput: adjusted(one.audioInput),
    audioOutput: adjusted(one.audioOutput),
  })
  const result: { -readonly [Member in keyof Price]: Price[Member] } = ofTokens(tokens)
  if (units !== undefined) {
    const each: Partial<Record<UnitKind, number>> = {}
    for (const kind of UNIT_KINDS) if (units[kind] !== undefined) each[kind] = adjusted(units[kind])
    result.units = each
  }
  if (tiers !== undefined) {
    const each: Partial<Record<ServiceTier, TokenPrices>> = {}
    for (const tier of SERVICE_TIERS) if (tiers[tier] !== undefined) each[tier] = ofTokens(tiers[tier])
    result.tiers = each
  }
  if (longPrompts !== undefined) {
    result.longPrompts = longPrompts.map((long) => ({ ...long, tokens: ofTokens(long.tokens) }))
  }
  return result
}

/** At most so much for every token, from whatever tier it is served. Of a price that depends on no length. */
export function dearestTier(price: Price): TokenPrices {
  const { units: _, longPrompts: _long, tiers, ...dearest } = price
  const all: Record<UsageBucket, number> = { ...dearest }
  for (const tier of SERVICE_TIERS) {
    const tokens = tiers?.[tier]
    if (tokens !== undefined) for (const bucket of USAGE_BUCKETS) all[bucket] = Math.max(all[bucket], tokens[bucket])
  }
  return all
}
