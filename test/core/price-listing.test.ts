// The listed prices are what the price catalogue's package says, model by model. `UPDATE_PRICES=1` writes them anew, after
// the package has been updated.
import { readFileSync, writeFileSync } from 'node:fs'
import { calcPrice, findProvider as findListed, type ModelPrice } from '@pydantic/genai-prices'
import { describe, expect, it } from 'vitest'
import { LISTED_AS_OF, LISTED_FROM, LISTED_PRICES } from '../../src/catalog/listed-prices.ts'
import { findPrice } from '../../src/catalog/price-catalogue.ts'
import { priceOf, type UsdPerMillion } from '../../src/catalog/price-units.ts'
import { PROVIDERS } from '../../src/catalog/providers.ts'
import { costNanoUsd } from '../../src/core/money/price.ts'
import { NO_USAGE } from '../../src/core/money/usage.ts'

const FILE = 'src/catalog/listed-prices.ts'
const PROVIDER_IDS = [...new Set(PROVIDERS.flatMap((provider) => provider.priceProvider ?? []))]
const manifest: { version: string } = JSON.parse(
  readFileSync('node_modules/@pydantic/genai-prices/package.json', 'utf8'),
)

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

function base(price: ModelPrice[string]): number | undefined {
  return typeof price === 'object' ? price.base : price
}

/** Lengths of prompts above which something costs another price. */
function lengths(prices: ModelPrice): readonly number[] {
  const starts = COLUMNS.flatMap((column) => {
    const price = prices[column]
    return typeof price === 'object' ? price.tiers.map(({ start }) => start) : []
  })
  return [...new Set(starts)].toSorted((a, b) => a - b)
}

/** The prices of prompts longer than that. */
function longer(prices: ModelPrice, above: number): readonly (number | undefined)[] {
  return COLUMNS.map((column) => {
    const price = prices[column]
    if (typeof price !== 'object') return price
    return price.tiers.toSorted((a, b) => b.start - a.start).find(({ start }) => start <= above)?.price ?? price.base
  })
}

function line(numbers: readonly (number | undefined)[]): string {
  return numbers.map((price) => price ?? '').join(',')
}

function packagePrice(providerId: string, model: string, day: string): ModelPrice | undefined {
  const timestamp = new Date(`${day}T12:00:00Z`)
  return calcPrice({ input_tokens: 1 }, model, { providerId, timestamp })?.model_price
}

function pricesAsOf(
  day: string,
  prices: ModelPrice | { constraint?: unknown; prices: ModelPrice }[],
  provider: string,
) {
  if (!Array.isArray(prices)) return prices
  const listed = findListed({ providerId: provider })
  const model = listed?.models.find((one) => one.prices === prices)
  if (listed === undefined || model === undefined) throw new Error(`no model has these prices at ${provider}`)
  // Asked of a provider that has this model only, under a name that surely matches.
  const alone = { ...listed, models: [{ ...model, match: { equals: 'x' } }] }
  return (
    calcPrice({ input_tokens: 1 }, 'x', { provider: alone, timestamp: new Date(`${day}T12:00:00Z`) })?.model_price ?? {}
  )
}

function listing(day: string): string {
  const lines = PROVIDER_IDS.flatMap((id) => {
    const models = findListed({ providerId: id })?.models ?? []
    const rows = models.flatMap((model) => {
      const listed = pricesAsOf(day, model.prices, id)
      const prices = COLUMNS.map((column) => base(listed[column]))
      if (prices[0] === undefined || prices[1] === undefined) return []
      const match = 'equals' in model.match && model.match.equals === model.id ? '' : JSON.stringify(model.match)
      const long = lengths(listed).map((above) => `${above}:${line(longer(listed, above))}`)
      return [[model.id, match, line(prices), ...(long.length === 0 ? [] : [long.join(';')])].join('\t')]
    })
    return [`# ${id}`, ...rows]
  })
  return lines.join('\n')
}

function source(day: string): string {
  return `// DATA, written by test/core/price-listing.test.ts: prices of the public catalogue @pydantic/genai-prices (MIT), for the
// providers we know, as of noon UTC of one day. Only this much of it is deployed: the whole is half a megabyte.

/** The catalogue's version. */
export const LISTED_FROM = '${manifest.version}'

/** The day whose prices these are. */
export const LISTED_AS_OF = '${day}'

/** Per provider (\`# id\`) a line for each model: id, match (empty: the id itself), and USD per million tokens for input,
 *  output, cache read, cache write, long cache write, reasoning, audio input, audio output; where long prompts cost something
 *  else, \`above:prices\` for each such length, with \`;\` between. Tab-separated. */
export const LISTED_PRICES = String.raw\`
${listing(day)}
\`
`
}

describe('listed prices', () => {
  it('are those of the package that is installed', () => {
    if (process.env['UPDATE_PRICES'] === '1') writeFileSync(FILE, source(new Date().toISOString().slice(0, 10)))
    else {
      expect(LISTED_FROM).toBe(manifest.version)
      expect(LISTED_PRICES.trim()).toBe(listing(LISTED_AS_OF))
    }
  })

  it('are found for every model as the package finds them', async () => {
    const checked: string[] = []
    for (const provider of PROVIDERS) {
      const id = provider.priceProvider
      if (id === null) continue
      for (const model of findListed({ providerId: id })?.models ?? []) {
        const expected = packagePrice(id, model.id, LISTED_AS_OF)
        const found = await findPrice(provider.name, model.id)
        expect([id, model.id, found?.price ?? null]).toEqual([
          id,
          model.id,
          expected === undefined ? null : inOurs(expected),
        ])
        checked.push(model.id)
      }
    }
    expect(checked.length).toBeGreaterThan(1000)
  })

  it('come to what the package says a long prompt costs, cached or not, and one that is just not long', async () => {
    let compared = 0
    const timestamp = new Date(`${LISTED_AS_OF}T12:00:00Z`)
    for (const { name, priceProvider: id } of PROVIDERS) {
      for (const model of id === null ? [] : (findListed({ providerId: id })?.models ?? [])) {
        for (const above of lengths(packagePrice(id ?? '', model.id, LISTED_AS_OF) ?? {})) {
          const found = await findPrice(name, model.id)
          for (const prompt of [above, above + 1, 3 * above]) {
            const said = { input_tokens: prompt, output_tokens: 1_000, cache_read_tokens: 1_000 }
            const theirs = calcPrice(said, model.id, { providerId: id ?? '', timestamp })?.total_price ?? NaN
            const usage = { ...NO_USAGE, input: prompt - 1_000, cacheRead: 1_000, output: 1_000 }
            const ours = found === null ? NaN : costNanoUsd(usage, found.price)
            expect([model.id, prompt, Math.abs(ours - theirs * 1e9) <= 1]).toEqual([model.id, prompt, true])
            compared += 1
          }
        }
      }
    }
    expect(compared).toBeGreaterThan(50)
  })
})

function inOurs(listed: ModelPrice) {
  const published = read(COLUMNS.map((column) => base(listed[column])))
  if (published === null) return null
  const longPrompts = lengths(listed).flatMap((aboveTokens) => {
    const long = read(longer(listed, aboveTokens))
    return long === null ? [] : [{ aboveTokens, ...long }]
  })
  return priceOf({ ...published, ...(longPrompts.length === 0 ? {} : { longPrompts }) })
}

function read(numbers: readonly (number | undefined)[]): UsdPerMillion | null {
  const [input, output, cacheRead, cacheWrite, cacheWriteLong, reasoning, audioInput, audioOutput] = numbers
  if (input === undefined || output === undefined) return null
  return { input, output, cacheRead, cacheWrite, cacheWriteLong, reasoning, audioInput, audioOutput }
}
