// A target as it is called for one request: for the very model, and at the price that its tenant is charged at that time.
// Whatever follows (what is reserved, which target is cheapest, what is charged) goes by that one price.
import type { Caller, Target } from '../../core/directory.ts'
import type { PriceTerms } from '../../core/money/price-book.ts'
import { FREE } from '../../core/money/price.ts'
import type { Services } from '../../ports.ts'
import { concreteTarget } from './concrete-target.ts'

/** Who asks for which model, and when. */
export interface Asking {
  readonly caller: Caller
  readonly services: Pick<Services, 'prices' | 'priceList'>
  readonly facts: { readonly model: string }
  readonly startedAtMs: number
}

/** Prices remembered per target: each tenant may have its own. */
const PRICES_MAX = 100
const known = new WeakMap<Target, Map<string, Target>>()

/** `target` for the request's model and tenant. At once when the model was asked for before. */
export function calledTarget(target: Target, asking: Asking): Target | Promise<Target> {
  const concrete = concreteTarget(target, asking.facts.model, asking.services.priceList)
  return concrete instanceof Promise
    ? concrete.then((one) => pricedTarget(one, asking))
    : pricedTarget(concrete, asking)
}

/** `target` at the price that the caller is charged; itself where that is its own. */
export function pricedTarget(target: Target, asking: Asking): Target {
  if (target.price === FREE) return target
  const found = asking.services.prices.priceOf(target, termsOf(asking))
  if (found === null || found.price === target.price) return target
  const { price, priceVersion } = found
  const variants = known.get(target) ?? new Map<string, Target>()
  const before = variants.get(priceVersion)
  if (before !== undefined) return before
  const priced: Target = { ...target, price, priceVersion }
  if (variants.size >= PRICES_MAX) variants.clear()
  variants.set(priceVersion, priced)
  known.set(target, variants)
  return priced
}

/** Whether a target may not be called because nobody knows what that costs. `target` as `calledTarget` gave it. */
export function isRefusedUnpriced(target: Target, asking: Asking): boolean {
  return target.price === null && asking.services.prices.unpriced(termsOf(asking)).action === 'refuse'
}

function termsOf({ caller, startedAtMs }: Asking): PriceTerms {
  return { tenantId: caller.tenantId, atMs: startedAtMs, unpriced: caller.unpriced }
}
