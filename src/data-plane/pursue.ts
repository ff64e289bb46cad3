// Follows a plan until something answers: retries on the same target, then the next one. Every attempt is admitted for
// itself. Whatever the reason, the client gets one answer or one failure.
import type { Target } from '../core/directory.ts'
import type { Failure, UpstreamFailure } from '../core/failure.ts'
import type { Amounts } from '../core/limits.ts'
import { choiceOf } from '../core/plan.ts'
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
import { demandOf } from './sizing.ts'
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
  /** As in `AttemptPlan`. */
  readonly isBoundable?: true
}

interface Pursuit<P extends Speaker = Speaker> {
  /** These two are others once a limit's policy has sent the request to another model. */
  exchange: ReadExchange<P>
  routed: RoutedRequest
  readonly purpose: Purpose
  attempts: number
  /** The latest failure, settled only when it is known whether another attempt follows. */
  last: FailedAttempt<Speaker> | null
  /** Shortest wait that a closed target named. */
  retryAfterMs: number | null
}

/** What one target came to: an answer, a failure that ends the request, nothing (go on with the next), or another model. */
type TargetResult<Answer, P extends Speaker> = Result<Answered<Answer, P>, Failure> | null | 'downgraded'

/** Tries the plan's candidates in order. */
export async function pursue<Answer, P extends Speaker = Protocol>(
  exchange: ReadExchange<P>,
  routed: RoutedRequest,
  purpose: Purpose,
  tryOnce: Try<Answer, P>,
): Promise<Result<Answered<Answer, P>, Failure>> {
  const pursuit: Pursuit<P> = { exchange, routed, purpose, attempts: 0, last: null, retryAfterMs: null }
  let result = await pursueCandidates(pursuit, tryOnce)
  if (result === 'downgraded') result = await pursueCandidates(pursuit, tryOnce)
  for (const model of routed.models ?? []) {
    if (result !== null || !(await goesOn(pursuit, model))) continue
    result = await pursueCandidates(pursuit, tryOnce)
  }
  return result === null || result === 'downgraded' ? err(giveUp(pursuit)) : result
}

async function pursueCandidates<Answer, P extends Speaker>(
  pursuit: Pursuit<P>,
  tryOnce: Try<Answer, P>,
): Promise<TargetResult<Answer, P>> {
  const { exchange, routed } = pursuit
  const { candidates } = routed.plan
  let deferred: Target[] | null = null
  for (const candidate of candidates) {
    const concrete = concreteTarget(candidate.target, exchange.facts.model)
    const target = concrete instanceof Promise ? await concrete : concrete
    if (candidates.length > 1 && isShort(pursuit, target)) {
      ;(deferred ??= []).push(target)
      continue
    }
    const result = await pursueTarget(pursuit, target, tryOnce)
    if (result !== null) return result
    if (exchange.client.hasLeft || pursuit.attempts >= ATTEMPTS_MAX) break
  }
  for (const target of deferred ?? []) {
    if (exchange.client.hasLeft || pursuit.attempts >= ATTEMPTS_MAX) break
    const result = await pursueTarget(pursuit, target, tryOnce)
    if (result !== null) return result
  }
  return null
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
      if (isOfTarget(attempt)) return passOver(pursuit, attempt)
      if (await downgraded(pursuit, attempt)) return 'downgraded'
      const { amounts } = demandOf(exchange, pursuit.purpose, target)
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
  const choice = choiceOf(plan)
  return admit(pursuit.exchange, { target, route: plan.route, number, permit, neutral, choice, ...pursuit.purpose })
}

/** Whether the provider said that it has next to nothing left for a request of this size: then others come first. */
function isShort({ exchange, purpose }: Pursuit, target: Target): boolean {
  const amountsOf = (): Amounts => demandOf(exchange, purpose, target).amounts
  const { headroom, log, nowMs } = exchange.services
  const shortage = headroom.shortage(target, amountsOf)
  if (shortage === null) return false
  const { unit, left, resetsAtMs } = shortage
  log.warn('target-nearly-used-up', { target: target.id, unit, left, forMs: resetsAtMs - nowMs() })
  return true
}

/** Whether it is the target's own limits that have no room: nothing of that is the client's fault. */
function isOfTarget(refusal: Refusal): boolean {
  return 'scope' in refusal && refusal.scope === 'target'
}

/** On with the next candidate, as if this one had been closed: the attempt was none. */
function passOver(pursuit: Pursuit, refusal: Refusal): null {
  pursuit.attempts -= 1
  const waitMs = 'retryAfterMs' in refusal ? refusal.retryAfterMs : null
  if (waitMs !== null) pursuit.retryAfterMs = Math.min(pursuit.retryAfterMs ?? Infinity, waitMs)
  return null
}

/** Whether the request goes on for another model, once, because the limit that refuses it says so. */
async function downgraded<P extends Speaker>(pursuit: Pursuit<P>, refusal: Refusal): Promise<boolean> {
  const policy = 'policy' in refusal ? refusal.policy : undefined
  if (policy?.kind !== 'downgrade' || pursuit.exchange.downgradedFrom !== undefined) return false
  const rerouted = (await pursuit.routed.reroute?.(policy.model)) ?? null
  if (rerouted === null) return false
  pursuit.exchange = { ...pursuit.exchange, ...rerouted.renamed }
  pursuit.routed = rerouted.routed
  pursuit.attempts -= 1
  return true
}

/** Whether the request goes on with another model that it names, now that the one before can't be had. */
async function goesOn<P extends Speaker>(pursuit: Pursuit<P>, model: string): Promise<boolean> {
  const { exchange, attempts } = pursuit
  if (exchange.client.hasLeft || attempts >= ATTEMPTS_MAX) return false
  const rerouted = (await pursuit.routed.reroute?.(model)) ?? null
  if (rerouted === null) return false
  const { downgradedFrom: _, ...renamed } = rerouted.renamed
  pursuit.exchange = { ...exchange, ...renamed }
  pursuit.routed = rerouted.routed
  return true
}

/** The caller's limits end the request. One that had been tried already is in the ledger and needs its ending there. */
function refused(pursuit: Pursuit, failure: Failure): Failure {
  const { exchange, routed, purpose, attempts } = pursuit
  if (attempts > 1) {
    const { status } = exchange.protocol.fail(failure, exchange.requestId)
    const event = eventTemplate(exchange, routed.plan.route.id, purpose.cache, 0)
    exchange.services.limiter.record(
      { ...event, status, failure: failure.kind, plan: choiceOf(routed.plan) },
      exchange.later,
    )
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
  exchange.services.limiter.record(
    { ...event, status: 503, failure: 'no-target', plan: choiceOf(routed.plan) },
    exchange.later,
  )
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
