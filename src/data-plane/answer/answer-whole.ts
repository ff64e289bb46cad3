// Answers a request that wants its reply in one piece. On the native lane the provider's own text goes back as it came.
import type { UpstreamFailure } from '../../core/failure.ts'
import { fold } from '../../core/reply/fold.ts'
import type { NeutralEvent, NeutralReply } from '../../core/neutral.ts'
import { err, ok, type Result } from '../../core/result.ts'
import type { Usage } from '../../core/money/usage.ts'
import { type Attempt, type FailedAttempt, settle } from '../attempt.ts'
import { callUpstream, limitedText, noAnswer, openCall } from '../call-upstream.ts'
import { type ReadExchange, replyContext } from '../exchange.ts'
import { addCost, answerHeaders, jsonAnswer } from '../headers.ts'
import { pursue } from '../pursue.ts'
import { readWhole } from './read-whole.ts'
import { type Recall, keep } from '../recall.ts'
import { refuse } from '../refuse.ts'
import type { RoutedRequest } from '../route/route.ts'

/** Largest reply in one piece. */
const REPLY_BYTES_MAX = 16 * 1024 * 1024

interface WholeAnswer {
  readonly text: string
  readonly events: readonly NeutralEvent[]
  readonly usage: Usage | null
}

/** Serves a whole reply. Never rejects. */
export async function answerWhole(
  exchange: ReadExchange,
  routed: RoutedRequest,
  promptTokens: number,
  recall: Recall,
): Promise<Response> {
  const purpose = { promptTokens, cache: recall.state, isBoundable: true } as const
  const result = await pursue(exchange, routed, purpose, tryWhole)
  if (!result.ok) {
    const told = answerHeaders(exchange, routed.plan, null, recall.state)
    return refuse(exchange, result.error, addCost(told, exchange))
  }
  const { answer, attempt } = result.value
  const costNanoUsd = settle(attempt, {
    ending: 'finished',
    failure: null,
    usage: answer.usage,
    visibleChars: answer.usage === null ? visibleChars(answer.events) : 0,
    status: 200,
    isFinal: true,
    ttftMs: null,
    isBilled: true,
  })
  if (recall.key !== null) keep(exchange, recall, attempt, fold(answer.events), costNanoUsd)
  return jsonAnswer(answer.text, exchange, attempt, recall.state)
}

async function tryWhole(attempt: Attempt): Promise<Result<WholeAnswer, FailedAttempt>> {
  const call = openCall(attempt)
  try {
    const response = await callUpstream(attempt, call)
    const answer = response.ok ? await readAnswer(attempt, response.value, call.abort.signal) : response
    if (answer.ok) return answer
    // A call that was cut short by us has reached the provider, which may charge for it.
    const isBilled = call.abort.signal.aborted
    return err({ attempt, failure: answer.error, usage: null, visibleChars: 0, isBilled })
  } finally {
    call.onEnd()
  }
}

async function readAnswer(
  attempt: Attempt,
  response: Response,
  signal: AbortSignal,
): Promise<Result<WholeAnswer, UpstreamFailure>> {
  let text: string | null
  try {
    text = await limitedText(response, REPLY_BYTES_MAX)
  } catch (error) {
    return err(signal.aborted ? noAnswer(signal, error) : unreadable('The provider broke off its reply.'))
  }
  if (text === null) return err(unreadable("The provider's reply is too large."))
  const { dialect, plan, isNative } = attempt
  const events = readWhole(dialect, plan.target, text, response.headers.get('content-type'))
  if (events === null) return err(unreadable("The provider's reply is not valid JSON."))
  const failure = failureIn(events)
  if (failure !== null) return err(failure)
  if (!events.some((event) => 'choice' in event)) return err(unreadable("The provider's reply is empty."))
  return ok({
    text: isNative && text.trimStart().startsWith('{') ? text : written(attempt, fold(events)),
    events,
    usage: usageIn(events),
  })
}

function written(attempt: Attempt, reply: NeutralReply): string {
  const { exchange, plan } = attempt
  // Some providers don't say which model it was; clients count on it.
  const model = reply.model === '' ? plan.target.model : reply.model
  return JSON.stringify(exchange.protocol.write(reply, replyContext(exchange, model)))
}

function failureIn(events: readonly NeutralEvent[]): UpstreamFailure | null {
  for (const event of events) if (event.type === 'failure') return event.failure
  return null
}

/** The last that was told. */
function usageIn(events: readonly NeutralEvent[]): Usage | null {
  let usage: Usage | null = null
  for (const event of events) if (event.type === 'usage') usage = event.usage
  return usage
}

function visibleChars(events: readonly NeutralEvent[]): number {
  let chars = 0
  for (const event of events) if (event.type === 'part-delta') chars += event.text.length
  return chars
}

function unreadable(message: string): UpstreamFailure {
  return { class: 'stream', status: 0, message, code: null, type: null, param: null, retryAfterMs: null }
}
