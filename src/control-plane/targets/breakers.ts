// How targets' circuit breakers stand, region by region, as far as they have told: what an operator looks at before a provider
// is blamed. A breaker that has never opened has told nothing.
import { Hono } from 'hono'
import { breakerStates } from '../../ledger/breaker-states.ts'
import type { AdminTypes } from '../ports.ts'

/** The admin API's `/breakers`. */
export function breakerEndpoints() {
  return new Hono<AdminTypes>().get('/', async (c) => c.json({ rows: await breakerStates(c.env.DB) }))
}
