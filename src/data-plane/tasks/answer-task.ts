// Answers a task whose reply is read: vectors, scores, verdicts. A request with more inputs than the target takes at once
// goes in several calls, a few of them at the same time; the first that fails stops the others.
import type { UpstreamFailure } from '../../core/failure.ts'
import type { BatchShare } from '../../core/batch.ts'
import type { JsonObject } from '../../core/json.ts'
import { late } from '../../core/late.ts'
import { type Result, err, ok } from '../../core/result.ts'
import { type Usage, USAGE_BUCKETS, NO_USAGE, withUnits } from '../../core/money/usage.ts'
import { brokenStream } from '../../dialects/failures/provider-error.ts'
import type { TaskCodec, TaskRequest } from '../../dialects/tasks/codec.ts'
import { taskCodec } from '../../dialects/tasks/index.ts'
import type { OutgoingCall } from '../../ports.ts'
import type { Task } from '../../protocols/task.ts'
import { type Attempt, type FailedAttempt, settle } from '../attempt.ts'
import { type OpenCall, callWith, noAnswer, openCall } from '../call-upstream.ts'
import { addCost, answerHeaders, headerSafe } from '../headers.ts'
import { withProviderOptions } from '../provider-options.ts'
import { pursue } from '../pursue.ts'
import { refuse } from '../refuse.ts'
import type { RoutedRequest } from '../route/route.ts'
import type { TaskExchange } from './serve-task.ts'
import { type ReadReply, readTaskReply } from './task-reply.ts'

/** Calls of one request under way at once. A Worker has six connections. */
const CALLS_AT_ONCE = 6
export interface TaskAnswer {
  readonly text: string
  readonly usage: Usage | null
  /** Of a call that it shared with others. */
  readonly share?: BatchShare
  /** Requests in that call. */
  readonly together?: number
}

export type TaskAttempt = Attempt<Task>

const joint = late(() => import('./joint-task.ts'))

/** Serves a task whose reply is read and written. Never rejects. */
export async function answerTask(
  exchange: TaskExchange,
  routed: RoutedRequest,
  promptTokens: number,
): Promise<Response> {
  const result = await pursue(exchange, routed, { promptTokens, cache: 'off' }, tryTask)
  if (!result.ok)
    return refuse(exchange, result.error, addCost(answerHeaders(exchange, routed.plan, null, 'off'), exchange))
  const { answer, attempt } = result.value
  settle(attempt, {
    ending: 'finished',
    failure: null,
    usage: answer.usage,
    visibleChars: 0,
    status: 200,
    isFinal: true,
    ttftMs: null,
    isBilled: true,
    ...(answer.share === undefined ? {} : { share: answer.share }),
  })
  const headers = addCost(answerHeaders(exchange, routed.plan, attempt, 'off'), exchange)
  if (answer.together !== undefined) headers['x-tidegate-together'] = String(answer.together)
  const dropped = droppedMembers(exchange, routed, attempt)
  if (dropped !== '') headers['x-tidegate-dropped'] = dropped
  headers['content-type'] = 'application/json'
  return new Response(answer.text, { headers })
}

async function tryTask(attempt: TaskAttempt): Promise<Result<TaskAnswer, FailedAttempt<Task>>> {
  const { exchange, plan } = attempt
  const codec = taskCodec(exchange.protocol.name, plan.target)
  const call = openCall(attempt)
  try {
    if (codec === null)
      return err({ attempt, failure: brokenStream(''), usage: null, visibleChars: 0, isBilled: false })
    const shared = await sharedAnswer(attempt, codec, call)
    if (shared !== null) return shared
    const requests = requestsOf(attempt, codec)
    const replies: ReadReply[] = []
    const failure = await callAll(attempt, codec, call, requests, replies)
    if (failure === null) return ok(joined(attempt, replies))
    const counted = replies.flatMap((reply) => reply.usage ?? [])
    // Some of the calls may have been answered, and a call that was cut short by us has reached the provider.
    const usage = counted.length === 0 ? null : summed(counted)
    const isBilled = usage !== null || call.abort.signal.reason === 'timed-out' || exchange.client.hasLeft
    return err({ attempt, failure, usage, visibleChars: 0, isBilled })
  } finally {
    call.onEnd()
  }
}

/** What came of being asked together with others; null where it is to be asked for itself. */
async function sharedAnswer(
  attempt: TaskAttempt,
  codec: TaskCodec,
  call: OpenCall,
): Promise<Result<TaskAnswer, FailedAttempt<Task>> | null> {
  if (attempt.plan.target.batching === undefined) return null
  const { askTogether } = joint.now() ?? (await joint.load())
  return askTogether(attempt, codec, call)
}

function requestsOf(attempt: TaskAttempt, codec: TaskCodec): readonly TaskRequest[] {
  const { exchange, plan } = attempt
  const { text } = exchange
  const body = exchange.body()
  const sizeMax = Math.max(1, plan.target.maxBatchSize ?? codec.batchMax(plan.target))
  const pieces = exchange.protocol.batches?.split(body, sizeMax) ?? [body]
  return pieces.map((piece) => ({ body: piece, text: piece === body ? text : null, model: plan.target.model }))
}

/** Makes all calls, a few at once; what was answered stands in `replies`. Null when all were. */
async function callAll(
  attempt: TaskAttempt,
  codec: TaskCodec,
  call: OpenCall,
  requests: readonly TaskRequest[],
  replies: ReadReply[],
): Promise<UpstreamFailure | null> {
  let failure: UpstreamFailure | null = null
  let next = 0
  const work = async (): Promise<void> => {
    while (failure === null && next < requests.length) {
      const index = next++
      const request = requests[index]
      if (request === undefined) return
      const result = await callOne(attempt, codec, call, request)
      if (result.ok) replies[index] = result.value
      else if (failure === null) {
        failure = result.error
        if (!call.abort.signal.aborted) call.abort.abort('failed')
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(CALLS_AT_ONCE, requests.length) }, work))
  return failure
}

async function callOne(
  attempt: TaskAttempt,
  codec: TaskCodec,
  call: OpenCall,
  request: TaskRequest,
): Promise<Result<ReadReply, UpstreamFailure>> {
  const response = await callWith(attempt, call, () => taskCall(attempt, codec, request))
  if (!response.ok) return response
  const { services } = attempt.exchange
  return readTaskReply(response.value, { codec, request, dialect: attempt.dialect, nowMs: services.nowMs }, (error) =>
    call.abort.signal.aborted ? noAnswer(call.abort.signal, error) : null,
  )
}

/** One call, with what the client has for this provider alone. */
export function taskCall({ exchange, plan }: TaskAttempt, codec: TaskCodec, request: TaskRequest): OutgoingCall {
  const call = codec.write(request, plan.target)
  const isPlain = request.body['tidegate'] === undefined
  return isPlain ? call : withProviderOptions(call, exchange.body(), plan.target.provider)
}

function joined(attempt: TaskAttempt, replies: readonly ReadReply[]): TaskAnswer {
  const [first] = replies
  const counted = replies.flatMap((reply) => reply.usage ?? [])
  const usage = counted.length === replies.length ? summed(counted) : null
  if (first !== undefined && replies.length === 1 && first.text !== '') return { text: first.text, usage }
  const bodies = replies.map((reply) => reply.body)
  const body = attempt.exchange.protocol.batches?.join(bodies) ?? bodies[0] ?? {}
  return { text: JSON.stringify(withUsage(attempt, body)), usage }
}

/** Clients rely on the count: where the provider gives none it is our own estimate, as in the ledger. */
function withUsage({ exchange, plan }: TaskAttempt, body: JsonObject): JsonObject {
  if (body['usage'] !== undefined || exchange.protocol.batches === undefined) return body
  return { ...body, usage: { prompt_tokens: plan.promptTokens, total_tokens: plan.promptTokens } }
}

function summed(all: readonly Usage[]): Usage {
  const total = { ...NO_USAGE }
  for (const bucket of USAGE_BUCKETS) total[bucket] = all.reduce((sum, usage) => sum + usage[bucket], 0)
  return all.reduce<Usage>((sum, { units }) => (units === undefined ? sum : withUnits(sum, units)), total)
}

/** Members that the route lets go of for this target. */
function droppedMembers(exchange: TaskExchange, routed: RoutedRequest, attempt: TaskAttempt): string {
  const { target } = attempt.plan
  const gaps = taskCodec(exchange.protocol.name, target)?.gaps(exchange.body(), target) ?? []
  const { allowedGaps } = routed.plan.route
  return gaps.flatMap(({ field }) => (allowedGaps.includes(field) ? [headerSafe(field)] : [])).join(', ')
}
