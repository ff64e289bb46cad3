// Which requests are mirrored, and when: drawn before the answer, begun once it is under way. All else is loaded with the
// first that is.
import type { Route } from '../core/directory.ts'
import { late } from '../core/late.ts'
import type { RouteTable } from '../core/route-table.ts'
import type { ReadExchange } from './exchange.ts'
import type { mirror } from './shadow.ts'

const shadowing = late(() => import('./shadow.ts'))

/** A request that will be mirrored. */
export interface Shadowed {
  /** The client's own exchange: it notes what goes on in the background, so that it is known when its answer has ended. */
  readonly live: ReadExchange
  /** Has the mirror begin once the client's answer is under way, if it is a good one. */
  after(answered: Promise<Response>): void
}

/** Null, for most, where a request isn't mirrored. */
export function shadowOf(route: Route, exchange: ReadExchange, table: RouteTable): Shadowed | null {
  const { shadow } = route
  if (shadow === undefined || exchange.services.draw() * 100 >= shadow.percent) return null
  const work: Promise<void>[] = []
  const { later } = exchange
  const live: ReadExchange = {
    ...exchange,
    later: (one) => {
      work.push(one)
      later(one)
    },
  }
  return {
    live,
    after: (answered) =>
      later(
        whenAnswered(exchange, answered, (send) => send(exchange, route, shadow, table, Promise.allSettled([...work]))),
      ),
  }
}

type Mirror = typeof mirror

/** Never rejects: what goes wrong here is nobody's business but the log's. */
async function whenAnswered(
  { client, services }: ReadExchange,
  answered: Promise<Response>,
  begin: (mirror: Mirror) => Promise<void>,
): Promise<void> {
  try {
    const response = await answered
    if (!response.ok || client.hasLeft) return
    const loaded = shadowing.now() ?? (await shadowing.load())
    await begin(loaded.mirror)
  } catch (error) {
    services.log.warn('shadow-failed', { error: String(error) })
  }
}
