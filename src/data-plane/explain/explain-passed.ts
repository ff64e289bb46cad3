// The explanation of a request that is passed through to its provider: the same request is made, and planned as it would be.
import type { Failure } from '../../core/failure.ts'
import { type Result, err, ok } from '../../core/result.ts'
import type { Later, Services } from '../../ports.ts'
import type { Speaker } from '../../protocols/protocol.ts'
import type { Exchange, ReadExchange } from '../exchange.ts'
import { tellPlan } from './explain-tell.ts'
import { planPassThrough } from '../pass-through/pass-through-plan.ts'
import { speakerAtProvider } from '../pass-through/pass-through-speaker.ts'
import type { Unroutable } from '../route/route.ts'

/** What is passed where. */
interface Passing {
  readonly method: string
  /** With its query. */
  readonly endpoint: string
  /** Of the body; nothing is read of it where the method has none. */
  readonly text: string
}

interface ExplainedPassing {
  /** Null where the path names nobody. */
  readonly exchange: ReadExchange<Speaker> | null
  readonly speaker: Pick<Exchange<Speaker>, 'protocol' | 'requestId'>
  readonly told: Result<object, Unroutable>
}

/** Tells where a request would be passed through to, or why nowhere. */
export async function explainPassed(
  asking: Request,
  { method, endpoint, text }: Passing,
  services: Services,
  later: Later,
): Promise<ExplainedPassing> {
  const request = sameFrom(asking, new URL(endpoint, asking.url), {
    method,
    ...(hasBody(method) ? { body: text } : {}),
  })
  const planned = await planPassThrough(request, services, later)
  if (planned === null || planned === 'methods') {
    const path = new URL(request.url).pathname
    const failure: Failure = { kind: 'endpoint-not-found', path }
    const protocol = await speakerAtProvider(path, undefined)
    return { exchange: null, speaker: { protocol, requestId: services.newId() }, told: err({ failure, plan: null }) }
  }
  const { exchange } = planned
  if ('failure' in planned) {
    return { exchange: 'facts' in exchange ? exchange : null, speaker: exchange, told: err(planned) }
  }
  const { plan, promptTokens } = planned
  const told = await tellPlan({
    exchange: planned.exchange,
    plan,
    promptTokens: () => promptTokens,
    laneAt: () => ({ lane: 'passed-through', dropped: [] }),
  })
  return {
    exchange: planned.exchange,
    speaker: exchange,
    told: ok({ cache: 'off', cached: null, shadow: null, ...told }),
  }
}

/** Whether a request of that method may have a body. */
export function hasBody(method: string): boolean {
  return method !== 'GET' && method !== 'HEAD'
}

/** A request of the same client from the same place. */
function sameFrom(asking: Request, url: URL, init: RequestInit): Request {
  const headers = new Headers(asking.headers)
  headers.delete('content-length')
  const request = new Request(url, { ...init, headers })
  return Object.defineProperty(request, 'cf', { value: Reflect.get(asking, 'cf') })
}
