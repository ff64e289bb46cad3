// Says no, in the client's own protocol.
import type { Failure } from '../core/failure.ts'
import type { Denial } from '../core/limits.ts'
import type { Refusal } from '../ports.ts'
import type { Speaker } from '../protocols/protocol.ts'
import type { Exchange } from './exchange.ts'

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
      ...own,
    },
  })
}

/** A limiter's refusal as a failure of the request. */
export function failureOf(refusal: Refusal, requestedTokens: number): Failure {
  switch (refusal.kind) {
    case 'rate':
      return {
        kind: 'rate-limited',
        scope: refusal.scope,
        limitTokensPerMinute: refusal.limitTokensPerMinute,
        requestedTokens,
        retryAfterMs: refusal.retryAfterMs,
      }
    case 'budget':
      return budgetExhausted(refusal)
    case 'revoked':
      return { kind: 'unauthenticated', reason: 'revoked' }
    case 'stale-lease':
    case 'unavailable':
      return { kind: 'limiter-unavailable' }
  }
}

function budgetExhausted(denial: Denial & { readonly kind: 'budget' }): Failure {
  const { scope, limitNanoUsd, period, resetsAtMs } = denial
  return { kind: 'budget-exhausted', scope, limitNanoUsd, window: period, resetsAtMs }
}
