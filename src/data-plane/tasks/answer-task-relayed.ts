// Answers a task whose reply goes through as it is: sound, pictures, transcripts, streamed or not. The status is held until
// the first bytes, so that another target may take over until then.
import { taskCodec } from '../../dialects/tasks/index.ts'
import { readTaskUsage } from '../../dialects/tasks/task-usage.ts'
import type { OutgoingCall } from '../../ports.ts'
import type { Task } from '../../protocols/task.ts'
import { taskCall } from './answer-task.ts'
import type { Attempt } from '../attempt.ts'
import { answerHeaders } from '../headers.ts'
import { pursue } from '../pursue.ts'
import { discardForm, formCall } from './read-form.ts'
import { refuse } from '../refuse.ts'
import type { Lane } from '../answer/lane.ts'
import { type ReplyWatch, blindWatch, jsonWatch, relayLane, taskStreamWatch } from '../relay/relay-lane.ts'
import { relayed, tryRelay } from '../relay/relay.ts'
import type { RoutedRequest } from '../route/route.ts'
import type { TaskExchange } from './serve-task.ts'

/** Serves a task whose reply is relayed. Never rejects. */
export async function relayTask(
  exchange: TaskExchange,
  routed: RoutedRequest,
  promptTokens: number,
): Promise<Response> {
  const { form } = exchange
  // A form that is sent on while it comes can't be sent twice.
  const isOnce = form !== null && form.rest !== null
  const result = await pursue(exchange, routed, { promptTokens, cache: 'off' }, (attempt: Attempt<Task>) =>
    tryRelay(attempt, { outgoing: () => callOf(exchange, attempt), laneOf, isOnce }),
  )
  if (result.ok)
    return relayed(exchange, result.value, answerHeaders(exchange, routed.plan, result.value.attempt, 'off'))
  if (form !== null) await discardForm(form)
  return refuse(exchange, result.error, answerHeaders(exchange, routed.plan, null, 'off'))
}

function callOf({ form, body, text }: TaskExchange, attempt: Attempt<Task>): OutgoingCall {
  const { target } = attempt.plan
  const { name } = attempt.exchange.protocol
  const codec = taskCodec(name, target)
  if (codec === null) throw new Error(`${target.id} has no ${name}`)
  const call = taskCall(attempt, codec, { body: body(), text, model: target.model })
  return form === null ? call : formCall(form, call.path, target.model)
}

function laneOf(headers: Headers): Lane {
  return relayLane(watchOf(headers.get('content-type') ?? ''))
}

function watchOf(contentType: string): ReplyWatch {
  const usage = ({ usage: reported }: { readonly [name: string]: Parameters<typeof readTaskUsage>[0] }) =>
    readTaskUsage(reported)
  if (/^text\/event-stream\b/i.test(contentType)) return taskStreamWatch(contentType, usage)
  return /^application\/([\w.+-]+\+)?json\b/i.test(contentType) ? jsonWatch(usage) : blindWatch()
}
