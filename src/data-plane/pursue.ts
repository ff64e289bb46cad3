// Follows a plan until something answers: retries on the same target, then the next one. Every attempt is admitted for
// itself. Whatever the reason, the client gets one answer or one failure.
import type { Target } from '../core/directory.ts'
import type { Failure, UpstreamFailure } from '../core/failure.ts'
import type { Amounts } from '../core/limits/limits.ts'
import type { NeutralRequest } from '../core/neutral.ts'
import { storyOf } from '../core/routing/plan.ts'
import { err, ok, type Result } from '../core/result.ts'
import { late } from '../core/late.ts'
import { backoffMs, mayFallBack, mayRetrySameTarget } from '../core/health/retry.ts'
import type { CallPermit, Closed, Refusal } from '../ports.ts'
import type { Protocol, Speaker } from '../protocols/protocol.ts'
import { type Attempt, type FailedAttempt, admit, noteEnd, settleFailed, tellBreaker, unasked } from './attempt.ts'
import { type Credentials, hasServed, paidBy, rotates } from './credential-turns.ts'
import { type ReadExchange, deadlineOf, eventTemplate, logged } from './exchange.ts'
import { calledTarget, isRefusedUnpriced } from './route/priced-target.ts'
import { failureOf } from './refuse.ts'
import type { RoutedRequest } from './route/route.ts'
import { demandOf } from './limits/sizing.ts'
import type { CacheState, EventDraft } from '../core/money/usage-event.ts'

/** Attempts of one request over all its targets. */
export const ATTEMPTS_MAX = 6

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
  /** As in `AttemptPlan`. */
  readonly goesOn?: (target: Target) => NeutralRequest
  /** Attempts of this request before these. */
  readonly attemptsBefore?: number
}

/** A request on its way through the candidates. */
export interface Pursuit<P extends Speaker = Speaker> {
  /** These two are others once a limit's policy has sent the request to another model. */
  exchange: ReadExchange<P>
  routed: RoutedRequest
  readonly purpose: Purpose
  attempts: number
  /** The target of a second attempt that ran beside the first and failed, too. */
  hedgedTargetId: string | null
  /** The latest failure, settled only when it is known whether another attempt follows. */
  last: FailedAttempt<Speaker> | null
  /** Shortest wait that a closed target named. */
  retryAfterMs: number | null
  /** A candidate was left out because nobody knows what it costs. */
  isUnpriced: boolean
  /** Candidates of the plan that weren't called in their turn, each with the reason: for the ledger. */
  passed: readonly string[]
}

/** What the candidates came to: an answer, a failure that ends the request, nothing (go on with the next), or another model. */
type TargetResult<Answer, P extends Speaker> = Result<Answered<Answer, P>, Failure> | null | 'downgraded'

/** An attempt that was made. */
export interface Made<Answer, P extends Speaker> {
  readonly attempt: Attempt<P>
  readonly result: Result<Answer, FailedAttempt<P>>
}

const NOBODY: readonly string[] = []

const hedging = late(() => import('./hedge.ts'))

/** Tries the plan's candidates in order. */
export async function pursue<Answer, P extends Speaker = Protocol>(
  exchange: ReadExchange<P>,
  routed: RoutedRequest,
  purpose: Purpose,
  tryOnce: Try<Answer, P>,
): Promise<Result<Answered<Answer, P>, Failure>> {
  const start = {
    attempts: purpose.attemptsBefore ?? 0,
    hedgedTargetId: null,
    last: null,
    retryAfterMs: null,
    isUnpriced: false,
    passed: NOBODY,
  }
  const pursuit: Pursuit<P> = { exchange, routed, purpose, ...start }
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
  const { candidates } = pursuit.routed.plan
  const isChoice = candidates.length > 1
  const spared = isChoice ? sparedOf(pursuit) : null
  let deferred: Target[] | null = null
  /** Those that come back get no more than their share, unless there is nobody else. */
  let returning: Target[] | null = null
  for (const candidate of candidates) {
    const called = calledTarget(candidate.target, pursuit.exchange)
    const target = called instanceof Promise ? await called : called
    if (target.id === pursuit.hedgedTargetId) continue
    if (isRefusedUnpriced(target, pursuit.exchange)) {
      pursuit.isUnpriced = true
      passBy(pursuit, target, 'no price')
      continue
    }
    const why = isChoice ? whyLater(pursuit, target, spared?.has(candidate.target) === true) : null
    if (why !== null) passBy(pursuit, target, why)
    const result = why === null ? await pursueTarget(pursuit, target, tryOnce, !isChoice) : 'later'
    if (result === 'later') {
      if (why === null) (returning ??= []).push(target)
      else (deferred ??= []).push(target)
      continue
    }
    if (result !== null) return result
    if (isOver(pursuit)) break
  }
  for (const target of [...(deferred ?? []), ...(returning ?? [])]) {
    if (isOver(pursuit)) break
    const result = await pursueTarget(pursuit, target, tryOnce, true)
    if (result !== null && result !== 'later') return result
  }
  return null
}

/** Whether nothing more is to be tried. */
function isOver({ exchange, routed, attempts }: Pursuit): boolean {
  if (exchange.client.hasLeft || attempts >= ATTEMPTS_MAX) return true
  const deadlineMs = deadlineOf(exchange, routed.plan.route)
  return deadlineMs < Infinity && exchange.services.nowMs() >= deadlineMs
}

/** Candidates that others come before this time, since they have become slow. */
function sparedOf({ exchange, routed }: Pursuit): ReadonlySet<Target> | null {
  const { facts, services } = exchange
  return services.speeds.spared(routed.plan.candidates, facts.model, facts.isStreamed)
}

/** Why others are to be asked before a target; null for its turn. */
function whyLater(pursuit: Pursuit, target: Target, isSpared: boolean): string | null {
  if (isSpared) return 'slow'
  return isShort(pursuit, target) ? 'nearly used up' : null
}

/** Tries one target; `later`: others are to be tried before it. */
async function pursueTarget<Answer, P extends Speaker>(
  pursuit: Pursuit<P>,
  given: Target,
  tryOnce: Try<Answer, P>,
  isLast: boolean,
): Promise<TargetResult<Answer, P> | 'later'> {
  const { exchange } = pursuit
  const credentials: Credentials = { tried: [], doubtful: [] }
  let mustWait = false
  for (let retry = 0; retry <= given.maxRetries && !isOver(pursuit); retry += mustWait ? 1 : 0) {
    const target = paidBy(pursuit, given, credentials)
    if (target === null) {
      if (credentials.tried.length === 0) passBy(pursuit, given, 'no credential is ready')
      return null
    }
    if (mustWait && !(await waitToRetry(pursuit, target, retry))) return null
    const asked = permitFor(pursuit, target, isLast)
    const permit = asked instanceof Promise ? await asked : asked
    if (permit === 'later') return retry === 0 && credentials.tried.length === 0 ? 'later' : null
    if (permit === null) return null
    const admitted = nextAttempt(pursuit, target, permit)
    const attempt = admitted instanceof Promise ? await admitted : admitted
    if (!('reservation' in attempt)) {
      permit.withdraw(exchange.later)
      if (attempt.kind === 'target-news') {
        // What it was let through by is no longer so: the attempt was none.
        pursuit.attempts -= 1
        mustWait = false
        continue
      }
      if (isOfTarget(attempt)) return passOver(pursuit, target, attempt)
      if (await downgraded(pursuit, attempt)) return 'downgraded'
      const { amounts } = demandOf(exchange, pursuit.purpose, target)
      return err(refused(pursuit, failureOf(attempt, amounts)))
    }
    const made = await make(pursuit, attempt, tryOnce)
    if (made.result.ok) {
      hasServed(pursuit, made.attempt.plan.target, credentials)
      return ok({ answer: made.result.value, attempt: made.attempt })
    }
    const failed = made.result.error
    pursuit.last = failed
    // The breaker hears of it at once, the ledger when it is known whether another attempt follows.
    tellBreaker(failed)
    const { class: upstream } = failed.failure
    if (!mayFallBack(upstream) || exchange.client.hasLeft || failed.isLast === true) return err(giveUp(pursuit))
    mustWait = !rotates(pursuit, failed, credentials)
    const isElsewhere = made.attempt.plan.target.id !== given.id
    if (isElsewhere || (mustWait && !mayRetrySameTarget(upstream))) return null
  }
  return null
}

/** Makes an attempt; beside the first, where the route wants that, another one when it is late. */
function make<Answer, P extends Speaker>(
  pursuit: Pursuit<P>,
  attempt: Attempt<P>,
  tryOnce: Try<Answer, P>,
): Promise<Made<Answer, P>> {
  const { hedge } = attempt.plan.route
  const { client } = attempt.exchange
  if (hedge === undefined || attempt.plan.number > 1 || client.hasLeft) return makeOne(attempt, tryOnce)
  const loaded = hedging.now()
  if (loaded !== null) return loaded.hedged(pursuit, attempt, tryOnce, hedge)
  return hedging.load().then(({ hedged }) => hedged(pursuit, attempt, tryOnce, hedge))
}

/** Makes an attempt. One that comes to nothing is over at that moment, however much later it is settled. */
export async function makeOne<Answer, P extends Speaker>(
  attempt: Attempt<P>,
  tryOnce: Try<Answer, P>,
): Promise<Made<Answer, P>> {
  const result = attempt.exchange.client.hasLeft ? err(unasked(attempt)) : await tryOnce(attempt)
  if (!result.ok) noteEnd(attempt)
  return { attempt, result }
}

/** Settles the failure before, then admits the next attempt. */
function nextAttempt<P extends Speaker>(
  pursuit: Pursuit<P>,
  target: Target,
  permit: CallPermit,
): Attempt<P> | Refusal | Promise<Attempt<P> | Refusal> {
  if (pursuit.last !== null) settleFailed(pursuit.last, null)
  pursuit.last = null
  pursuit.attempts += 1
  const { plan, neutral } = pursuit.routed
  const number = pursuit.attempts
  const { passed, purpose } = pursuit
  const { route } = plan
  return admit(pursuit.exchange, { target, route, number, permit, neutral, choice: plan, passed, ...purpose })
}

/** Whether the provider said that it has next to nothing left for a request of this size: then others come first. */
export function isShort({ exchange, purpose }: Pursuit, target: Target): boolean {
  // Of several credentials another one may have more.
  if (target.credentials !== undefined) return false
  const amountsOf = (): Amounts => demandOf(exchange, purpose, target).amounts
  const { headroom, log, nowMs } = exchange.services
  const shortage = headroom.shortage(target, amountsOf)
  if (shortage === null) return false
  const { unit, left, resetsAtMs } = shortage
  const facts = { target: target.id, unit, left, forMs: resetsAtMs - nowMs() }
  log.warn('target-nearly-used-up', { ...facts, ...logged(exchange) })
  return true
}

/** Notes why a target isn't called in its turn: who serves instead has that in its event. */
function passBy(pursuit: Pursuit, { id }: Target, why: string): void {
  pursuit.passed = [...pursuit.passed, `${id} (${why})`]
}

/** Whether it is the target's own limits that have no room: nothing of that is the client's fault. */
function isOfTarget(refusal: Refusal): boolean {
  return 'scope' in refusal && refusal.scope === 'target'
}

/** On with the next candidate, as if this one had been closed: the attempt was none. */
function passOver(pursuit: Pursuit, target: Target, refusal: Refusal): null {
  pursuit.attempts -= 1
  passBy(pursuit, target, 'its limits')
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
  pursuit.passed = NOBODY
  pursuit.attempts -= 1
  return true
}

/** Whether the request goes on with another model that it names, now that the one before can't be had. */
async function goesOn<P extends Speaker>(pursuit: Pursuit<P>, model: string): Promise<boolean> {
  const { exchange } = pursuit
  if (isOver(pursuit)) return false
  const rerouted = (await pursuit.routed.reroute?.(model)) ?? null
  if (rerouted === null) return false
  const { downgradedFrom: _, ...renamed } = rerouted.renamed
  pursuit.exchange = { ...exchange, ...renamed }
  pursuit.routed = rerouted.routed
  pursuit.passed = NOBODY
  return true
}

/** The caller's limits end the request. One that had been tried already is in the ledger and needs its ending there. */
function refused(pursuit: Pursuit, failure: Failure): Failure {
  const { exchange, routed, purpose, attempts, passed } = pursuit
  if (attempts > 1) {
    const { status } = exchange.protocol.fail(failure, exchange.requestId)
    const event = eventTemplate(exchange, routed.plan.route.id, purpose.cache, 0)
    const plan = storyOf(routed.plan, passed)
    exchange.services.limiter.record({ ...event, status, failure: failure.kind, plan }, exchange.later)
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
  if (pursuit.isUnpriced && pursuit.retryAfterMs === null) return refuseUnpriced(pursuit, event)
  const plan = storyOf(routed.plan, pursuit.passed)
  exchange.services.limiter.record({ ...event, status: 503, failure: 'no-target', plan }, exchange.later)
  const { retryAfterMs } = pursuit
  const suggestions = alternatives(pursuit)
  return { kind: 'no-target-available', model: exchange.facts.model, retryAfterMs, suggestions }
}

function refuseUnpriced({ exchange, routed, passed }: Pursuit, event: EventDraft): Failure {
  const failure: Failure = { kind: 'unpriced', model: exchange.facts.model }
  const { status } = exchange.protocol.fail(failure, exchange.requestId)
  const plan = storyOf(routed.plan, passed)
  exchange.services.limiter.record({ ...event, status, failure: failure.kind, plan }, exchange.later)
  return failure
}

/** Another model doesn't help with a mistake in the request, unless the model is the mistake. */
function mayHelp(failure: UpstreamFailure): boolean {
  return failure.class !== 'client' || failure.status === 404 || failure.code === 'model_not_found'
}

function alternatives({ routed }: Pursuit): readonly string[] {
  return routed.suggest?.(routed.plan.candidates.map(({ target }) => target)) ?? []
}

/** Leave to call; null for none, `later` where others are to be asked before. */
function permitFor(pursuit: Pursuit, target: Target, isLast: boolean): Leave | Promise<Leave> {
  const answer = pursuit.exchange.services.breakers.permit(target, isLast)
  return answer instanceof Promise
    ? answer.then((permit) => leaveOf(pursuit, target, permit))
    : leaveOf(pursuit, target, answer)
}

type Leave = CallPermit | 'later' | null

function leaveOf(pursuit: Pursuit, target: Target, permit: CallPermit | Closed): Leave {
  if (!('retryAfterMs' in permit)) return permit
  passBy(pursuit, target, permit.isRamping === true ? 'coming back' : 'resting')
  if (permit.isRamping === true) return 'later'
  pursuit.retryAfterMs = Math.min(pursuit.retryAfterMs ?? Infinity, permit.retryAfterMs)
  return null
}

/** Waits before a retry; false when there is none to be made. */
async function waitToRetry(pursuit: Pursuit, target: Target, retry: number): Promise<boolean> {
  const { exchange, routed } = pursuit
  const { services, client } = exchange
  const waitMs = backoffMs(retry - 1, pursuit.last?.failure.retryAfterMs ?? null, services.draw())
  if (waitMs === null || services.nowMs() + waitMs >= deadlineOf(exchange, routed.plan.route)) return false
  if (!services.breakers.mayRetry(target)) return false
  await services.sleep(waitMs)
  return !client.hasLeft
}
