// A second attempt beside a first that is late: whichever begins to answer first serves, the other is stopped and pays what
// it has used. Only where a route asks for it, and only where it can be afforded; loaded with the first such request.
import type { HedgePolicy, Target } from '../core/directory.ts'
import { mayFallBack } from '../core/health/retry.ts'
import type { Usage } from '../core/money/usage.ts'
import type { CallPermit, Reservation } from '../ports.ts'
import type { Speaker } from '../protocols/protocol.ts'
import { type Attempt, admit, settleFailed, settleOvertaken, tellBreaker } from './attempt.ts'
import { Client } from './client.ts'
import type { ReadExchange } from './exchange.ts'
import { calledTarget, isRefusedUnpriced } from './route/priced-target.ts'
import { type Made, type Pursuit, type Try, isShort, makeOne } from './pursue.ts'

/** With less than this share left of a limit, nothing is spent twice. */
const LEFT_MIN = 0.1

/** Makes the first attempt of a request, and a second one at the next candidate when it is late. One of them is returned; the
 *  other is settled. */
export async function hedged<Answer, P extends Speaker>(
  pursuit: Pursuit<P>,
  attempt: Attempt<P>,
  tryOnce: Try<Answer, P>,
  policy: HedgePolicy,
): Promise<Made<Answer, P>> {
  const afterMs = lateAfterMs(attempt, policy)
  if (pursuit.purpose.isBoundable !== true || afterMs === null || isNearlyUsedUp(attempt.reservation)) {
    return makeOne(attempt, tryOnce)
  }
  const [stopFirst, stopSecond] = [new AbortController(), new AbortController()]
  const { client } = attempt.exchange
  client.onLeave(() => {
    stopFirst.abort()
    stopSecond.abort()
  })
  const first = makeOne({ ...attempt, exchange: forked(attempt.exchange, stopFirst.signal) }, tryOnce)
  if (await isSettledWithin(first, afterMs)) return first
  const second = rivalOf(pursuit, attempt, forked(attempt.exchange, stopSecond.signal)).then((rival) =>
    rival === null ? null : makeOne(rival, tryOnce),
  )
  const made = await Promise.race([first, second.then((rival) => rival ?? first)])
  const isFirst = made.attempt.event === attempt.event
  const other = isFirst ? second : first
  const mayOtherServe = !made.result.ok && mayFallBack(made.result.error.failure.class) && !client.hasLeft
  if (mayOtherServe) return afterFailure(pursuit, made, await other)
  const stop = isFirst ? stopSecond : stopFirst
  stop.abort()
  attempt.exchange.later(other.then((loser) => settleLoser(loser, !isFirst)))
  return made
}

/** One has failed: it is settled, and the other's end is the end of both. */
function afterFailure<Answer, P extends Speaker>(
  pursuit: Pursuit<P>,
  made: Made<Answer, P>,
  other: Made<Answer, P> | null,
): Made<Answer, P> {
  if (other === null || made.result.ok) return made
  const ids = [made.attempt.plan.target.id, other.attempt.plan.target.id]
  const firstId = pursuit.routed.plan.candidates[0]?.target.id
  pursuit.hedgedTargetId = ids.find((id) => id !== firstId) ?? null
  tellBreaker(made.result.error)
  settleFailed(made.result.error, null)
  return other
}

function lateAfterMs({ exchange, plan }: Attempt<Speaker>, { afterMs }: HedgePolicy): number | null {
  return afterMs === 'p95' ? exchange.services.speeds.p95Ms(plan.target, exchange.facts.isStreamed) : afterMs
}

function isNearlyUsedUp(reservation: Reservation): boolean {
  const standings = reservation.standings?.() ?? null
  if (standings === null) return false
  const { budget, rates } = standings
  if (budget !== undefined && budget.leftNanoUsd < LEFT_MIN * budget.limitNanoUsd) return true
  return Object.values(rates).some((rate) => rate.left < LEFT_MIN * rate.limit)
}

/** The same request, of a client that leaves when the signal says so. */
function forked<P extends Speaker>(exchange: ReadExchange<P>, signal: AbortSignal): ReadExchange<P> {
  return { ...exchange, client: new Client(signal, exchange.later) }
}

async function isSettledWithin(work: Promise<unknown>, ms: number): Promise<boolean> {
  let stop = (): void => {}
  const late = new Promise<false>((resolve) => {
    const timer = setTimeout(() => resolve(false), ms)
    stop = () => clearTimeout(timer)
  })
  const isSettled = await Promise.race([work.then(() => true), late])
  stop()
  return isSettled
}

/** The attempt at the next candidate in good standing, admitted for itself; null when there is none, or none is affordable. */
async function rivalOf<P extends Speaker>(
  pursuit: Pursuit<P>,
  first: Attempt<P>,
  exchange: ReadExchange<P>,
): Promise<Attempt<P> | null> {
  for (const candidate of pursuit.routed.plan.candidates) {
    const target = await calledTarget(candidate.target, exchange)
    if (isRefusedUnpriced(target, exchange)) continue
    if (target.id === first.plan.target.id || isShort(pursuit, target)) continue
    const paid = paidTarget(exchange, target)
    const permit = paid === null ? null : await permitFor(exchange, paid)
    if (paid === null || permit === null) continue
    const { breakers } = exchange.services
    if (exchange.client.hasLeft || !breakers.mayRetry(paid)) {
      permit.withdraw(exchange.later)
      return null
    }
    pursuit.attempts += 1
    const attempt = await admit(exchange, { ...first.plan, target: paid, number: pursuit.attempts, permit })
    if ('reservation' in attempt) return attempt
    pursuit.attempts -= 1
    permit.withdraw(exchange.later)
    return null
  }
  return null
}

function paidTarget(exchange: ReadExchange<Speaker>, target: Target): Target | null {
  if (target.credentials === undefined) return target
  const chosen = exchange.services.credentials.choose(target, [])
  return chosen === null || 'retryAfterMs' in chosen ? null : chosen
}

/** Leave to call a target of which nothing is in doubt. */
async function permitFor({ services }: ReadExchange<Speaker>, target: Target): Promise<CallPermit | null> {
  if (services.breakers.standing(target).state !== 'closed') return null
  const permit = await services.breakers.permit(target)
  return 'retryAfterMs' in permit ? null : permit
}

/** The one that was overtaken: nothing is said of its target but that it took at least so long. */
function settleLoser(loser: Made<unknown, Speaker> | null, isFirst: boolean): void {
  if (loser === null) return
  const { attempt, result } = loser
  const { exchange, plan, admittedAtMs } = attempt
  plan.permit.withdraw(exchange.later)
  const usage = result.ok ? usageIn(result.value) : result.error.usage
  settleOvertaken(attempt, usage, result.ok || result.error.isBilled)
  if (!isFirst) return
  const ttftMs = exchange.services.nowMs() - admittedAtMs
  const { isStreamed } = exchange.facts
  const measured = { isStreamed, ttftMs, outputTokens: 0, writingMs: 0 }
  exchange.services.speeds.note(plan.target, measured, exchange.later)
}

/** A whole answer knows what it took. */
function usageIn(answer: unknown): Usage | null {
  if (typeof answer !== 'object' || answer === null || !('usage' in answer)) return null
  return isUsage(answer.usage) ? answer.usage : null
}

function isUsage(value: unknown): value is Usage {
  return typeof value === 'object' && value !== null && 'input' in value && 'output' in value
}
