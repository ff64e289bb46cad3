// What a client may say of its targets in the request itself, in the words that OpenRouter's users know: `provider` with
// `order`, `only`, `ignore`, `sort`, `max_price`, `allow_fallbacks`, `data_collection` and `zdr`, and `models` to go on with;
// `data_region` is our own.
// https://openrouter.ai/docs/features/provider-routing
import { type DataPolicy, unmet } from './data-policy.ts'
import type { Target } from '../directory.ts'
import type { InvalidRequest } from '../failure.ts'
import { type Json, isJsonObject } from '../json.ts'
import { type Result, err, ok } from '../result.ts'

/** Members of a body that are about routing: a provider that isn't a router itself must not see them. */
export const ROUTING_MEMBERS: readonly string[] = ['provider', 'models']

/** Pico-USD per token. */
interface PriceBound {
  readonly input: number
  readonly output: number
}

export interface Preferences {
  /** Providers or targets to be tried first, in this order. */
  readonly order: readonly string[]
  /** Null for any. */
  readonly only: readonly string[] | null
  readonly ignore: readonly string[]
  readonly sort: 'price' | 'throughput' | 'latency' | null
  readonly maxPrice: PriceBound
  readonly allowsFallbacks: boolean
  readonly data: DataPolicy
}

/** A wish that isn't understood is refused: who bounds where data goes must not be told otherwise by silence.
 *  `require_parameters`: what a target can't carry keeps it from serving anyway, unless the route allows to drop it. */
const MEMBERS: ReadonlySet<string> = new Set([
  'order',
  'only',
  'ignore',
  'sort',
  'max_price',
  'allow_fallbacks',
  'require_parameters',
  'data_collection',
  'data_region',
  'zdr',
])
const PRICES: ReadonlySet<string> = new Set(['prompt', 'completion'])
const NAMES_MAX = 50
const MODELS_MAX = 8
/** A million tokens for a dollar is a millionth of a dollar for each. */
const PICO_PER_USD_PER_MILLION = 1e6
const SORTS = ['price', 'throughput', 'latency'] as const

/** Reads a body's `provider`; null where it has none. */
export function readPreferences(provider: Json | undefined): Result<Preferences | null, InvalidRequest> {
  if (provider === undefined || provider === null) return ok(null)
  if (!isJsonObject(provider)) return invalid('provider', 'must be an object')
  const unknown = Object.keys(provider).find((name) => !MEMBERS.has(name) && provider[name] != null)
  if (unknown !== undefined) {
    return invalid(`provider.${unknown}`, `can't be held to: the wishes that can are ${[...MEMBERS].join(', ')}`)
  }
  const order = names(provider['order'])
  if (order === undefined) return invalid('provider.order', `must be a list of at most ${NAMES_MAX} names`)
  const only = names(provider['only'])
  if (only === undefined) return invalid('provider.only', `must be a list of at most ${NAMES_MAX} names`)
  const ignore = names(provider['ignore'])
  if (ignore === undefined) return invalid('provider.ignore', `must be a list of at most ${NAMES_MAX} names`)
  const sort = readSort(provider['sort'])
  if (sort === undefined) return invalid('provider.sort', `must be one of ${SORTS.join(', ')}`)
  const maxPrice = readMaxPrice(provider['max_price'])
  if (maxPrice === undefined) return invalid('provider.max_price', 'must be an object of prompt and completion, in USD')
  const fallbacks = provider['allow_fallbacks'] ?? true
  if (typeof fallbacks !== 'boolean') return invalid('provider.allow_fallbacks', 'must be true or false')
  const region = provider['data_region']
  const regions = names(typeof region === 'string' ? [region] : region)
  if (regions === undefined) return invalid('provider.data_region', 'must be a region, or a list of them')
  const { data_collection: collection, zdr } = provider
  if (collection != null && collection !== 'allow' && collection !== 'deny') {
    return invalid('provider.data_collection', 'must be allow or deny')
  }
  if (zdr != null && typeof zdr !== 'boolean') return invalid('provider.zdr', 'must be true or false')
  const data: DataPolicy = {
    ...(regions === null ? {} : { regions }),
    ...(collection === 'deny' ? { noTraining: true } : {}),
    ...(zdr === true ? { zeroRetention: true } : {}),
  }
  return ok({ order: order ?? [], only, ignore: ignore ?? [], sort, maxPrice, allowsFallbacks: fallbacks, data })
}

/** Reads a body's `models`: what to go on with when the model that is asked for can't be had. */
export function readModels(models: Json | undefined): Result<readonly string[], InvalidRequest> {
  if (models === undefined || models === null) return ok([])
  const read = names(models)
  if (read === undefined || read === null || read.length > MODELS_MAX) {
    return invalid('models', `must be a list of at most ${MODELS_MAX} names of models`)
  }
  return ok(read)
}

/** Which preference speaks against a target; null for none. */
export function preferenceAgainst(preferences: Preferences, target: Target): string | null {
  const { only, ignore, maxPrice, data } = preferences
  if (only !== null && !only.some((name) => isNamed(target, name))) return 'provider.only'
  if (ignore.some((name) => isNamed(target, name))) return 'provider.ignore'
  const need = unmet(data, target)
  if (need !== null) return `provider.${need}`
  const isBounded = maxPrice.input < Infinity || maxPrice.output < Infinity
  const { price } = target
  if (!isBounded || (price !== null && price.input <= maxPrice.input && price.output <= maxPrice.output)) return null
  return 'provider.max_price'
}

/** Candidates with those that the client names first, in its order; the others stay as they are. */
export function preferred<Item extends { readonly target: Target }>(
  order: readonly string[],
  candidates: readonly Item[],
): readonly Item[] {
  if (order.length === 0) return candidates
  const rank = ({ target }: Item): number => {
    const at = order.findIndex((name) => isNamed(target, name))
    return at === -1 ? order.length : at
  }
  return candidates.toSorted((a, b) => rank(a) - rank(b))
}

/** A provider's name, without what OpenRouter's users write behind a slash; or a target's id. */
function isNamed({ id, provider }: Target, name: string): boolean {
  const plain = name.toLowerCase()
  return id === name || provider === plain || provider === plain.split('/')[0]
}

function invalid(field: string, allowed: string): Result<never, InvalidRequest> {
  return err({ kind: 'invalid-request', field, message: `${field} ${allowed}.` })
}

/** Null where there are none, undefined where that is no list of names. */
function names(value: Json | undefined): readonly string[] | null | undefined {
  if (value === undefined || value === null) return null
  if (!Array.isArray(value) || value.length > NAMES_MAX) return undefined
  const read = value.filter((name) => typeof name === 'string')
  return read.length === value.length ? read : undefined
}

function readSort(value: Json | undefined): Preferences['sort'] | undefined {
  const by = isJsonObject(value) ? value['by'] : value
  return by === undefined || by === null ? null : SORTS.find((sort) => sort === by)
}

function readMaxPrice(value: Json | undefined): PriceBound | undefined {
  if (value === undefined || value === null) return { input: Infinity, output: Infinity }
  if (!isJsonObject(value) || Object.keys(value).some((name) => !PRICES.has(name))) return undefined
  const input = bound(value['prompt'])
  const output = bound(value['completion'])
  return input === undefined || output === undefined ? undefined : { input, output }
}

/** USD per million tokens, as a number or as text, as pico-USD per token. */
function bound(value: Json | undefined): number | undefined {
  if (value === undefined || value === null) return Infinity
  const usd = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  return typeof usd === 'number' && usd >= 0 ? usd * PICO_PER_USD_PER_MILLION : undefined
}
