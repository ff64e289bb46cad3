// Follows a plan until something answers: retries on the same target, then the next one. Every attempt is admitted for
// itself. Whatever the reason, the client gets one answer or one failure.
import type { Target } from '../core/directory.ts'
import type { Failure, UpstreamFailure } from '../core/failure.ts'
import { demand } from '../core/estimate.ts'
import { err, ok, type Result } from '../core/result.ts'
import { backoffMs, mayFallBack, mayRetrySameTarget } from '../core/retry.ts'
import type { CallPermit, Refusal } from '../ports.ts'
import type { Protocol, Speaker } from '../protocols/protocol.ts'
import { type Attempt, type FailedAttempt, admit, settleFailed } from './attempt.ts'
import { concreteTarget } from './concrete-target.ts'
import { type ReadExchange, eventTemplate } from './exchange.ts'
import { BROKEN_OFF } from './lane.ts'
import { failureOf } from './refuse.ts'
import type { RoutedRequest } from './route.ts'
import type { CacheState } from '../core/usage-event.ts'

/** Attempts of one request over all its targets. */
const ATTEMPTS_MAX = 6

/** Makes one admitted attempt, and leaves it to be settled. */
export type Try<Answer, P extends Speaker = Protocol> = (
  attempt: Attempt<P>,
) => Promise<Result<Answer, FailedAttempt<P>>>

/** An answer, and the attempt that got it (not settled yet). */
export interface Answered<Answer, P extends Speaker = Protocol> {
  readonly answer: Answer
  readonly attempt: Attempt<P>
}

/** What every attempt of a request shares. */
export interface Purpose {
  readonly promptTokens: number
  readonly cache: CacheState
}

interface Pursuit<P extends Speaker = Speaker> {
  readonly exchange: ReadExchange<P>
  readonly routed: RoutedRequest
  readonly purpose: Purpose
  attempts: number
  /** The latest failure, settled only when it is known whether another attempt follows. */
  last: FailedAttempt<Speaker> | null
  /** Shortest wait that a closed target named. */
  retryAfterMs: number | null
}

/** What one target came to: an answer, a failure that ends the request, or nothing (go on with the next). */
type TargetResult<Answer, P extends Speaker> = Result<Answered<Answer, P>, Failure> | null

/** Tries the plan's candidates in order. */
export async function pursue<Answer, P extends Speaker = Protocol>(
  exchange: ReadExchange<P>,
  routed: RoutedRequest,
  purpose: Purpose,
  tryOnce: Try<Answer, P>,
): Promise<Result<Answered<Answer, P>, Failure>> {
  const pursuit: Pursuit<P> = { exchange, routed, purpose, attempts: 0, last: null, retryAfterMs: null }
  for (const candidate of routed.plan.candidates) {
    const concrete = concreteTarget(candidate.target, exchange.facts.model)
    const target = concrete instanceof Promise ? await concrete : concrete
    const result = await pursueTarget(pursuit, target, tryOnce)
    if (result !== null) return result
    if (exchange.client.hasLeft || pursuit.attempts >= ATTEMPTS_MAX) break
  }
  return err(giveUp(pursuit))
}

async function pursueTarget<Answer, P extends Speaker>(
  pursuit: Pursuit<P>,
  target: Target,
  tryOnce: Try<Answer, P>,
): Promise<TargetResult<Answer, P>> {
  const { exchange } = pursuit
  for (let retry = 0; retry <= target.maxRetries && pursuit.attempts < ATTEMPTS_MAX; retry++) {
    if (retry > 0 && !(await waitToRetry(pursuit, target, retry))) return null
    const permit = await permitFor(pursuit, target)
    if (permit === null) return null
    const attempt = await nextAttempt(pursuit, target, permit)
    if (!('reservation' in attempt)) {
      permit.withdraw(exchange.later)
      const { amounts } = demand(pursuit.purpose.promptTokens, exchange.facts, target)
      return err(refused(pursuit, failureOf(attempt, amounts)))
    }
    const result = exchange.client.hasLeft ? err(unasked(attempt)) : await tryOnce(attempt)
    if (result.ok) return ok({ answer: result.value, attempt })
    pursuit.last = result.error
    const { class: upstream, retryAfterMs } = result.error.failure
    // The breaker hears of it at once, the ledger when it is known whether another attempt follows.
    if (exchange.client.hasLeft) permit.withdraw(exchange.later)
    else permit.done(upstream, retryAfterMs, exchange.later)
    if (!mayFallBack(upstream) || exchange.client.hasLeft || result.error.isLast === true) return err(giveUp(pursuit))
    if (!mayRetrySameTarget(upstream)) return null
  }
  return null
}

/** An attempt whose client left before the provider was called: nothing is owed for it. */
function unasked<P extends Speaker>(attempt: Attempt<P>): FailedAttempt<P> {
  const failure: UpstreamFailure = { ...BROKEN_OFF, message: 'The client left before the provider was called.' }
  return { attempt, failure, usage: null, visibleChars: 0, isBilled: false }
}

/** Settles the failure before, then admits the next attempt. */
function nextAttempt<P extends Speaker>(
  pursuit: Pursuit<P>,
  target: Target,
  permit: CallPermit,
): Promise<Attempt<P> | Refusal> {
  if (pursuit.last !== null) settleFailed(pursuit.last, null)
  pursuit.last = null
  pursuit.attempts += 1
  const { plan, neutral } = pursuit.routed
  const number = pursuit.attempts
  return admit(pursuit.exchange, { target, route: plan.route, number, permit, neutral, ...pursuit.purpose })
}

/** The caller's limits end the request. One that had been tried already is in the ledger and needs its ending there. */
function refused(pursuit: Pursuit, failure: Failure): Failure {
  const { exchange, routed, purpose, attempts } = pursuit
  if (attempts > 1) {
    const { status } = exchange.protocol.fail(failure, exchange.requestId)
    const event = eventTemplate(exchange, routed.plan.route.id, purpose.cache, 0)
    exchange.services.limiter.record({ ...event, status, failure: failure.kind }, exchange.later)
  }
  return failure
}

/** Nothing answered: the last failure is the client's, or there was nobody to ask. */
function giveUp(pursuit: Pursuit): Failure {
  const { exchange, routed, last } = pursuit
  if (last !== null) {
    const { provider } = last.attempt.plan.target
    const suggestions = mayHelp(last.failure) ? alternatives(pursuit) : []
    const failure: Failure = { kind: 'upstream-failed', provider, upstream: last.failure, suggestions }
    settleFailed(last, exchange.protocol.fail(failure, exchange.requestId).status)
    return failure
  }
  const event = eventTemplate(exchange, routed.plan.route.id, pursuit.purpose.cache, 0)
  exchange.services.limiter.record({ ...event, status: 503, failure: 'no-target' }, exchange.later)
  const { retryAfterMs } = pursuit
  const suggestions = alternatives(pursuit)
  return { kind: 'no-target-available', model: exchange.facts.model, retryAfterMs, suggestions }
}

/** Another model doesn't help with a mistake in the request, unless the model is the mistake. */
function mayHelp(failure: UpstreamFailure): boolean {
  return failure.class !== 'client' || failure.status === 404 || failure.code === 'model_not_found'
}

function alternatives({ routed }: Pursuit): readonly string[] {
  return routed.suggest?.(routed.plan.candidates.map(({ target }) => target)) ?? []
}

async function permitFor(pursuit: Pursuit, target: Target): Promise<CallPermit | null> {
  const answer = pursuit.exchange.services.breakers.permit(target)
  const permit = answer instanceof Promise ? await answer : answer
  if (!('retryAfterMs' in permit)) return permit
  pursuit.retryAfterMs = Math.min(pursuit.retryAfterMs ?? Infinity, permit.retryAfterMs)
  return null
}

/** Waits before a retry; false when there is none to be made. */
async function waitToRetry(pursuit: Pursuit, target: Target, retry: number): Promise<boolean> {
  const { services, client } = pursuit.exchange
  const waitMs = backoffMs(retry - 1, pursuit.last?.failure.retryAfterMs ?? null, services.draw())
  if (waitMs === null || !services.breakers.mayRetry(target)) return false
  await services.sleep(waitMs)
  return !client.hasLeft
}
