// A target that passes the requested name on (`*`) becomes one for that very model, with that model's price: a wildcard
// must not mean that nobody knows what a request costs.
import type { FoundPrice, PriceList } from '../../catalog/price-catalogue.ts'
import type { Target } from '../../core/directory.ts'

/** Models remembered per wildcard target. Names come from clients, so there is a bound. */
const MODELS_MAX = 500
const known = new WeakMap<Target, Map<string, Target>>()

/** The price list that counts in place of the built-in one; null where that does. */
export type ListLoader = () => Promise<PriceList | null>

/** `target` for `model`: itself unless it is a wildcard. At once when this model was asked for before. */
export function concreteTarget(target: Target, model: string, list?: ListLoader): Target | Promise<Target> {
  if (target.model !== '*') return target
  return known.get(target)?.get(model) ?? resolve(target, model, list)
}

async function findPrice({ provider }: Target, model: string, list?: ListLoader): Promise<FoundPrice | null> {
  const catalogue = await import('../../catalog/price-catalogue.ts')
  return catalogue.findPrice(provider, model, (await list?.()) ?? null)
}

async function resolve(target: Target, model: string, list?: ListLoader): Promise<Target> {
  const listed = target.price === null ? await findPrice(target, model, list) : null
  const concrete: Target = { ...target, model, ...listed }
  const models = known.get(target) ?? new Map<string, Target>()
  if (models.size >= MODELS_MAX) models.clear()
  models.set(model, concrete)
  known.set(target, models)
  return concrete
}
