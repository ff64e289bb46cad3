// The price of a model when its target is registered: our override if there is one, else the listed price of the public
// catalogue. Only the control plane asks, and the list is loaded when it does: the compiled target carries its price to the
// data plane.
import { modelMatches } from '../core/directory.ts'
import { isJsonObject, parseJson, type Json } from '../core/json.ts'
import type { Price } from '../core/money/price.ts'
import { priceOf, priceVersionOf, type UsdPerMillion } from './price-units.ts'
import { PRICE_OVERRIDES } from './prices.ts'
import { findProvider } from './providers.ts'

/** A list of prices in the form of `LISTED_PRICES`, and what names it. */
export interface PriceList {
  readonly origin: string
  readonly lines: string
}

export interface FoundPrice {
  readonly price: Price
  readonly priceVersion: string
}

/** The price of a provider's model, by our own word or by `list`, the built-in one where there is none; null when nobody
 *  knows it. Discounts by the time of day are left out: it is the price as at noon UTC of the day that the list was made. */
export async function findPrice(
  providerName: string,
  model: string,
  list: PriceList | null = null,
): Promise<FoundPrice | null> {
  const override = PRICE_OVERRIDES.find((one) => one.provider === providerName && modelMatches(one.model, model))
  if (override !== undefined) {
    const price = priceOf(override.usdPerMillion)
    return { price, priceVersion: priceVersionOf(`tidegate-${override.date}/${providerName}/${override.model}`, price) }
  }
  const listed = findProvider(providerName)?.priceProvider ?? null
  return listed === null || model === '*' ? null : lookUp(listed, model, list ?? (await builtInList()))
}

/** The list that is deployed with the gateway. */
export async function builtInList(): Promise<PriceList> {
  const { LISTED_AS_OF, LISTED_FROM, LISTED_PRICES } = await import('./listed-prices.ts')
  return { origin: `${LISTED}${LISTED_FROM}@${LISTED_AS_OF}`, lines: LISTED_PRICES }
}

const LISTED = 'genai-prices-'

/** Whether a price is of a list, and not of somebody's own making. */
export function isListed(priceVersion: string): boolean {
  return priceVersion.startsWith(LISTED)
}

function lookUp(priceProvider: string, model: string, list: PriceList): FoundPrice | null {
  const lines = linesOf(list.lines, priceProvider)
  const name = model.toLowerCase().trim()
  const line = findLine(lines, name) ?? findLine(lines, withDashedDate(name))
  if (line === undefined) return null
  const price = priceOf(line.usdPerMillion)
  const origin = `${list.origin}/${priceProvider}/${line.id}`
  return { price, priceVersion: priceVersionOf(origin, price) }
}

interface ListedModel {
  readonly id: string
  readonly usdPerMillion: UsdPerMillion
}

/** The part of the list that is about one provider. */
function linesOf(list: string, priceProvider: string): readonly string[] {
  const heading = `\n# ${priceProvider}\n`
  const start = list.indexOf(heading)
  if (start === -1) return []
  const from = start + heading.length
  const end = list.indexOf('\n# ', from)
  return list.slice(from, end === -1 ? undefined : end).split('\n')
}

/** The first line that covers a model decides, as in the catalogue. */
function findLine(lines: readonly string[], model: string): ListedModel | undefined {
  for (const line of lines) {
    const [id = '', match = '', prices = '', long = ''] = line.split('\t')
    if (prices !== '' && covers(match === '' ? { equals: id } : parseJson(match), model)) {
      return { id, usdPerMillion: readListed(prices, long) }
    }
  }
  return undefined
}

/** The catalogue's rules for recognising a model. */
function covers(rule: Json | undefined, model: string): boolean {
  if (!isJsonObject(rule)) return false
  if (Array.isArray(rule.or)) return rule.or.some((part: Json) => covers(part, model))
  if (Array.isArray(rule.and)) return rule.and.every((part: Json) => covers(part, model))
  const { equals, starts_with: start, ends_with: end, contains, regex } = rule
  if (typeof equals === 'string') return model === equals.toLowerCase()
  if (typeof start === 'string') return model.startsWith(start.toLowerCase())
  if (typeof end === 'string') return model.endsWith(end.toLowerCase())
  if (typeof contains === 'string') return model.includes(contains.toLowerCase())
  return typeof regex === 'string' && new RegExp(regex).test(model)
}

/** `model-20250514` is listed as `model-2025-05-14`. */
function withDashedDate(model: string): string {
  return model.replace(/-(20\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=-|:|$)/g, '-$1-$2-$3')
}

/** `long`: for each length that changes the price, `above:prices`, with `;` between. */
function readListed(prices: string, long: string): UsdPerMillion {
  if (long === '') return readPrices(prices)
  const longPrompts = long.split(';').map((part) => {
    const [above = '', own = ''] = part.split(':')
    return { aboveTokens: Number(above), ...readPrices(own) }
  })
  return { ...readPrices(prices), longPrompts }
}

function readPrices(text: string): UsdPerMillion {
  const numbers = text.split(',').map((number) => (number === '' ? undefined : Number(number)))
  const [input = 0, output = 0, cacheRead, cacheWrite, cacheWriteLong, reasoning, audioInput, audioOutput] = numbers
  return { input, output, cacheRead, cacheWrite, cacheWriteLong, reasoning, audioInput, audioOutput }
}
