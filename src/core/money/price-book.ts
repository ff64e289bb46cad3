// What is charged where that is not the listed price: an operator's prices for providers and models, for everybody or for
// one tenant, each from a date on; margins and discounts; and what becomes of a model that has no price at all. Published
// with the routing snapshot and told to every isolate; applied to a target before anything is reserved for it.
import { modelMatches } from '../directory.ts'
import { type Price, adjustedPrice } from './price.ts'

/** A price, or a margin or discount on whatever the price is, for the models that it covers. */
export interface PriceRule {
  readonly id: string
  /** Catalogue name of a provider, or `*` for all. */
  readonly provider: string
  /** The model as the provider names it, or a prefix with `*` at its end. */
  readonly model: string
  /** Null: for every tenant. */
  readonly tenantId: string | null
  /** Holds for requests that are accepted from this moment on. Epoch ms. */
  readonly fromMs: number
  /** Null where the rule is a margin or discount. */
  readonly price: Price | null
  /** On the price: 1,500 is 15 % more, -1,500 is 15 % less. */
  readonly basisPoints: number
  /** Names what the rule says for good. */
  readonly version: string
}

/** What becomes of a model without a price: it is refused, served and charged nothing, or charged a price for all such. */
export type UnpricedPolicy =
  | { readonly action: 'refuse' }
  | { readonly action: 'zero' }
  | { readonly action: 'default'; readonly price: Price; readonly priceVersion: string }

export const UNPRICED_ACTIONS = ['refuse', 'zero', 'default'] as const

/** Whose price is asked for, and for when. */
export interface PriceTerms {
  readonly tenantId: string
  readonly atMs: number
  /** The tenant's own; missing: the gateway's. */
  readonly unpriced?: UnpricedPolicy | undefined
}

interface PricedModel {
  readonly provider: string
  readonly model: string
  readonly price: Price | null
  readonly priceVersion: string | null
}

/** A price and its name; null for none. */
export interface NamedPrice {
  readonly price: Price
  readonly priceVersion: string
}

/** Most rules: they travel whole. */
export const PRICE_RULES_MAX = 2_000
/** Tenants whose rules are kept in order at once. */
const TENANTS_MAX = 1_000

/** The rules as they were heard of last. */
export class PriceBook {
  readonly #gateways: UnpricedPolicy
  #rules: readonly PriceRule[] = []
  readonly #byTenant = new Map<string, readonly PriceRule[]>()

  constructor(unpriced: UnpricedPolicy = { action: 'zero' }) {
    this.#gateways = unpriced
  }

  /** Takes the rules over, in place of those before. */
  take(rules: readonly PriceRule[]): void {
    if (rules.length === 0 && this.#rules.length === 0) return
    this.#rules = rules
    this.#byTenant.clear()
  }

  /** What becomes of a model without a price. */
  unpriced({ unpriced }: Pick<PriceTerms, 'unpriced'>): UnpricedPolicy {
    return unpriced ?? this.#gateways
  }

  /**
   * What a model is charged at on these terms: by the rule that is the most specific (the tenant's before everybody's, a
   * name before a prefix, a longer prefix before a shorter, one provider before all) and of those the latest that holds
   * already; else at its own price; else, where that is the policy, at the price of models without one. A margin or
   * discount comes on top, but not on a price that was made with the tenant itself. Null: nobody knows a price.
   */
  priceOf(model: PricedModel, terms: PriceTerms): NamedPrice | null {
    const rules = this.#rules.length === 0 ? NONE : this.#rulesOf(terms.tenantId)
    const holds = (rule: PriceRule): boolean => isAbout(rule, model) && rule.fromMs <= terms.atMs
    const own = rules.find((rule) => rule.price !== null && holds(rule))
    const found = own === undefined ? this.#ownPrice(model, terms) : named(own)
    if (found === null || (own !== undefined && own.tenantId !== null)) return found
    const margin = rules.find((rule) => rule.price === null && holds(rule))
    if (margin === undefined) return found
    return {
      price: adjustedPrice(found.price, margin.basisPoints),
      priceVersion: `${found.priceVersion} ${margin.version}`,
    }
  }

  #ownPrice({ price, priceVersion }: PricedModel, terms: PriceTerms): NamedPrice | null {
    if (price !== null) return { price, priceVersion: priceVersion ?? '' }
    const policy = this.unpriced(terms)
    return policy.action === 'default' ? policy : null
  }

  #rulesOf(tenantId: string): readonly PriceRule[] {
    const known = this.#byTenant.get(tenantId)
    if (known !== undefined) return known
    const own = this.#rules.filter((rule) => rule.tenantId === null || rule.tenantId === tenantId)
    const sorted = own.toSorted(bySpecificity)
    if (this.#byTenant.size >= TENANTS_MAX) this.#byTenant.clear()
    this.#byTenant.set(tenantId, sorted)
    return sorted
  }
}

/** Longer than any name. */
const MODEL_CHARS_MAX = 10_000
const NONE: readonly PriceRule[] = []

function named({ price, version }: PriceRule): NamedPrice | null {
  return price === null ? null : { price, priceVersion: version }
}

function isAbout(rule: PriceRule, { provider, model }: PricedModel): boolean {
  return (rule.provider === '*' || rule.provider === provider) && modelMatches(rule.model, model)
}

function bySpecificity(a: PriceRule, b: PriceRule): number {
  return (
    Number(b.tenantId !== null) - Number(a.tenantId !== null) ||
    modelRank(b.model) - modelRank(a.model) ||
    Number(b.provider !== '*') - Number(a.provider !== '*') ||
    b.fromMs - a.fromMs ||
    (a.id < b.id ? 1 : -1)
  )
}

function modelRank(model: string): number {
  return model.endsWith('*') ? model.length : MODEL_CHARS_MAX
}
