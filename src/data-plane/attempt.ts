// One call to one target: admitted, made, and either answering or failed. Settles what it reserved exactly once, on every
// path. What to do after a failure is decided by the caller of this file.
import type { BatchShare } from '../core/batch.ts'
import type { Route, Target } from '../core/directory.ts'
import { type Demand, weightOf } from '../core/estimate/estimate.ts'
import type { UpstreamFailure } from '../core/failure.ts'
import type { Amounts } from '../core/limits/limits.ts'
import { NOTHING } from '../core/limits/limits.ts'
import type { NeutralRequest } from '../core/neutral.ts'
import { type Plan, storyOf } from '../core/routing/plan.ts'
import { costNanoUsd } from '../core/money/price.ts'
import type { CacheState, Ending, EventDraft } from '../core/money/usage-event.ts'
import { NO_USAGE, type Usage, completionTokens, withUnits } from '../core/money/usage.ts'
import type { Dialect, NativeEdits } from '../dialects/dialect.ts'
import { dialects } from '../dialects/index.ts'
import { type CallPermit, type OutgoingCall, type Refusal, type Reservation, isAdmitted } from '../ports.ts'
import type { Protocol, Speaker } from '../protocols/protocol.ts'
import { type ReadExchange, deadlineOf, eventTemplate, settingsOf } from './exchange.ts'
import { admitAtLimit } from './limits/at-limit.ts'
import { noteBudget } from './limits/budget-memory.ts'
import { droppedFields } from './dropped.ts'
import { besideOf } from './limits/end-user.ts'
import { followedMembers } from './route/preferences.ts'
import { withProviderOptions } from './provider-options.ts'
import type { CutReason } from './answer/allowance.ts'
import { BROKEN_OFF } from './answer/lane.ts'
import { lengthen } from './bodies/large-body.ts'
import { conversationOf } from './route/situation.ts'
import { type OutputBound, boundOf, demandOf } from './limits/sizing.ts'
import { used } from './used.ts'
import { noteWarm } from './route/warm-prompts.ts'

/** What an attempt is for. */
export interface AttemptPlan {
  readonly target: Target
  readonly route: Route
  /** 1, 2, … over all targets of the request. */
  readonly number: number
  readonly permit: CallPermit
  readonly neutral: NeutralRequest | null
  /** What to ask in place of that: to go on with a reply that broke off. */
  readonly goesOn?: (target: Target) => NeutralRequest
  /** What the target was chosen by, and the candidates before it that were passed over, each with the reason. */
  readonly choice: Plan
  readonly passed: readonly string[]
  readonly promptTokens: number
  readonly cache: CacheState
  /** The reply can be held to an output bound of ours, and be ended early: the protocol has words for both. */
  readonly isBoundable?: true
}

/** An attempt under way: admitted, with its money reserved. */
export interface Attempt<P extends Speaker = Protocol> extends OutputBound {
  readonly exchange: ReadExchange<P>
  readonly plan: AttemptPlan
  readonly dialect: Dialect
  readonly isNative: boolean
  /** When it was admitted: what was tried before is not this target's time. */
  readonly admittedAtMs: number
  readonly demand: Demand
  /** The attempt's usage event: as it stands at admission until `settle` completes it. */
  readonly event: EventDraft
  readonly reservation: Reservation
}

/** How an attempt ended, for the ledger. */
export interface AttemptEnd {
  readonly ending: Ending
  readonly failure: UpstreamFailure | null
  /** As reported; null when the provider reported none. */
  readonly usage: Usage | null
  /** The reply wasn't whole when `usage` was reported: its output is at least what was seen. Missing: unless it finished. */
  readonly isPartial?: boolean
  /** Why we ended it. */
  readonly cut?: CutReason | null
  /** Characters of output that were seen. */
  readonly visibleChars: number
  /** HTTP status towards the client, or the provider's for an attempt that was given up. */
  readonly status: number
  readonly isFinal: boolean
  readonly ttftMs: number | null
  /** Whether anything is owed to the provider at all: it answered, or may have begun to. */
  readonly isBilled: boolean
  /** What of a call that it shared with others is its own; missing: all of it. */
  readonly share?: BatchShare
}

/** An attempt that came to nothing and is not settled yet: whether it was the last is decided by `pursue`. */
export interface FailedAttempt<P extends Speaker = Protocol> {
  readonly attempt: Attempt<P>
  readonly failure: UpstreamFailure
  readonly usage: Usage | null
  readonly visibleChars: number
  readonly isBilled: boolean
  /** Nobody else can be asked: the client's body was read as it was sent on. */
  readonly isLast?: true
  /** The breaker hears of this failure from another request, which shared the call. */
  readonly isTold?: true
}

/** An attempt whose client left before the provider was called: nothing is owed for it. */
export function unasked<P extends Speaker>(attempt: Attempt<P>): FailedAttempt<P> {
  const failure: UpstreamFailure = { ...BROKEN_OFF, message: 'The client left before the provider was called.' }
  return { attempt, failure, usage: null, visibleChars: 0, isBilled: false }
}

/** Admits an attempt, or tells why the caller's limits don't. */
export function admit<P extends Speaker>(
  exchange: ReadExchange<P>,
  plan: AttemptPlan,
): Attempt<P> | Refusal | Promise<Attempt<P> | Refusal> {
  const { target } = plan
  const { services, caller, facts, later } = exchange
  const dialect = dialects.get(target.dialect)
  const need = demandOf(exchange, plan, target)
  const event = eventTemplate(exchange, plan.route.id, plan.cache, plan.number)
  event.targetId = target.id
  event.provider = target.provider
  event.model = target.model
  event.costCenter = exchange.options.costCenter ?? caller.costCenter ?? target.costCenter
  event.priceVersion = target.priceVersion
  event.isUnpriced = target.price === null
  event.credential = target.credentials === undefined ? null : target.credential
  event.plan = storyOf(plan.choice, plan.passed)
  event.usage = { ...NO_USAGE, input: need.promptTokens }
  event.afterMs = services.nowMs() - exchange.startedAtMs
  const path = { tenantId: caller.tenantId, teamId: caller.teamId, keyId: caller.keyId, model: facts.model }
  const beside = besideOf(exchange, target)
  const admitted = admitAtLimit({
    services,
    client: exchange.client,
    caller,
    path,
    amounts: need.amounts,
    isAlone: beside === null,
    ask: () => services.limiter.admit(path, need.amounts, event, later, need.leastNanoUsd ?? undefined, beside),
  })
  const begun = (answer: Reservation | Refusal): Attempt<P> | Refusal => {
    if (!isAdmitted(answer)) return answer
    if (plan.route.rules !== undefined) noteBudget(services, path, answer.standings?.() ?? null)
    return attemptOf(exchange, plan, dialect, need, event, answer)
  }
  return admitted instanceof Promise ? admitted.then(begun) : begun(admitted)
}

function attemptOf<P extends Speaker>(
  exchange: ReadExchange<P>,
  plan: AttemptPlan,
  dialect: Dialect,
  demand: Demand,
  event: EventDraft,
  reservation: Reservation,
): Attempt<P> {
  const { maxOutputTokens, isClamped } = boundOf(demand, exchange.facts.choices, reservation)
  return {
    exchange,
    plan,
    dialect,
    isNative: plan.goesOn === undefined && dialect.nativeWire(plan.target) === exchange.protocol.wire,
    admittedAtMs: exchange.services.nowMs(),
    demand,
    maxOutputTokens,
    isClamped,
    event,
    reservation,
  }
}

/** The provider's request for this attempt. */
export function callOf(attempt: Attempt): OutgoingCall {
  const { exchange } = attempt
  const call = writtenCall(attempt)
  // A translated request was written without what is dropped.
  const dropped = attempt.isNative ? leftOut(attempt) : NONE
  if (settingsOf(exchange)['tidegate'] === undefined && dropped.length === 0) return call
  return withProviderOptions(call, exchange.body(), attempt.plan.target.provider, dropped)
}

const NONE: readonly string[] = []

/** Members of the client's body that its target is not to see: what the route allows to be dropped, what was for us. */
function leftOut(attempt: Attempt): readonly string[] {
  const dropped = droppedFields(attempt)
  const followed = followedMembers(attempt.exchange, attempt.plan.target)
  return followed.length === 0 ? dropped : [...dropped, ...followed]
}

function writtenCall(attempt: Attempt): OutgoingCall {
  const { exchange, plan, dialect } = attempt
  const { facts } = exchange
  const edits = {
    model: plan.target.model === facts.model ? null : plan.target.model,
    forceUsage: facts.isStreamed,
    // Where the client names two bounds, the higher one is lowered to the lower, or both to what is paid for.
    maxOutputTokens: attempt.maxOutputTokens,
    headers: exchange.passed,
  }
  const neutral = plan.goesOn?.(plan.target) ?? plan.neutral
  if (!attempt.isNative && neutral !== null) return dialect.write(neutral, plan.target, edits)
  return editedShort(attempt, edits) ?? edited(attempt, edits)
}

/** What the client sent, with the gateway's edits; as it came where there are none. */
function edited(attempt: Attempt, edits: NativeEdits): OutgoingCall {
  const { exchange, dialect, plan } = attempt
  const call = dialect.edit(exchange.text, exchange.body(), edits, plan.target)
  return exchange.bytes !== null && call.body === exchange.text ? { ...call, body: exchange.bytes } : call
}

/** The same by way of the short body; null where there is none, or what was edited can't be made whole again. */
function editedShort(attempt: Attempt, edits: NativeEdits): OutgoingCall | null {
  const { exchange, dialect, plan } = attempt
  const { short } = exchange
  if (short === null) return null
  const call = dialect.edit(short.text, short.body, edits, plan.target)
  const body = call.body === short.text ? (exchange.bytes ?? exchange.text) : lengthen(call.body, short)
  return body === null ? null : { ...call, body }
}

/** Ends an attempt that answered: tells the breaker how it went and the ledger what it cost. Call exactly once. Returns
 *  the cost in nano-USD. */
export function settle(attempt: Attempt<Speaker>, end: AttemptEnd): number {
  const { failure } = end
  const { exchange, plan } = attempt
  const isHasty = failure?.class === 'timeout' && (exchange.options.idleMs ?? Infinity) < plan.target.timeouts.idleMs
  if (isHasty) plan.permit.withdraw(exchange.later)
  else plan.permit.done(failure?.class ?? null, failure?.retryAfterMs ?? null, exchange.later)
  if (failure === null) noteSpeed(attempt, end)
  noteEnd(attempt)
  return charge(attempt, end)
}

/** Tells the breaker of an attempt that came to nothing. Nothing is said of the target where the client left, or where it was
 *  the request that couldn't wait as long as the target may take. */
export function tellBreaker({ attempt, failure, isTold }: FailedAttempt<Speaker>): void {
  const { exchange, plan } = attempt
  if (isTold === true || exchange.client.hasLeft || isImpatience(attempt, failure)) plan.permit.withdraw(exchange.later)
  else plan.permit.done(failure.class, failure.retryAfterMs, exchange.later)
}

function isImpatience({ exchange, plan, admittedAtMs }: Attempt<Speaker>, failure: UpstreamFailure): boolean {
  const { firstContentMs } = plan.target.timeouts
  const nowMs = exchange.services.nowMs()
  if (failure.class !== 'timeout' || nowMs - admittedAtMs >= firstContentMs) return false
  return nowMs >= deadlineOf(exchange, plan.route) || (exchange.options.attemptTimeoutMs ?? Infinity) < firstContentMs
}

/** A whole reply counts as one token that took its time: there is no telling when it began. */
function noteSpeed({ exchange, plan, admittedAtMs }: Attempt<Speaker>, { ttftMs, usage }: AttemptEnd): void {
  const { services, startedAtMs, later } = exchange
  const latencyMs = services.nowMs() - admittedAtMs
  const firstMs = ttftMs === null ? latencyMs : Math.max(0, startedAtMs + ttftMs - admittedAtMs)
  const outputTokens = usage === null ? 0 : completionTokens(usage)
  const isStreamed = ttftMs !== null
  const measured = { isStreamed, ttftMs: firstMs, outputTokens, writingMs: latencyMs - firstMs }
  services.speeds.note(plan.target, measured, later)
}

/** Replaces the reservation by what was used and hands the event to the ledger. */
function charge(attempt: Attempt<Speaker>, end: AttemptEnd): number {
  const { exchange, plan, reservation, event } = attempt
  const counted = end.isBilled || end.usage !== null ? used(attempt, end) : NO_USAGE
  const usage = end.isBilled ? withOwnUnits(attempt, counted, end.share) : counted
  const cost = end.share?.costNanoUsd ?? (plan.target.price === null ? 0 : costNanoUsd(usage, plan.target.price))
  const actual: Amounts = end.isBilled ? weightOf(usage, cost) : NOTHING
  event.status = end.status
  event.ending = end.ending
  event.failure = end.cut ?? end.failure?.class ?? null
  event.isFinal = end.isFinal
  event.usage = usage
  event.isEstimated = end.isBilled && (end.usage === null || counted !== end.usage)
  event.costNanoUsd = cost
  exchange.spent.nanoUsd += cost
  noteWarm(exchange.services, plan.target, plan.choice, usage, () => conversationOf(exchange))
  event.afterMs = attempt.admittedAtMs - exchange.startedAtMs
  event.ttftMs = end.ttftMs
  reservation.settle(actual, event, exchange.later)
  return cost
}

/** What the provider doesn't count: what was ordered by the piece; and where they have a price the call itself, and how long
 *  the model was at work on it. */
function withOwnUnits(
  { exchange, plan, admittedAtMs, event }: Attempt<Speaker>,
  usage: Usage,
  share: BatchShare | undefined,
): Usage {
  if (share !== undefined) return withUnits(usage, share.units)
  const { units } = exchange.facts
  const prices = plan.target.price?.units
  if (units === undefined && prices === undefined) return usage
  const busyMilliseconds = Math.max(0, exchange.startedAtMs + event.latencyMs - admittedAtMs)
  return withUnits(usage, {
    ...units,
    ...(prices?.requests === undefined ? {} : { requests: 1 }),
    ...(prices?.busyMilliseconds === undefined ? {} : { busyMilliseconds }),
  })
}

/** Nobody got this status: it is how servers commonly note that the client closed the request. */
const CLIENT_LEFT_STATUS = 499

/** Notes that an attempt is over: one that came to nothing is settled only when it is known whether another one follows. */
export function noteEnd({ exchange, event }: Attempt<Speaker>): void {
  event.latencyMs = exchange.services.nowMs() - exchange.startedAtMs
}

/** Charges an attempt that came to nothing: the last one with the status that its client gets, null for any before. The
 *  breaker has heard of it already. A client that left is no fault of the target. */
export function settleFailed(failed: FailedAttempt<Speaker>, clientStatus: number | null): void {
  const { attempt, failure, usage, visibleChars, isBilled } = failed
  const { hasLeft } = attempt.exchange.client
  charge(attempt, {
    ending: hasLeft ? 'client-left' : failure.class === 'timeout' ? 'timed-out' : 'failed',
    failure: hasLeft ? null : failure,
    usage,
    visibleChars,
    status: hasLeft ? CLIENT_LEFT_STATUS : (clientStatus ?? failure.status),
    isFinal: clientStatus !== null,
    ttftMs: null,
    isBilled,
  })
}

/** Charges an attempt that another one overtook: it was stopped, and what it had used by then is owed. */
export function settleOvertaken(attempt: Attempt<Speaker>, usage: Usage | null, isBilled: boolean): void {
  noteEnd(attempt)
  charge(attempt, {
    ending: 'overtaken',
    failure: null,
    usage,
    isPartial: usage === null,
    visibleChars: 0,
    status: CLIENT_LEFT_STATUS,
    isFinal: false,
    ttftMs: null,
    isBilled,
  })
}
