// Answers a request that wants its reply as it is made. The status is held until the first content, so that a provider's
// failure before that costs the client nothing; a client that waits long gets a 200 and heartbeats meanwhile, and from
// then on failures travel in the stream.
import type { Failure, UpstreamFailure } from '../core/failure.ts'
import { err, ok, type Result } from '../core/result.ts'
import type { ReplyContext, StreamWriter } from '../protocols/protocol.ts'
import { type Attempt, type FailedAttempt, settle } from './attempt.ts'
import { type OpenCall, callUpstream, openCall } from './call-upstream.ts'
import { type ClientSink, ClientStream } from './client-stream.ts'
import { type ReadExchange, replyContext } from './exchange.ts'
import { framerFor } from './framing/index.ts'
import { answerHeaders } from './headers.ts'
import { type Lane, BROKEN_OFF, nativeLane, translatedLane } from './lane.ts'
import { type Answered, pursue } from './pursue.ts'
import { type Recall, collected, keep } from './recall.ts'
import { refuse } from './refuse.ts'
import type { RoutedRequest } from './route.ts'
import { SmoothStream, splittingWriter } from './smooth.ts'
import { isMetered, streamLimits } from './stream-limits.ts'
import { PING_AFTER_MS, type RelayEnd, UpstreamStream } from './upstream-stream.ts'

/** A client that has waited so long for its status gets one. */
const COMMIT_AFTER_MS = 10_000

interface OpenAnswer {
  readonly stream: UpstreamStream
  readonly call: OpenCall
  readonly ttftMs: number
}

type Outcome = Result<Answered<OpenAnswer>, Failure>

/** Serves a streamed reply. Never rejects. */
export async function answerStream(
  exchange: ReadExchange,
  routed: RoutedRequest,
  promptTokens: number,
  recall: Recall,
): Promise<Response> {
  const purpose = { promptTokens, cache: recall.state, isBoundable: true } as const
  const outcome = pursue(exchange, routed, purpose, (attempt) => tryStream(attempt, recall))
  const first = await orLate(outcome)
  if (first === 'late') return commitEarly(exchange, routed, recall, outcome)
  if (!first.ok) return refuse(exchange, first.error, answerHeaders(exchange, routed.plan, null, recall.state))
  const client = clientStream(exchange)
  exchange.later(relay(exchange, recall, first.value, sinkOf(exchange, client)))
  return respond(client, answerHeaders(exchange, routed.plan, first.value.attempt, recall.state))
}

function commitEarly(
  exchange: ReadExchange,
  routed: RoutedRequest,
  recall: Recall,
  outcome: Promise<Outcome>,
): Response {
  const client = clientStream(exchange)
  client.ping()
  const heartbeat = setInterval(() => client.ping(), PING_AFTER_MS)
  const finish = async (): Promise<void> => {
    const result = await outcome
    clearInterval(heartbeat)
    if (result.ok) return relay(exchange, recall, result.value, sinkOf(exchange, client))
    await client.close(exchange.protocol.failInStream(result.error, exchange.requestId)).catch(() => {})
  }
  exchange.later(finish())
  return respond(client, answerHeaders(exchange, routed.plan, null, recall.state))
}

/** One attempt, up to its first content. */
async function tryStream(attempt: Attempt, recall: Recall): Promise<Result<OpenAnswer, FailedAttempt>> {
  const call = openCall(attempt)
  const response = await callUpstream(attempt, call)
  if (!response.ok) return failed(attempt, call, response.error, null)
  if (response.value.body === null) return failed(attempt, call, BROKEN_OFF, null)
  const lane = laneOf(attempt, recall, response.value.headers.get('content-type'))
  const stream = openStream(attempt, lane, response.value.body, call)
  const failure = await stream.untilContent()
  if (failure !== null) return failed(attempt, call, failure, stream.lane)
  call.onContent()
  const { services, startedAtMs } = attempt.exchange
  return ok({ stream, call, ttftMs: services.nowMs() - startedAtMs })
}

function openStream(attempt: Attempt, lane: Lane, body: ReadableStream<Uint8Array>, call: OpenCall): UpstreamStream {
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

function laneOf(attempt: Attempt, recall: Recall, contentType: string | null): Lane {
  const { exchange, dialect, plan } = attempt
  const { protocol, facts } = exchange
  const collects = recall.key !== null
  const isCuttable = isMetered(attempt)
  const context = replyContext(exchange, attempt.event.model ?? plan.target.model)
  if (!attempt.isNative) {
    const framer = framerFor(dialect, plan.target, contentType)
    return translatedLane(framer, dialect.reader(plan.target), writerOf(exchange, context), collects, isCuttable)
  }
  const ending = (): string => protocol.writer(context).end()
  return nativeLane(dialect, plan.target, { hidesUsage: !facts.wantsUsage, collects, ending, isCuttable })
}

function failed(
  attempt: Attempt,
  call: OpenCall,
  failure: UpstreamFailure,
  lane: Lane | null,
): Result<never, FailedAttempt> {
  call.onEnd()
  // A call that was cut short by us has reached the provider, which may charge for it.
  const isBilled = call.abort.signal.aborted || (lane !== null && lane.usage !== null)
  return err({
    attempt,
    failure,
    usage: lane?.usage ?? null,
    visibleChars: lane?.visibleChars ?? 0,
    isBilled,
  })
}

/** Relays to the end, tells a failure in the stream, settles. Never rejects. */
async function relay(
  exchange: ReadExchange,
  recall: Recall,
  answered: Answered<OpenAnswer>,
  client: ClientSink,
): Promise<void> {
  const { answer, attempt } = answered
  const end = await answer.stream.relay(client)
  answer.call.onEnd()
  const costNanoUsd = settleRelay(attempt, answer, end)
  if (end.failure !== null) await tell(exchange, answered, end.failure, client)
  const reply = end.ending === 'finished' ? collected(answer.stream.lane.events) : null
  if (reply !== null) keep(exchange, recall, attempt, reply, costNanoUsd)
}

function settleRelay(attempt: Attempt, answer: OpenAnswer, end: RelayEnd): number {
  const { lane } = answer.stream
  return settle(attempt, {
    ending: end.ending,
    failure: end.failure,
    cut: end.cut ?? null,
    usage: lane.usage,
    isPartial: !lane.isComplete,
    visibleChars: lane.visibleChars,
    status: 200,
    isFinal: true,
    ttftMs: answer.ttftMs,
    isBilled: true,
  })
}

async function tell(
  exchange: ReadExchange,
  { attempt, answer }: Answered<OpenAnswer>,
  upstream: UpstreamFailure,
  client: ClientSink,
): Promise<void> {
  const { provider } = attempt.plan.target
  const failure: Failure = { kind: 'upstream-failed', provider, upstream }
  const text = exchange.protocol.failInStream(failure, exchange.requestId, answer.stream.lane.nextNumber)
  await client.close(text).catch(() => {})
}

/** The outcome, or `late` when the client should not wait for it any longer. */
async function orLate(outcome: Promise<Outcome>): Promise<Outcome | 'late'> {
  let stop = (): void => {}
  const late = new Promise<'late'>((resolve) => {
    const timer = setTimeout(() => resolve('late'), COMMIT_AFTER_MS)
    stop = () => clearTimeout(timer)
  })
  const first = await Promise.race([outcome, late])
  stop()
  return first
}

function clientStream(exchange: ReadExchange): ClientStream {
  return new ClientStream(exchange.services.byteChannel(), exchange.services.nowMs)
}

/** What is written to: the client's stream itself, unless the client wants its text evenly. */
function sinkOf({ options, services }: ReadExchange, client: ClientStream): ClientSink {
  const lagMs = options.smoothLagMs()
  return lagMs === null ? client : new SmoothStream(client, lagMs, services.nowMs)
}

function writerOf({ options, protocol }: ReadExchange, context: ReplyContext): StreamWriter {
  const writer = protocol.writer(context)
  return options.smoothLagMs() === null ? writer : splittingWriter(writer)
}

function respond(client: ClientStream, headers: Record<string, string>): Response {
  headers['content-type'] = 'text/event-stream; charset=utf-8'
  headers['cache-control'] = 'no-cache, no-transform'
  return new Response(client.readable, { headers })
}
