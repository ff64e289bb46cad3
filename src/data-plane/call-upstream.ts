// Makes the call of one attempt and reads what an error says. The provider's response comes back only when it is a 200.
import type { UpstreamFailure } from '../core/failure.ts'
import { err, ok, type Result } from '../core/result.ts'
import type { OutgoingCall } from '../ports.ts'
import type { Speaker } from '../protocols/protocol.ts'
import { type Attempt, callOf } from './attempt.ts'
import { deadlineOf } from './exchange.ts'
import { byOperator } from './answer/stream-limits.ts'
import { ENDED, ENDED_BY_OPERATOR, SILENT } from './answer/upstream-stream.ts'

/** Bytes of an error body that are looked at. */
const ERROR_BYTES_MAX = 65_536

/** A call under way, to be stopped by whoever has reason to. */
export interface OpenCall {
  readonly abort: AbortController
  /** Stops watching for the first content. */
  readonly onContent: () => void
  /** Stops watching the client. */
  readonly onEnd: () => void
}

/** Begins to watch over a call: the client may leave, the first content may not come. */
export function openCall(attempt: Attempt<Speaker>): OpenCall {
  const { exchange } = attempt
  const abort = new AbortController()
  exchange.client.onLeave(() => abort.abort('client-left'))
  const stopWaiting = watchForContent(attempt, (why) => abort.abort(why))
  return {
    abort,
    onContent: stopWaiting,
    onEnd: () => {
      stopWaiting()
      exchange.client.onLeave(null)
    },
  }
}

/** Calls `onOver` unless stopped in time, or if an operator wants the attempt to end; keeps its lease alive meanwhile. One
 *  timer at a time. */
function watchForContent(attempt: Attempt<Speaker>, onOver: (why: 'timed-out' | typeof ENDED) => void): () => void {
  const { exchange, plan, reservation } = attempt
  const { services, later } = exchange
  const nowMs = services.nowMs()
  const patienceMs = Math.min(plan.target.timeouts.firstContentMs, exchange.options.attemptTimeoutMs ?? Infinity)
  const deadlineMs = Math.min(nowMs + patienceMs, deadlineOf(exchange, plan.route))
  const waitMs = Math.max(0, deadlineMs - nowMs)
  const tick = (): void => {
    const leftMs = deadlineMs - services.nowMs()
    if (leftMs <= 0) return onOver('timed-out')
    if (byOperator(attempt) !== null) return onOver(ENDED)
    reservation.keepAlive(later)
    timer = setTimeout(tick, Math.min(leftMs, reservation.keepAliveMs))
  }
  let timer = setTimeout(tick, Math.min(waitMs, reservation.keepAliveMs))
  return () => clearTimeout(timer)
}

/** Calls the provider. Never rejects. */
export function callUpstream(attempt: Attempt, call: OpenCall): Promise<Result<Response, UpstreamFailure>> {
  return callWith(attempt, call, () => callOf(attempt))
}

/** Calls the provider with what `outgoing` makes. Never rejects. */
export async function callWith(
  attempt: Attempt<Speaker>,
  call: OpenCall,
  outgoing: () => OutgoingCall,
): Promise<Result<Response, UpstreamFailure>> {
  const { exchange, plan, dialect } = attempt
  const { services } = exchange
  try {
    const sent = outgoing()
    services.headroom.sent(plan.target, attempt.demand.amounts)
    const answer = services.upstream.call(plan.target, sent, dialect.name, call.abort.signal)
    const response = await withinConnectTime(attempt, call, answer)
    services.headroom.note(plan.target, response.headers)
    if (response.ok) return ok(response)
    const body = await limitedText(response, ERROR_BYTES_MAX)
    return err(dialect.fail(response.status, response.headers, body ?? '', services.nowMs()))
  } catch (error) {
    return err(noAnswer(call.abort.signal, error))
  }
}

/** The provider's answer, whose status has to come in time where that is wanted. */
function withinConnectTime(
  { exchange, plan }: Attempt<Speaker>,
  { abort }: OpenCall,
  answer: Promise<Response>,
): Promise<Response> {
  const { connectMs } = plan.target.timeouts
  if (connectMs === undefined || !exchange.facts.isStreamed) return answer
  const timer = setTimeout(() => abort.abort('timed-out'), connectMs)
  return answer.finally(() => clearTimeout(timer))
}

/** What it means that a call was rejected. */
export function noAnswer(signal: AbortSignal, error: unknown): UpstreamFailure {
  // Nothing was sent: the target is not to blame.
  if (isTooDeep(error)) return { ...SILENT, class: 'client', status: 400, message: TOO_DEEP }
  if (signal.aborted && signal.reason === 'timed-out') {
    return { ...SILENT, message: 'The provider did not answer in time.' }
  }
  if (signal.aborted && signal.reason === ENDED) return ENDED_BY_OPERATOR
  const name = error instanceof Error ? error.name : ''
  if (error instanceof Error && (name === 'ConfigurationError' || name === 'CredentialError')) {
    return { ...SILENT, class: name === 'CredentialError' ? 'credential' : 'connection', message: error.message }
  }
  return { ...SILENT, class: 'connection', message: NO_CONNECTION }
}

/** Why a request is refused whose values stand so deep in each other that it can't be written. */
export const TOO_DEEP = 'The request is nested too deeply.'

/** True where the stack ran out: of all that the gateway does, only walking a body can do that. */
export function isTooDeep(error: unknown): boolean {
  return error instanceof RangeError && /call stack/i.test(error.message)
}

const NO_CONNECTION = 'The provider could not be reached.'

/** A body as text, or null when it is longer than `bytesMax`. */
export async function limitedText(response: Response, bytesMax: number): Promise<string | null> {
  const stated = response.headers.get('content-length')
  if (stated !== null && Number(stated) <= bytesMax) return response.text()
  if (response.body === null) return ''
  const reader = response.body.getReader()
  const decoder = new TextDecoder()
  let text = ''
  for (let bytes = 0; ;) {
    const { done, value } = await reader.read()
    if (done) return text + decoder.decode()
    bytes += value.byteLength
    if (bytes > bytesMax) {
      await reader.cancel('too long').catch(() => {})
      return null
    }
    text += decoder.decode(value, { stream: true })
  }
}
