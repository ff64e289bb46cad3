// What a route says of lateness and of death: its own deadline, the second attempt when the first is late, and whether somebody
// else goes on with a stream that breaks off. From an operator's words to
// what the edge reads, and back.
import * as z from 'zod/mini'
import type { Route } from '../../core/directory.ts'

/** The members of a route that may be missing. */
export type RouteResilience = Pick<Route, 'timeoutMs' | 'hedge' | 'midStreamFailover'>

const TIMEOUT_ALLOWED = 'must be null or an integer from 50 to 3600000'
const AFTER_ALLOWED = 'must be "p95" or an integer from 10 to 600000'
const HEDGE_ALLOWED = 'must be null or an object of after_ms and max'

/** As the admin API takes it: null takes it away, what is left out stays. */
export const RESILIENCE_FIELDS = {
  timeout_ms: z.optional(
    z.nullable(z.int(TIMEOUT_ALLOWED).check(z.gte(50, TIMEOUT_ALLOWED), z.lte(3_600_000, TIMEOUT_ALLOWED))),
  ),
  hedge: z.optional(
    z.nullable(
      z.strictObject(
        {
          after_ms: z.union(
            [z.literal('p95'), z.int().check(z.gte(10, AFTER_ALLOWED), z.lte(600_000, AFTER_ALLOWED))],
            AFTER_ALLOWED,
          ),
          max: z.optional(z.literal(1, 'must be 1')),
        },
        HEDGE_ALLOWED,
      ),
    ),
  ),
  mid_stream_failover: z.optional(z.boolean('must be true or false')),
}

const RESILIENCE = z.object(RESILIENCE_FIELDS)

/** What a route says after a change. */
export function readResilience(input: z.infer<typeof RESILIENCE>, before: RouteResilience): RouteResilience {
  const timeoutMs = input.timeout_ms === undefined ? before.timeoutMs : input.timeout_ms
  const hedge = input.hedge === undefined ? before.hedge : input.hedge && { afterMs: input.hedge.after_ms }
  const isOn = input.mid_stream_failover ?? before.midStreamFailover ?? true
  return {
    ...(timeoutMs == null ? {} : { timeoutMs }),
    ...(hedge == null ? {} : { hedge }),
    ...(isOn ? {} : { midStreamFailover: false }),
  }
}

/** The same as the API shows it. */
export function viewResilience({ timeoutMs, hedge, midStreamFailover }: RouteResilience) {
  return {
    timeout_ms: timeoutMs ?? null,
    hedge: hedge === undefined ? null : { after_ms: hedge.afterMs, max: 1 },
    mid_stream_failover: midStreamFailover !== false,
  }
}
