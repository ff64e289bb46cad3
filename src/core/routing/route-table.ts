// Finds the route of a requested model. Built once per routing snapshot, so that a look-up is one map access for exact
// names. A tenant's own route comes before one for everybody, an exact name before a prefix, a longer prefix before a
// shorter one.
import { type Route, type RoutingSnapshot, type Target, modelMatches } from '../directory.ts'
import type { Preset } from './preset.ts'

export interface RouteTable {
  readonly revision: number
  /** The route for a model as this tenant sees it; null where there is none. */
  find(tenantId: string, model: string): Route | null
  /** A route's targets that exist, in order. */
  targets(route: Route): readonly Target[]
  /** Model patterns visible to a tenant, sorted. */
  models(tenantId: string): readonly Route[]
  /** A route by its id, whoever's it is. */
  byId(id: string): Route | null
  /** A target by its id, whether a route names it or not. */
  target(id: string): Target | null
  /** A preset as this tenant sees it: its own before everybody's. */
  preset(tenantId: string, name: string): Preset | null
  /** Every preset that a tenant sees, sorted by name, each name once. */
  presets(tenantId: string): readonly Preset[]
}

/** Compiles a snapshot. */
export function routeTable(snapshot: RoutingSnapshot): RouteTable {
  const exact = new Map<string, Route>()
  const prefixes: Route[] = []
  for (const route of snapshot.routes) {
    if (route.model.endsWith('*')) prefixes.push(route)
    else exact.set(name(route.tenantId, route.model), route)
  }
  prefixes.sort((a, b) => b.model.length - a.model.length)
  const prefixed = (tenantId: string | null, model: string): Route | undefined =>
    prefixes.find((route) => route.tenantId === tenantId && modelMatches(route.model, model))
  const targetsOf = new Map<string, readonly Target[]>()
  for (const route of snapshot.routes) {
    targetsOf.set(
      route.id,
      route.targets.flatMap((id) => snapshot.targets[id] ?? []),
    )
  }
  return {
    revision: snapshot.revision,
    find: (tenantId, model) =>
      exact.get(name(tenantId, model)) ??
      prefixed(tenantId, model) ??
      exact.get(name(null, model)) ??
      prefixed(null, model) ??
      null,
    targets: (route) => targetsOf.get(route.id) ?? [],
    models: (tenantId) =>
      snapshot.routes
        .filter((route) => route.tenantId === null || route.tenantId === tenantId)
        .toSorted((a, b) => (a.model < b.model ? -1 : 1)),
    byId: (id) => snapshot.routes.find((route) => route.id === id) ?? null,
    target: (id) => (Object.hasOwn(snapshot.targets, id) ? (snapshot.targets[id] ?? null) : null),
    preset: (tenantId, wanted) => {
      const all = snapshot.presets?.filter((preset) => preset.name === wanted) ?? []
      return (
        all.find((preset) => preset.tenantId === tenantId) ?? all.find((preset) => preset.tenantId === null) ?? null
      )
    },
    presets: (tenantId) => {
      const all = snapshot.presets ?? []
      const common = all.filter((preset) => preset.tenantId === null).map((preset) => [preset.name, preset] as const)
      const own = all.filter((preset) => preset.tenantId === tenantId).map((preset) => [preset.name, preset] as const)
      const byName = new Map([...common, ...own])
      return [...byName.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1))
    },
  }
}

function name(tenantId: string | null, model: string): string {
  return `${tenantId ?? ''}\n${model}`
}
