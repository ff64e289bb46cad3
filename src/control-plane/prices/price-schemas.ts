// Prices as the admin API takes them: decimal text, so that no float is ever in between.
import * as z from 'zod/mini'
import { readUsd, readUsdPerMillion } from './amount.ts'

const OBJECT = 'must be a JSON object'
const PRICE_ALLOWED = 'must be decimal text such as "2.50", of at most six decimals'
const PRICE = z.string(PRICE_ALLOWED).check(z.refine((value) => readUsdPerMillion(value) !== null, PRICE_ALLOWED))
const PER_UNIT_ALLOWED = 'must be decimal text such as "0.04", of at most nine decimals and at most 1000'
const PER_UNIT = z.optional(
  z
    .string(PER_UNIT_ALLOWED)
    .check(z.refine((value) => (readUsd(value) ?? Infinity) <= 1_000_000_000_000, PER_UNIT_ALLOWED)),
)
const TOKEN_PRICES = {
  input_usd_per_million: PRICE,
  output_usd_per_million: PRICE,
  cache_read_usd_per_million: z.optional(PRICE),
  cache_write_usd_per_million: z.optional(PRICE),
  cache_write_long_usd_per_million: z.optional(PRICE),
  reasoning_usd_per_million: z.optional(PRICE),
  audio_input_usd_per_million: z.optional(PRICE),
  audio_output_usd_per_million: z.optional(PRICE),
}
const TIER_PRICES = z.optional(z.strictObject(TOKEN_PRICES, OBJECT))
const LENGTH_ALLOWED = 'must be an integer from 1 to 100000000'
const LONG_PROMPTS_ALLOWED = 'must be a list of at most 8 objects, the shorter prompts first'
const LONG_PROMPTS = z.optional(
  z
    .array(
      z.strictObject(
        {
          above_tokens: z
            .number(LENGTH_ALLOWED)
            .check(z.int(LENGTH_ALLOWED), z.gte(1, LENGTH_ALLOWED), z.lte(100_000_000, LENGTH_ALLOWED)),
          ...TOKEN_PRICES,
        },
        OBJECT,
      ),
      LONG_PROMPTS_ALLOWED,
    )
    .check(
      z.minLength(1, LONG_PROMPTS_ALLOWED),
      z.maxLength(8, LONG_PROMPTS_ALLOWED),
      z.refine(
        (all) => all.every(({ above_tokens }, at) => at === 0 || above_tokens > (all[at - 1]?.above_tokens ?? 0)),
        LONG_PROMPTS_ALLOWED,
      ),
    ),
)
const SHARERS_ALLOWED = 'must be an integer from 1 to 100000'
const SHARERS = z
  .number(SHARERS_ALLOWED)
  .check(z.int(SHARERS_ALLOWED), z.gte(1, SHARERS_ALLOWED), z.lte(100_000, SHARERS_ALLOWED))
/** What a machine of one's own costs for every hour, and how many requests share it. */
const HARDWARE = z.strictObject(
  { usd_per_hour: PER_UNIT, energy_usd_per_hour: PER_UNIT, depreciation_usd_per_hour: PER_UNIT, at_once: SHARERS },
  OBJECT,
)
export const PRICES = z.strictObject(
  {
    ...TOKEN_PRICES,
    request_usd: PER_UNIT,
    image_usd: PER_UNIT,
    search_usd: PER_UNIT,
    second_usd: PER_UNIT,
    characters_usd_per_million: z.optional(PRICE),
    tiers: z.optional(
      z.strictObject({ batch: TIER_PRICES, flex: TIER_PRICES, priority: TIER_PRICES }, 'must be an object of tiers'),
    ),
    long_prompts: LONG_PROMPTS,
    hardware: z.optional(HARDWARE),
  },
  OBJECT,
)
export type PricesBody = z.infer<typeof PRICES>
export type TokenPricesBody = z.infer<z.ZodMiniObject<typeof TOKEN_PRICES>>
