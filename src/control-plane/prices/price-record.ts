// From prices as an operator writes them, in decimal USD, to the integers that are charged; and back, for those who look.
import { priceVersionOf } from '../../catalog/price-units.ts'
import type { PriceRule, UnpricedPolicy } from '../../core/money/price-book.ts'
import type { Price, TokenPrices } from '../../core/money/price.ts'
import { SERVICE_TIERS, type UnitKind } from '../../core/money/usage.ts'
import { readUsd, readUsdPerMillion } from './amount.ts'
import type { PricesBody, TokenPricesBody } from './price-schemas.ts'
import type { PriceRow, TenantRow } from '../store.ts'

const MS_PER_HOUR = 3_600_000
const PICO_PER_NANO = 1000

/** A price as it was written, every bucket filled: what isn't named follows its parent. */
export function readPrice(body: PricesBody): Price {
  const price: { -readonly [Member in keyof Price]: Price[Member] } = readTokens(body)
  const units = readUnits(body)
  if (Object.keys(units).length > 0) price.units = units
  const tiers = SERVICE_TIERS.flatMap((tier) => {
    const tokens = body.tiers?.[tier]
    return tokens === undefined ? [] : [[tier, readTokens(tokens)] as const]
  })
  if (tiers.length > 0) price.tiers = Object.fromEntries(tiers)
  if (body.long_prompts !== undefined) {
    price.longPrompts = body.long_prompts.map((long) => ({ aboveTokens: long.above_tokens, tokens: readTokens(long) }))
  }
  return price
}

function readTokens(body: TokenPricesBody): TokenPrices {
  const read = (text: string | undefined, parent: number) =>
    text === undefined ? parent : (readUsdPerMillion(text) ?? parent)
  const input = read(body.input_usd_per_million, 0)
  const output = read(body.output_usd_per_million, 0)
  const cacheWrite = read(body.cache_write_usd_per_million, input)
  return {
    input,
    cacheRead: read(body.cache_read_usd_per_million, input),
    cacheWrite,
    cacheWriteLong: read(body.cache_write_long_usd_per_million, cacheWrite),
    output,
    reasoning: read(body.reasoning_usd_per_million, output),
    audioInput: read(body.audio_input_usd_per_million, input),
    audioOutput: read(body.audio_output_usd_per_million, output),
  }
}

function readUnits(body: PricesBody): Partial<Record<UnitKind, number>> {
  const nano = (text: string | undefined): number => (text === undefined ? 0 : (readUsd(text) ?? 0))
  const units: Partial<Record<UnitKind, number>> = {
    requests: nano(body.request_usd) * PICO_PER_NANO,
    images: nano(body.image_usd) * PICO_PER_NANO,
    searches: nano(body.search_usd) * PICO_PER_NANO,
    // Nano-USD a second is pico-USD a millisecond.
    milliseconds: nano(body.second_usd),
    characters: readUsdPerMillion(body.characters_usd_per_million ?? '0') ?? 0,
    busyMilliseconds: busyPico(body.hardware, nano),
  }
  return Object.fromEntries(Object.entries(units).filter(([, pico]) => (pico ?? 0) > 0))
}

/** A machine's hour, shared evenly by as many requests as it takes at once, rounded up. Idle hours are nobody's. */
function busyPico(hardware: PricesBody['hardware'], nano: (text: string | undefined) => number): number {
  if (hardware === undefined) return 0
  const {
    usd_per_hour: rent,
    energy_usd_per_hour: energy,
    depreciation_usd_per_hour: worth,
    at_once: sharers,
  } = hardware
  return Math.ceil(((nano(rent) + nano(energy) + nano(worth)) * PICO_PER_NANO) / (MS_PER_HOUR * sharers))
}

/** A price's integers, under the names of the admin API. */
export function viewPrice(price: Price) {
  const { units, tiers, longPrompts } = price
  return {
    ...viewTokens(price),
    ...(units === undefined
      ? {}
      : {
          request_pico_usd: units.requests ?? 0,
          image_pico_usd: units.images ?? 0,
          search_pico_usd: units.searches ?? 0,
          millisecond_pico_usd: units.milliseconds ?? 0,
          character_pico_usd: units.characters ?? 0,
          busy_millisecond_pico_usd: units.busyMilliseconds ?? 0,
        }),
    ...(tiers === undefined
      ? {}
      : { tiers: Object.fromEntries(Object.entries(tiers).map(([tier, tokens]) => [tier, viewTokens(tokens)])) }),
    ...(longPrompts === undefined
      ? {}
      : {
          long_prompts: longPrompts.map(({ aboveTokens, tokens }) => {
            return { above_tokens: aboveTokens, ...viewTokens(tokens) }
          }),
        }),
  }
}

function viewTokens(price: TokenPrices) {
  return {
    input_pico_usd_per_token: price.input,
    cache_read_pico_usd_per_token: price.cacheRead,
    cache_write_pico_usd_per_token: price.cacheWrite,
    cache_write_long_pico_usd_per_token: price.cacheWriteLong,
    output_pico_usd_per_token: price.output,
    reasoning_pico_usd_per_token: price.reasoning,
    audio_input_pico_usd_per_token: price.audioInput,
    audio_output_pico_usd_per_token: price.audioOutput,
  }
}

/** The columns of a tenant after a change of what becomes of models without a price. */
export function changeUnpriced(
  before: Pick<TenantRow, 'unpriced' | 'default_price'>,
  body: {
    readonly unpriced?: UnpricedPolicy['action'] | null | undefined
    readonly default_price?: PricesBody | null | undefined
  },
): Pick<TenantRow, 'unpriced' | 'default_price'> {
  const { unpriced = before.unpriced, default_price: given } = body
  if (given === undefined) return { unpriced, default_price: before.default_price }
  if (given === null) return { unpriced, default_price: null }
  const price = readPrice(given)
  return { unpriced, default_price: JSON.stringify({ price, priceVersion: priceVersionOf('default', price) }) }
}

/** What a tenant's row says of models without a price; undefined for nothing. */
export function unpricedOf({ unpriced, default_price: json }: Pick<TenantRow, 'unpriced' | 'default_price'>) {
  if (unpriced === null) return undefined
  if (unpriced !== 'default') return { action: unpriced } satisfies UnpricedPolicy
  return json === null ? undefined : ({ action: unpriced, ...readNamed(json) } satisfies UnpricedPolicy)
}

/** A tenant's price for models without one; null for none. */
export function defaultPriceOf({ default_price: json }: Pick<TenantRow, 'default_price'>): Price | null {
  return json === null ? null : readNamed(json).price
}

function readNamed(json: string): { readonly price: Price; readonly priceVersion: string } {
  const named: { readonly price: Price; readonly priceVersion: string } = JSON.parse(json)
  return named
}

/** A row as isolates are told of it. */
export function ruleOf(row: PriceRow): PriceRule {
  return {
    id: row.id,
    provider: row.provider,
    model: row.model,
    tenantId: row.tenant_id,
    fromMs: row.from_ms,
    price: priceOfRow(row),
    basisPoints: row.basis_points,
    version: row.version,
  }
}

/** The price of a row; null for a margin or discount. */
export function priceOfRow({ price: json }: PriceRow): Price | null {
  if (json === null) return null
  const price: Price = JSON.parse(json)
  return price
}
