// Relays a provider's reply to the client untouched: one call, up to its first bytes, then to its end. For whatever has no
// codec between the two sides.
import type { UpstreamFailure } from '../../core/failure.ts'
import { type Result, err, ok } from '../../core/result.ts'
import type { OutgoingCall } from '../../ports.ts'
import type { Speaker } from '../../protocols/protocol.ts'
import { type Attempt, type FailedAttempt, settle } from '../attempt.ts'
import { type OpenCall, callWith, limitedText, noAnswer, openCall } from '../call-upstream.ts'
import { ClientStream } from '../answer/client-stream.ts'
import type { ReadExchange } from '../exchange.ts'
import type { Answered } from '../pursue.ts'
import { BROKEN_OFF, type Lane } from '../answer/lane.ts'
import { streamLimits } from '../answer/stream-limits.ts'
import { toldRefusal } from '../told-refusal.ts'
import { type RelayEnd, UpstreamStream } from '../answer/upstream-stream.ts'

/** A reply that has begun. */
export interface OpenRelay {
  readonly stream: UpstreamStream | null
  readonly call: OpenCall
  readonly response: Response
  readonly ttftMs: number
  /** The provider's own refusal, to be passed on; null for a reply. */
  readonly refusal: { readonly failure: UpstreamFailure; readonly text: string } | null
}

/** How a call is made and what is understood of its reply. */
export interface RelayPlan {
  readonly outgoing: () => OutgoingCall
  readonly laneOf: (headers: Headers) => Lane
  /** Whether the call can be made only once. */
  readonly isOnce: boolean
  /** Whether the client is told what the provider says of its mistakes in the provider's own words. */
  readonly keepsRefusals?: boolean
}

/** Makes one call, up to the first bytes of its reply. */
export async function tryRelay<P extends Speaker>(
  attempt: Attempt<P>,
  { outgoing, laneOf, isOnce, keepsRefusals = false }: RelayPlan,
): Promise<Result<OpenRelay, FailedAttempt<P>>> {
  const call = openCall(attempt)
  const failed = (failure: UpstreamFailure, visibleChars: number): Result<never, FailedAttempt<P>> => {
    call.onEnd()
    const isBilled = call.abort.signal.aborted
    return err({ attempt, failure, usage: null, visibleChars, isBilled, ...(isOnce ? { isLast: true } : {}) })
  }
  const { services, startedAtMs } = attempt.exchange
  const result = keepsRefusals
    ? await callForAnything(attempt, call, outgoing)
    : await callForReply(attempt, call, outgoing)
  if (!result.ok) return failed(result.error, 0)
  const { response, refusal } = result.value
  const begun = { call, response, refusal, ttftMs: services.nowMs() - startedAtMs }
  if (refusal !== null || response.body === null || !response.ok) return ok({ ...begun, stream: null })
  const lane = laneOf(response.headers)
  const stream = openStream(attempt, lane, response.body, call)
  const failure = await stream.untilContent()
  if (failure !== null) return failed(failure, lane.visibleChars)
  call.onContent()
  return ok({ ...begun, stream, ttftMs: services.nowMs() - startedAtMs })
}

type Called = Result<Pick<OpenRelay, 'response' | 'refusal'>, UpstreamFailure>

async function callForReply(attempt: Attempt<Speaker>, call: OpenCall, outgoing: () => OutgoingCall): Promise<Called> {
  const result = await callWith(attempt, call, outgoing)
  return result.ok ? ok({ response: result.value, refusal: null }) : result
}

/** Calls for whatever the provider says, its refusals included: but for what it says of our credential. */
async function callForAnything(
  { exchange, plan, dialect }: Attempt<Speaker>,
  { abort }: OpenCall,
  outgoing: () => OutgoingCall,
): Promise<Called> {
  const { services } = exchange
  try {
    const response = await services.upstream.call(plan.target, outgoing(), dialect.name, abort.signal)
    const { status } = response
    if (isBodiless(status)) {
      await response.body?.cancel().catch(() => {})
      return ok({ response: new Response(null, response), refusal: null })
    }
    if (response.ok) return ok({ response, refusal: null })
    const text = (await limitedText(response, REFUSAL_BYTES_MAX)) ?? ''
    if (status < 200) return err(NO_ANSWER)
    if (status < 400) return ok({ response, refusal: null })
    const failure = clientsOwn(dialect.fail(status, response.headers, text, services.nowMs()))
    return failure.class === 'credential'
      ? err(failure)
      : ok({ response, refusal: { failure, text: toldRefusal(text) } })
  } catch (error) {
    return err(noAnswer(abort.signal, error))
  }
}

/** A status that only the connection could make something of. */
const NO_ANSWER: UpstreamFailure = { ...BROKEN_OFF, message: 'The provider answered with no answer.' }

/** No content, start over, not modified: a response of these has no body, by the letter. */
function isBodiless(status: number): boolean {
  return status === 204 || status === 205 || status === 304
}

/** A conflict with what is kept at the provider: for a model it would be a fault of the provider's. */
function clientsOwn(failure: UpstreamFailure): UpstreamFailure {
  return failure.status === 409 && failure.class === 'server' ? { ...failure, class: 'client' } : failure
}

function openStream(
  attempt: Attempt<Speaker>,
  lane: Lane,
  body: ReadableStream<Uint8Array>,
  call: OpenCall,
): UpstreamStream {
  const { exchange, plan, reservation } = attempt
  const { timeouts } = plan.target
  return new UpstreamStream(body, lane, call.abort, {
    timeouts: { ...timeouts, idleMs: Math.min(timeouts.idleMs, exchange.options.idleMs ?? Infinity) },
    deadlineMs: exchange.startedAtMs + timeouts.totalMs,
    nowMs: exchange.services.nowMs,
    onTick: () => reservation.keepAlive(exchange.later),
    tickMs: reservation.keepAliveMs,
    ...streamLimits(attempt, lane),
  })
}

/** Nothing of ours may come between the bytes. */
class SilentClientStream extends ClientStream {
  override ping(): void {
    // Only a stream of events has room for a comment, and only between two of them.
  }
}

/** The response to the client; the relay goes on behind it. `headers` are ours; the reply's status and type are kept, and
 *  the headers in `kept`. */
export function relayed<P extends Speaker>(
  exchange: ReadExchange<P>,
  answered: Answered<OpenRelay, P>,
  headers: Record<string, string>,
  kept: readonly string[] = [],
): Response {
  const { stream, response, refusal } = answered.answer
  for (const name of [...KEPT_HEADERS, ...kept]) {
    const value = response.headers.get(name)
    if (value !== null) headers[name] = value
  }
  const { status } = response
  if (stream === null) {
    finish(answered, { ending: refusal === null ? 'finished' : 'failed', failure: refusal?.failure ?? null })
    return new Response(refusal?.text ?? null, { status, headers })
  }
  const { services } = exchange
  const client = new SilentClientStream(services.byteChannel(), services.nowMs)
  exchange.later(relay(exchange, answered, stream, client))
  return new Response(client.readable, { status, headers })
}

/** What a client has to know of the reply itself. What tells of our account with the provider stays here. */
const KEPT_HEADERS = ['content-type', 'content-disposition']
/** Of a refusal. */
const REFUSAL_BYTES_MAX = 1_048_576

async function relay<P extends Speaker>(
  exchange: ReadExchange<P>,
  answered: Answered<OpenRelay, P>,
  stream: UpstreamStream,
  client: ClientStream,
): Promise<void> {
  const end = await stream.relay(client)
  finish(answered, end)
  if (end.failure === null) return
  const isEvents = /^text\/event-stream\b/i.test(answered.answer.response.headers.get('content-type') ?? '')
  if (!isEvents) return client.abort('provider-cut')
  const { provider } = answered.attempt.plan.target
  const failure = { kind: 'upstream-failed', provider, upstream: end.failure } as const
  // A line break or two: what came last may be half an event.
  await client.close(`\n\n${exchange.protocol.failInStream(failure, exchange.requestId)}`).catch(() => {})
}

function finish<P extends Speaker>(
  { answer, attempt }: Answered<OpenRelay, P>,
  { ending, failure, cut }: RelayEnd,
): void {
  answer.call.onEnd()
  const lane = answer.stream?.lane
  settle(attempt, {
    ending,
    failure,
    cut: cut ?? null,
    usage: lane?.usage ?? null,
    visibleChars: lane?.visibleChars ?? 0,
    status: answer.response.status,
    isFinal: true,
    ttftMs: answer.ttftMs,
    isBilled: answer.response.ok,
  })
}
