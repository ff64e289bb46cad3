// Says no, in the client's own protocol.
import { type Amounts, counted } from '../core/limits/amounts.ts'
import type { Failure } from '../core/failure.ts'
import type { Refusal } from '../ports.ts'
import type { Speaker } from '../protocols/protocol.ts'
import type { Exchange } from './exchange.ts'
import { planHeaders } from './headers.ts'
import { refusalHeaders } from './limits/limit-headers.ts'
import type { Unroutable } from './route/route.ts'

/** The response that tells `failure` to the client. */
export function refuse(
  exchange: Exchange<Speaker>,
  failure: Failure,
  headers: Readonly<Record<string, string>> = {},
): Response {
  const { status, headers: own, body } = exchange.protocol.fail(failure, exchange.requestId)
  return new Response(JSON.stringify(body), {
    status,
    headers: {
      'content-type': 'application/json',
      'x-request-id': exchange.requestId,
      'x-tidegate-request-id': exchange.requestId,
      ...headers,
      ...refusalHeaders(exchange.protocol, failure, exchange.services.nowMs()),
      ...own,
    },
  })
}

/** Tells why a request couldn't be routed, with its plan as far as it came. */
export function refuseUnrouted(exchange: Exchange<Speaker>, { failure, plan }: Unroutable): Response {
  return refuse(exchange, failure, plan === null ? {} : planHeaders(plan))
}

/** A limiter's refusal as a failure of the request. */
export function failureOf(refusal: Refusal, requested: Amounts): Failure {
  switch (refusal.kind) {
    case 'rate':
      return {
        kind: 'rate-limited',
        scope: refusal.scope,
        model: refusal.model,
        unit: refusal.unit,
        limitPerMinute: refusal.limitPerMinute,
        requested: counted(requested)[refusal.unit],
        left: refusal.left,
        size: refusal.size,
        resetAfterMs: refusal.resetAfterMs,
        retryAfterMs: refusal.retryAfterMs,
      }
    case 'slots': {
      const { scope, model, most, retryAfterMs } = refusal
      return { kind: 'too-many-at-once', scope, model, most, retryAfterMs }
    }
    case 'budget': {
      const { scope, model, limitNanoUsd, left: leftNanoUsd, period: window, resetsAtMs, retryAfterMs } = refusal
      return { kind: 'budget-exhausted', scope, model, limitNanoUsd, leftNanoUsd, window, resetsAtMs, retryAfterMs }
    }
    case 'runaway':
      return refusal
    case 'switched-off':
      return refusal
    case 'revoked':
      return { kind: 'unauthenticated', reason: 'revoked' }
    case 'stale-lease':
    case 'target-news':
    case 'unavailable':
      return { kind: 'limiter-unavailable' }
  }
}
