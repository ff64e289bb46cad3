// What the client itself says of its targets, in the request: read where a route has a choice to make, and kept from
// providers that aren't routers themselves.
import type { Target } from '../../core/directory.ts'
import type { InvalidRequest } from '../../core/failure.ts'
import type { Exclusion, Plan } from '../../core/routing/plan.ts'
import {
  type Preferences,
  ROUTING_MEMBERS,
  preferenceAgainst,
  preferred,
  readModels,
  readPreferences,
} from '../../core/routing/preferences.ts'
import { type Result, ok } from '../../core/result.ts'
import { orderGroup } from '../../core/routing/route-group.ts'
import type { Situation } from '../../core/strategies/strategy.ts'
import type { Speaker } from '../../protocols/protocol.ts'
import { type ReadExchange, settingsOf } from '../exchange.ts'

/** Providers that route by the very same members. */
const ROUTERS: ReadonlySet<string> = new Set(['openrouter'])

/** Tokens of output by which the pace, or the first token alone, decides who is fastest. */
const SORT_TOKENS = { throughput: 10_000, latency: 0 } as const

/** A request's wishes. */
export interface Wanted {
  readonly preferences: Preferences | null
  /** Models to go on with. */
  readonly models: readonly string[]
}

const NOTHING_WANTED: Result<Wanted, InvalidRequest> = ok({ preferences: null, models: [] })

/** What a request says of its targets. Nothing where all of them are routers, which read it themselves. */
export function preferencesOf(
  exchange: ReadExchange<Speaker>,
  targets: readonly Target[],
): Result<Wanted, InvalidRequest> {
  const { provider, models } = settingsOf(exchange)
  if (provider === undefined && models === undefined) return NOTHING_WANTED
  if (targets.length > 0 && targets.every(isRouter)) return NOTHING_WANTED
  const preferences = readPreferences(provider)
  if (!preferences.ok) return preferences
  const others = readModels(models)
  return others.ok ? ok({ preferences: preferences.value, models: others.value }) : others
}

/** A target that the client doesn't want; null for one that it does. */
export function unwanted(target: Target, preferences: Preferences): Exclusion | null {
  const preference = preferenceAgainst(preferences, target)
  return preference === null ? null : { targetId: target.id, reason: 'preference', preference }
}

/** A plan in the order that the client wants. */
export function asPreferred(plan: Plan, preferences: Preferences, situation: () => Situation): Plan {
  const { sort, order, allowsFallbacks } = preferences
  const sorted = sort === null ? plan.candidates : sortedBy(plan, sort, situation())
  const candidates = preferred(order, sorted)
  const wish = wishOf(preferences, plan)
  const wished = wish === null ? { ...plan, candidates } : { ...plan, candidates, wish }
  if (allowsFallbacks || candidates.length < 2) return wished
  const excluded = candidates.slice(1).map(({ target }): Exclusion => {
    return { targetId: target.id, reason: 'preference', preference: 'provider.allow_fallbacks' }
  })
  return { ...wished, candidates: candidates.slice(0, 1), excluded: [...plan.excluded, ...excluded] }
}

/** The members that the order is made by, besides the route; null for none, or where there is nothing to order. */
function wishOf({ sort, order }: Preferences, { candidates }: Plan): string | null {
  if (candidates.length < 2) return null
  const members = [...(sort === null ? [] : ['provider.sort']), ...(order.length === 0 ? [] : ['provider.order'])]
  return members.length === 0 ? null : members.join(', ')
}

function sortedBy({ candidates }: Plan, sort: NonNullable<Preferences['sort']>, situation: Situation) {
  const members = candidates.map(({ target }) => ({ target: target.id, weight: 1 }))
  if (sort === 'price') return orderGroup({ strategy: 'cheapest', members }, candidates, situation)
  return orderGroup({ strategy: 'fastest', members }, candidates, {
    ...situation,
    likelyOutputTokens: SORT_TOKENS[sort],
  })
}

/** The members of the client's body that a target must not see, since the gateway has followed them. */
export function followedMembers(exchange: ReadExchange<Speaker>, target: Target): readonly string[] {
  const settings = settingsOf(exchange)
  if (settings['provider'] === undefined && settings['models'] === undefined) return NONE
  return isRouter(target) ? NONE : ROUTING_MEMBERS.filter((name) => settings[name] !== undefined)
}

const NONE: readonly string[] = []

/** Whether a target routes by these members itself. */
export function isRouter({ provider }: Target): boolean {
  return ROUTERS.has(provider)
}
