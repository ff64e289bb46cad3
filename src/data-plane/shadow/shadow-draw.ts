// Which requests are mirrored, and when: drawn before the answer, begun once it is under way. All else is loaded with the
// first that is.
import type { Route } from '../../core/directory.ts'
import type { RouteTable } from '../../core/routing/route-table.ts'
import type { ShadowPolicy } from '../../core/routing/shadow.ts'
import type { Speaker } from '../../protocols/protocol.ts'
import type { ReadExchange } from '../exchange.ts'

/** What a mirror is made of. */
export interface Mirroring {
  /** The client's own route, with its shadow. */
  readonly route: Route
  readonly shadow: ShadowPolicy
  readonly table: RouteTable
  /** When the client's answer has ended. */
  readonly ended: Promise<unknown>
}

/** Sends the mirror of a request. */
export type SendMirror<Asked> = (exchange: Asked, mirroring: Mirroring) => Promise<void>

/** A request that will be mirrored. */
export interface Shadowed<Asked> {
  /** The client's own exchange: it notes what goes on in the background, so that it is known when its answer has ended. */
  readonly live: Asked
  /** Has the mirror begin once the client's answer is under way, if it is a good one. */
  after(answered: Promise<Response>, table: RouteTable): void
}

/** Null, for most, where a request isn't mirrored. */
export function shadowOf<Asked extends ReadExchange<Speaker>>(
  route: Route,
  exchange: Asked,
  send: SendMirror<Asked>,
): Shadowed<Asked> | null {
  const { shadow } = route
  if (shadow === undefined || exchange.services.draw() * 100 >= shadow.percent) return null
  const work: Promise<void>[] = []
  const { later } = exchange
  const live: Asked = {
    ...exchange,
    later: (one: Promise<void>) => {
      work.push(one)
      later(one)
    },
  }
  const mirror = (table: RouteTable) => send(exchange, { route, shadow, table, ended: Promise.allSettled([...work]) })
  return { live, after: (answered, table) => later(whenAnswered(exchange, answered, () => mirror(table))) }
}

/** Never rejects: what goes wrong here is nobody's business but the log's. */
async function whenAnswered(
  { client, services }: ReadExchange<Speaker>,
  answered: Promise<Response>,
  mirror: () => Promise<void>,
): Promise<void> {
  try {
    const response = await answered
    if (!response.ok || client.hasLeft) return
    await mirror()
  } catch (error) {
    services.log.warn('shadow-failed', { error: String(error) })
  }
}
