// A request whose model has nobody left for it goes on with the next that it names itself (`models`), as one does whose targets
// have all failed (`pursue.ts`). Loaded with the first such request.
import type { RouteTable } from '../../core/routing/route-table.ts'
import { type Result, ok } from '../../core/result.ts'
import { downgrade } from '../limits/downgrade.ts'
import type { ReadExchange } from '../exchange.ts'
import { type PlannedRequest, type Unroutable, route } from './route.ts'

/** A request, and where it goes. */
export interface Routed {
  readonly exchange: ReadExchange
  readonly routed: PlannedRequest
}

/** The request for the first of its models that somebody may serve; null for none. */
export function nextModel(exchange: ReadExchange, table: RouteTable, { models = [] }: Unroutable): Routed | null {
  for (const [at, model] of models.entries()) {
    const rerouted = downgrade(exchange, table, model)
    if (rerouted === null) continue
    const { downgradedFrom: _, ...renamed } = rerouted.renamed
    const routed = { ...rerouted.routed, models: models.slice(at + 1) }
    return { exchange: { ...exchange, ...renamed }, routed }
  }
  return null
}

/** Plans a request by the first of its models that somebody may serve. */
export function routeAny(exchange: ReadExchange, table: RouteTable): Result<Routed, Unroutable> {
  const routed = route(exchange, table)
  if (routed.ok) return ok({ exchange, routed: routed.value })
  const next = nextModel(exchange, table, routed.error)
  return next === null ? routed : ok(next)
}
