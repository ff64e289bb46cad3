// Everything that is scraped, as Prometheus text. It is read from D1 and from the limiters, not counted in an isolate:
// isolates come and go.
import { exposition } from './metrics/exposition.ts'
import { type AskLimiter, limiterFamilies } from './metrics/limiters.ts'
import { totalFamilies } from './metrics/totals.ts'
import { upkeepFamilies } from './metrics/upkeep.ts'

/** All families in the text format 0.0.4. Money in USD, exact to the nano-dollar. A few hundred series of each at most. */
export async function metricsText(db: D1Database, ask: AskLimiter, nowMs: number): Promise<string> {
  const families = await Promise.all([
    totalFamilies(db, nowMs),
    limiterFamilies(db, ask, nowMs),
    upkeepFamilies(db, nowMs),
  ])
  return exposition(families.flat())
}
