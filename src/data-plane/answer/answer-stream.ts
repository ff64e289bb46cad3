// Answers a request that wants its reply as it is made. The status is held until the first content, so that a provider's
// failure before that costs the client nothing; a client that waits long gets a 200 and heartbeats meanwhile, and from
// then on failures travel in the stream.
import type { Failure, UpstreamFailure } from '../../core/failure.ts'
import { late } from '../../core/late.ts'
import type { Result } from '../../core/result.ts'
import { mayFallBack } from '../../core/health/retry.ts'
import { type Attempt, settle } from '../attempt.ts'
import { type ClientSink, ClientStream } from './client-stream.ts'
import type { Broken, ContinuationPlan, Story } from './continue.ts'
import { type ReadExchange, logged } from '../exchange.ts'
import { answerHeaders } from '../headers.ts'
import { type OpenAnswer, laneOf, tryStream } from './open-answer.ts'
import { type Answered, pursue } from '../pursue.ts'
import { type Recall, collected, keep } from '../recall.ts'
import { refuse } from '../refuse.ts'
import type { RoutedRequest } from '../route/route.ts'
import { SmoothStream } from './smooth.ts'
import { PING_AFTER_MS, type RelayEnd } from './upstream-stream.ts'

/** A client that has waited so long for its status gets one. */
const COMMIT_AFTER_MS = 10_000

type Outcome = Result<Answered<OpenAnswer>, Failure>

/** Serves a streamed reply. Never rejects. */
export async function answerStream(
  exchange: ReadExchange,
  routed: RoutedRequest,
  promptTokens: number,
  recall: Recall,
): Promise<Response> {
  const purpose = { promptTokens, cache: recall.state, isBoundable: true } as const
  const outcome = pursue(exchange, routed, purpose, (attempt) => tryStream(attempt, laneOf(recall)))
  const first = await orLate(outcome)
  if (first === 'late') return commitEarly(exchange, routed, recall, outcome)
  if (!first.ok) return refuse(exchange, first.error, answerHeaders(exchange, routed.plan, null, recall.state))
  const client = clientStream(exchange)
  exchange.later(relay(exchange, routed, recall, first.value, sinkOf(exchange, client)))
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
    if (result.ok) return relay(exchange, routed, recall, result.value, sinkOf(exchange, client))
    await client.close(exchange.protocol.failInStream(result.error, exchange.requestId)).catch(() => {})
  }
  exchange.later(finish())
  return respond(client, answerHeaders(exchange, routed.plan, null, recall.state))
}

/** Relays to the end, whoever makes it, or tells a failure in the stream; settles. Never rejects. */
async function relay(
  exchange: ReadExchange,
  routed: RoutedRequest,
  recall: Recall,
  first: Answered<OpenAnswer>,
  client: ClientSink,
): Promise<void> {
  let { answer, attempt } = first
  let story: Story | null = null
  for (;;) {
    const end = await answer.stream.relay(client)
    answer.call.onEnd()
    const broken: Broken = { exchange, routed, attempt, lane: answer.stream.lane, end, story }
    const plan = mayGoOn(broken) ? await planned(broken) : null
    const costNanoUsd = settleRelay(attempt, answer, end, plan === null)
    if (plan === null) {
      if (end.failure !== null) await tell(exchange, failureAt(attempt, end.failure), answer, client)
      const reply = end.ending === 'finished' ? collected(answer.stream.lane.events) : null
      if (reply !== null) keep(exchange, recall, attempt, reply, costNanoUsd)
      return
    }
    const next = await whilePinged(client, plan.follow())
    if (!next.ok) return client.isGone ? client.abort('client-left') : tell(exchange, next.error, answer, client)
    story = plan.story
    ;({ answer, attempt } = next.value)
  }
}

const continuing = late(() => import('./continue.ts'))

/** How to go on; null where nobody can, or that can't be found out: the attempt has to be settled all the same. */
async function planned(broken: Broken): Promise<ContinuationPlan | null> {
  try {
    return (continuing.now() ?? (await continuing.load())).planContinuation(broken)
  } catch (error) {
    const { exchange } = broken
    exchange.services.log.warn('continuation-failed', { message: String(error), ...logged(exchange) })
    return null
  }
}

/** Whether it is worth looking into how a stream that broke off could be gone on with. */
function mayGoOn({ end, lane, exchange }: Broken): boolean {
  if (end.failure === null || end.cut !== undefined || exchange.client.hasLeft) return false
  return mayFallBack(end.failure.class) && lane.resumption !== undefined
}

async function whilePinged<T>(client: ClientSink, work: Promise<T>): Promise<T> {
  const heartbeat = setInterval(() => client.ping(), PING_AFTER_MS)
  try {
    return await work
  } finally {
    clearInterval(heartbeat)
  }
}

function settleRelay(attempt: Attempt, answer: OpenAnswer, end: RelayEnd, isFinal: boolean): number {
  const { lane } = answer.stream
  return settle(attempt, {
    ending: end.ending,
    failure: end.failure,
    cut: end.cut ?? null,
    usage: lane.usage,
    isPartial: !lane.isComplete,
    visibleChars: lane.visibleChars,
    status: 200,
    isFinal,
    ttftMs: answer.ttftMs,
    isBilled: true,
  })
}

function failureAt(attempt: Attempt, upstream: UpstreamFailure): Failure {
  return { kind: 'upstream-failed', provider: attempt.plan.target.provider, upstream }
}

async function tell(exchange: ReadExchange, failure: Failure, answer: OpenAnswer, client: ClientSink): Promise<void> {
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

function respond(client: ClientStream, headers: Record<string, string>): Response {
  headers['content-type'] = 'text/event-stream; charset=utf-8'
  headers['cache-control'] = 'no-cache, no-transform'
  return new Response(client.readable, { headers })
}
