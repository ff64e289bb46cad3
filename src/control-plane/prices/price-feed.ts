// The public price catalogue as it is published (JSON of genai-prices: providers, models, how to recognise them, prices in
// USD per million), read into the form of our built-in list, and whether such a list may take the place of another: what is
// broken, shrunken or absurd must not reach anybody's bill.
import * as z from 'zod/mini'
import { PROVIDERS } from '../../catalog/providers.ts'
import { type Json, isJsonObject } from '../../core/json.ts'
import { type Result, err, ok } from '../../core/result.ts'

const NUMBER = z.number().check(z.gte(0))
const TIERED = z.looseObject({
  base: NUMBER,
  tiers: z.optional(z.array(z.looseObject({ start: NUMBER, price: NUMBER }))),
})
const AMOUNT = z.optional(z.nullable(z.union([NUMBER, TIERED])))
const PRICES = z.looseObject({
  input_mtok: AMOUNT,
  output_mtok: AMOUNT,
  cache_read_mtok: AMOUNT,
  cache_write_mtok: AMOUNT,
  cache_write_1h_mtok: AMOUNT,
  output_reasoning_mtok: AMOUNT,
  input_audio_mtok: AMOUNT,
  output_audio_mtok: AMOUNT,
})
const DATED = z.looseObject({
  constraint: z.optional(z.nullable(z.looseObject({ start_date: z.optional(z.string()) }))),
  prices: PRICES,
})
const MODEL = z.looseObject({
  id: z.string().check(z.regex(/^[^\t\n]{1,300}$/)),
  match: z.custom<Json>(isJsonObject),
  prices: z.union([PRICES, z.array(DATED).check(z.minLength(1))]),
})
const FEED = z.array(z.looseObject({ id: z.string().check(z.regex(/^[^\t\n#]{1,100}$/)), models: z.array(MODEL) }))

type Prices = z.infer<typeof PRICES>

const COLUMNS = [
  'input_mtok',
  'output_mtok',
  'cache_read_mtok',
  'cache_write_mtok',
  'cache_write_1h_mtok',
  'output_reasoning_mtok',
  'input_audio_mtok',
  'output_audio_mtok',
] as const
const KNOWN = new Set(PROVIDERS.flatMap(({ priceProvider }) => priceProvider ?? []))

/** The list of a published catalogue as of `day` (yyyy-mm-dd); in words what is wrong with one that can't be read. Models
 *  without a price for input and output are left out, as are providers that we don't know. */
export function readFeed(feed: unknown, day: string): Result<string, string> {
  const read = FEED.safeParse(feed)
  if (!read.success) {
    const [issue] = read.error.issues
    return err(`not a price catalogue: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`.trim())
  }
  const sections = read.data.flatMap(({ id, models }) => {
    if (!KNOWN.has(id)) return []
    const lines = models.flatMap((model) => {
      const prices = pricesOn(model.prices, day)
      const [base, ...long] = [0, ...startsOf(prices)].map((above) => numbersAt(prices, above))
      if (base === undefined || base[0] === undefined || base[1] === undefined) return []
      const words = long.map((numbers, at) => `${startsOf(prices)[at]}:${lineOf(numbers)}`).join(';')
      const line = [model.id, JSON.stringify(model.match), lineOf(base)]
      return [(words === '' ? line : [...line, words]).join('\t')]
    })
    return [`# ${id}`, ...lines]
  })
  return ok(`\n${sections.join('\n')}\n`)
}

function lineOf(numbers: readonly (number | undefined)[]): string {
  return numbers.map((number) => number ?? '').join(',')
}

/** Lengths of prompts above which something costs another price. */
function startsOf(prices: Prices): readonly number[] {
  const starts = COLUMNS.flatMap((column) => {
    const amount = prices[column]
    return amount == null || typeof amount === 'number' ? [] : (amount.tiers ?? []).map(({ start }) => start)
  })
  return [...new Set(starts)].toSorted((a, b) => a - b)
}

/** The prices of a prompt longer than that. */
function numbersAt(prices: Prices, above: number): readonly (number | undefined)[] {
  return COLUMNS.map((column) => {
    const amount = prices[column]
    if (amount == null) return undefined
    if (typeof amount === 'number') return amount
    const tiers = (amount.tiers ?? []).toSorted((a, b) => a.start - b.start)
    return tiers.findLast(({ start }) => above > 0 && start <= above)?.price ?? amount.base
  })
}

/** The last one that has begun by then; those by the time of day begin at no date. */
function pricesOn(prices: z.infer<typeof MODEL>['prices'], day: string): Prices {
  if (!Array.isArray(prices)) return prices
  const begun = prices.filter(({ constraint }) => constraint == null || (constraint.start_date ?? '9999') <= day)
  return (begun.at(-1) ?? prices[0])?.prices ?? {}
}

/** Of a list's models at least so many have to be in the next one. */
const KEPT_MIN = 0.9
/** A price that is more than so many times another one, or less than one so many-th, has changed a lot … */
const LEAP = 5
/** … which may be so for this share of the models. */
const LEAPS_MAX = 0.02
/** No model costs more. USD per million tokens. */
const USD_MAX = 5_000

/** Why `next` must not take the place of `before`; null where it may. */
export function listObjection(before: string, next: string): string | null {
  const [then, now] = [pricesIn(before), pricesIn(next)]
  for (const [model, prices] of now) {
    const dear = prices.find((price) => price > USD_MAX)
    if (dear !== undefined) return `${model} would cost ${dear} USD per million tokens`
  }
  for (const section of sectionsIn(before)) {
    if (!sectionsIn(next).includes(section)) return `it has no prices of ${section}`
  }
  const kept = [...then.keys()].filter((model) => now.has(model)).length
  if (kept < KEPT_MIN * then.size) return `it has ${kept} of the ${then.size} models there are`
  const leaps = [...then]
    .filter(([model, prices]) => hasLeapt(prices, now.get(model) ?? prices))
    .map(([model]) => model)
  if (leaps.length <= LEAPS_MAX * then.size) return null
  return `${leaps.length} prices changed by more than a factor of ${LEAP}, such as that of ${leaps[0]}`
}

function hasLeapt(before: readonly number[], after: readonly number[]): boolean {
  return [0, 1].some((at) => {
    const [then = 0, now = 0] = [before[at], after[at]]
    return now > then * LEAP || now * LEAP < then
  })
}

function sectionsIn(list: string): readonly string[] {
  return list.split('\n').flatMap((line) => (line.startsWith('# ') ? [line.slice(2)] : []))
}

function pricesIn(list: string): ReadonlyMap<string, readonly number[]> {
  const prices = new Map<string, readonly number[]>()
  let section = ''
  for (const line of list.split('\n')) {
    const [id = '', , numbers] = line.split('\t')
    if (line.startsWith('# ')) section = line.slice(2)
    else if (numbers !== undefined) prices.set(`${section}/${id}`, numbers.split(',').map(Number))
  }
  return prices
}
