// The same request for another model, as the policy of a limit wants it. What the client wrote stays as it is but for the
// model's name, and the key has to be allowed that model like any other.
import type { RouteTable } from '../../core/routing/route-table.ts'
import { spliceMembers } from '../../wire/splice.ts'
import type { ReadExchange } from '../exchange.ts'
import type { ShortBody } from '../bodies/large-body.ts'
import { type PlannedRequest, route } from '../route/route.ts'

/** What of an exchange is different for another model. */
export type Renamed = Pick<ReadExchange, 'facts' | 'text' | 'bytes' | 'body' | 'short'> & {
  readonly downgradedFrom: string
}

/** A request on its way to another model. */
export interface Rerouted {
  readonly renamed: Renamed
  readonly routed: PlannedRequest
}

/** Reroutes to `model`; null where the key may not use it, nothing serves it, or it is what was asked for. */
export function downgrade(exchange: ReadExchange, table: RouteTable, model: string): Rerouted | null {
  if (model === exchange.facts.model) return null
  const renamed = renamedTo(exchange, model)
  const routed = route({ ...exchange, ...renamed }, table)
  if (!routed.ok) return null
  const plan = { ...routed.value.plan, insteadOf: exchange.facts.model }
  return { renamed, routed: { ...routed.value, plan } }
}

/** The request as if it had asked for `model`. */
export function renamedTo({ facts, text, body, short }: ReadExchange, model: string): Renamed {
  const renamedBody = () => ({ ...body(), model })
  return {
    facts: { ...facts, model },
    text: spliceMembers(text, { model }) ?? JSON.stringify(renamedBody()),
    bytes: null,
    body: renamedBody,
    short: short === null ? null : renamedShort(short, model),
    downgradedFrom: facts.model,
  }
}

function renamedShort(short: ShortBody, model: string): ShortBody | null {
  const text = spliceMembers(short.text, { model })
  return text === null ? null : { ...short, text, body: { ...short.body, model } }
}
