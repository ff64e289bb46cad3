// Prices as people write them, from the integers that are charged: the way back of `price-record.ts`, exact, so that what is
// read again is the same price.
import type { Price, TokenPrices } from '../../core/money/price.ts'
import { SERVICE_TIERS } from '../../core/money/usage.ts'
import { writeUsd } from '../prices/amount.ts'
import type { PricesBody, TokenPricesBody } from '../prices/price-schemas.ts'

const PICO_PER_NANO = 1000
const SECONDS_PER_HOUR = 3600

/** A price as the admin API takes it. What follows its parent is left out. */
export function priceText(price: Price): PricesBody {
  const { units, tiers, longPrompts } = price
  const nano = (pico: number | undefined) => (pico === undefined ? undefined : writeUsd(pico / PICO_PER_NANO))
  return said({
    ...tokenText(price),
    request_usd: nano(units?.requests),
    image_usd: nano(units?.images),
    search_usd: nano(units?.searches),
    second_usd: units?.milliseconds === undefined ? undefined : writeUsd(units.milliseconds),
    characters_usd_per_million: units?.characters === undefined ? undefined : perMillion(units.characters),
    tiers: tiers === undefined ? undefined : tierText(tiers),
    long_prompts: longPrompts?.map(({ aboveTokens, tokens }) => ({ above_tokens: aboveTokens, ...tokenText(tokens) })),
    hardware:
      units?.busyMilliseconds === undefined
        ? undefined
        : { usd_per_hour: writeUsd(units.busyMilliseconds * SECONDS_PER_HOUR), at_once: 1 },
  })
}

function tierText(tiers: NonNullable<Price['tiers']>): NonNullable<PricesBody['tiers']> {
  const all = SERVICE_TIERS.flatMap((tier) => {
    const tokens = tiers[tier]
    return tokens === undefined ? [] : [[tier, tokenText(tokens)] as const]
  })
  return Object.fromEntries(all)
}

function tokenText(price: TokenPrices): TokenPricesBody {
  const unless = (pico: number, parent: number) => (pico === parent ? undefined : perMillion(pico))
  return said({
    input_usd_per_million: perMillion(price.input),
    output_usd_per_million: perMillion(price.output),
    cache_read_usd_per_million: unless(price.cacheRead, price.input),
    cache_write_usd_per_million: unless(price.cacheWrite, price.input),
    cache_write_long_usd_per_million: unless(price.cacheWriteLong, price.cacheWrite),
    reasoning_usd_per_million: unless(price.reasoning, price.output),
    audio_input_usd_per_million: unless(price.audioInput, price.input),
    audio_output_usd_per_million: unless(price.audioOutput, price.output),
  })
}

/** Pico-USD per token as USD per million tokens. */
function perMillion(pico: number): string {
  const decimals = String(pico % 1_000_000).padStart(6, '0')
  return `${Math.floor(pico / 1_000_000)}.${decimals.replace(/0{1,4}$/, '')}`
}

/** Without the members that aren't said. */
function said<Body extends object>(body: Body): Body {
  for (const [name, value] of Object.entries(body)) if (value === undefined) Reflect.deleteProperty(body, name)
  return body
}
