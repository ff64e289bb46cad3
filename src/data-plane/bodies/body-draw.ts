// Whether a request's prompt and reply are kept. For tenants that don't want that, one look at a field; what does it is loaded
// with the first request that is drawn.
import { late } from '../../core/late.ts'
import { unitHash } from '../../core/unit-hash.ts'
import { type ReadExchange, logged } from '../exchange.ts'

/** `x-tidegate-bodies: off`: not of this request. */
const OPT_OUT_HEADER = 'x-tidegate-bodies'

const keeping = late(() => import('./keep-bodies.ts'))

/** The answer, which is kept as it passes if the request is drawn. Never the reason for a failure. */
export function withBodies(exchange: ReadExchange, answer: Promise<Response> | Response): Promise<Response> | Response {
  const { bodies: policy } = exchange.caller
  return policy === undefined ? answer : drawn(exchange, answer)
}

async function drawn(exchange: ReadExchange, answer: Promise<Response> | Response): Promise<Response> {
  const { caller, services, options, requestId } = exchange
  const { bodies: policy } = caller
  const { bodies: store } = services
  if (policy === undefined || unitHash(requestId) >= policy.samplePercent / 100) return answer
  if (options.header(OPT_OUT_HEADER)?.toLowerCase() === 'off') return answer
  try {
    if (store === undefined) throw new Error('the secret BODIES_KEY is not set')
    const { keepBodies } = keeping.now() ?? (await keeping.load())
    return keepBodies(exchange, policy, store, await answer)
  } catch (error) {
    services.log.warn('bodies-not-kept', { tenant: caller.tenantId, ...logged(exchange), error: String(error) })
    return answer
  }
}
