// One attempt at a streamed reply, up to its first content: called, opened, read until there is something to show.
import type { UpstreamFailure } from '../../core/failure.ts'
import { err, ok, type Result } from '../../core/result.ts'
import type { StreamPlace, Told } from '../../core/reply/told.ts'
import type { Protocol, ReplyContext, StreamWriter } from '../../protocols/protocol.ts'
import { arrayOf } from '../../wire/read.ts'
import type { Attempt, FailedAttempt } from '../attempt.ts'
import { type OpenCall, callUpstream, openCall } from '../call-upstream.ts'
import { droppedFields } from '../dropped.ts'
import { type ReadExchange, replyContext, settingsOf } from '../exchange.ts'
import { framerFor } from '../framing/index.ts'
import { type Lane, BROKEN_OFF, nativeLane, translatedLane } from './lane.ts'
import type { Recall } from '../recall.ts'
import { splittingWriter } from './smooth.ts'
import { isMetered, streamLimits } from './stream-limits.ts'
import { UpstreamStream } from './upstream-stream.ts'

export interface OpenAnswer {
  readonly stream: UpstreamStream
  readonly call: OpenCall
  readonly ttftMs: number
}

/** What becomes of an attempt's stream. */
export type LaneFor = (attempt: Attempt, contentType: string | null) => Lane

/** One attempt, up to its first content. */
export async function tryStream(attempt: Attempt, laneFor: LaneFor): Promise<Result<OpenAnswer, FailedAttempt>> {
  const call = openCall(attempt)
  const response = await callUpstream(attempt, call)
  if (!response.ok) return failed(attempt, call, response.error, null)
  if (response.value.body === null) return failed(attempt, call, BROKEN_OFF, null)
  const lane = laneFor(attempt, response.value.headers.get('content-type'))
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

/** The lane of an attempt that makes the reply from its beginning. */
export function laneOf(recall: Recall): LaneFor {
  return (attempt, contentType) => {
    const { exchange, dialect, plan } = attempt
    const { protocol, facts } = exchange
    const collects = recall.key !== null
    const isCuttable = isMetered(attempt)
    const isResumable = facts.choices === 1 && mayResume(attempt)
    const context = replyContext(exchange, attempt.event.model ?? plan.target.model)
    if (!attempt.isNative) {
      const framer = framerFor(dialect, plan.target, contentType)
      const writer = writerOf(exchange, context)
      const from = isResumable ? dialect.wire : null
      const choices = choicesAsked(attempt)
      return translatedLane(framer, dialect.reader(plan.target), writer, { collects, isCuttable, from, choices })
    }
    const ending = (): string => protocol.lastWord ?? protocol.writer(context).end()
    const options = { hidesUsage: !facts.wantsUsage, collects, ending, isCuttable, choices: choicesAsked(attempt) }
    if (!isResumable) return nativeLane(dialect, plan.target, options)
    const writerAt = (told: Told, place: StreamPlace | null): StreamWriter | null =>
      writerBehind(protocol, context, told, place)
    return nativeLane(dialect, plan.target, { ...options, writerAt })
  }
}

/** How many alternative replies the target was asked for. */
function choicesAsked(attempt: Attempt): number {
  const { choices } = attempt.exchange.facts
  return choices > 1 && droppedFields(attempt).includes('n') ? 1 : choices
}

/** Whether the reply is to be gone on with should it break off. Calls of tools are held back for that until they are whole:
 *  where nobody but the same target could go on, they rather stream as they come. */
function mayResume({ exchange, plan: { route } }: Attempt): boolean {
  if (route.midStreamFailover === false || exchange.options.isFailoverOff()) return false
  return route.targets.length > 1 || arrayOf(settingsOf(exchange)['tools']).length === 0
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

function writerOf({ options, protocol }: ReadExchange, context: ReplyContext): StreamWriter {
  const writer = protocol.writer(context)
  return options.smoothLagMs() === null ? writer : splittingWriter(writer)
}

/** A writer of the client's protocol behind what was relayed as it came: under the provider's own name for the reply. */
function writerBehind(
  protocol: Protocol,
  own: ReplyContext,
  told: Told,
  place: StreamPlace | null,
): StreamWriter | null {
  const { id, model, createdSeconds, parts } = told
  const context: ReplyContext = {
    id: id === '' ? own.id : id,
    model: model === '' ? own.model : model,
    createdSeconds: createdSeconds ?? own.createdSeconds,
    wantsUsage: own.wantsUsage,
    get request() {
      return own.request
    },
  }
  if (protocol.writerAt !== undefined) return place === null ? null : protocol.writerAt(context, told, place)
  const writer = protocol.writer(context)
  // It is told what went out already, for it to know; that needn't go out again.
  if (told.hasBegun) writer.push({ type: 'reply-start', id, model, createdSeconds })
  for (const { part, start, isOpen } of parts) {
    writer.push({ type: 'part-start', choice: 0, part, start })
    if (!isOpen) writer.push({ type: 'part-end', choice: 0, part })
  }
  return writer
}
