// The price of a model on the day its target is registered: our override if there is one, else the public catalogue's. The
// catalogue is half a megabyte, so it is loaded when it is asked, which only the control plane does: the compiled target
// carries its price to the data plane.
import { modelMatches } from '../core/directory.ts'
import type { Price } from '../core/price.ts'
import { priceOf, priceVersionOf, type UsdPerMillion } from './price-units.ts'
import { PRICE_OVERRIDES } from './prices.ts'
import { findProvider } from './providers.ts'

export interface FoundPrice {
  readonly price: Price
  readonly priceVersion: string
}

/** Version of the catalogue's package; part of every price version that comes from it. */
export const CATALOGUE_VERSION = '0.1.8'

/** The price of a provider's model as of a day; null when nobody knows it. Long-context surcharges and discounts by the
 *  time of day are left out: it is the base price, as at noon UTC. */
export async function findPrice(providerName: string, model: string, nowMs: number): Promise<FoundPrice | null> {
  const override = PRICE_OVERRIDES.find((one) => one.provider === providerName && modelMatches(one.model, model))
  if (override !== undefined) {
    const price = priceOf(override.usdPerMillion)
    return { price, priceVersion: priceVersionOf(`tidegate-${override.date}/${providerName}/${override.model}`, price) }
  }
  const listed = findProvider(providerName)?.priceProvider ?? null
  return listed === null || model === '*' ? null : lookUp(listed, model, nowMs)
}

async function lookUp(priceProvider: string, model: string, nowMs: number): Promise<FoundPrice | null> {
  const { calcPrice } = await import('@pydantic/genai-prices')
  const found = calcPrice({ input_tokens: 1 }, model, { providerId: priceProvider, timestamp: noonOf(nowMs) })
  const published = found === null ? null : readModelPrice(found.model_price)
  if (found === null || published === null) return null
  const price = priceOf(published)
  const origin = `genai-prices-${CATALOGUE_VERSION}/${priceProvider}/${found.model.id}`
  return { price, priceVersion: priceVersionOf(origin, price) }
}

function noonOf(nowMs: number): Date {
  const dayMs = 86_400_000
  return new Date(Math.floor(nowMs / dayMs) * dayMs + dayMs / 2)
}

type ListedPrice = number | { readonly base: number } | undefined

/** Null unless both input and output have a price: half a price would make half a bill. */
export function readModelPrice(listed: Readonly<Record<string, ListedPrice>>): UsdPerMillion | null {
  const input = baseOf(listed['input_mtok'])
  const output = baseOf(listed['output_mtok'])
  if (input === undefined || output === undefined) return null
  return {
    input,
    output,
    cacheRead: baseOf(listed['cache_read_mtok']),
    cacheWrite: baseOf(listed['cache_write_mtok']),
    cacheWriteLong: baseOf(listed['cache_write_1h_mtok']),
    reasoning: baseOf(listed['output_reasoning_mtok']),
    audioInput: baseOf(listed['input_audio_mtok']),
    audioOutput: baseOf(listed['output_audio_mtok']),
  }
}

function baseOf(price: ListedPrice): number | undefined {
  const base = typeof price === 'object' ? price.base : price
  return base !== undefined && Number.isFinite(base) && base >= 0 ? base : undefined
}
