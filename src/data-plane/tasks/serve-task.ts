// The path of a task: the steps of a chat request, with a question and an answer that have but one shape.
import type { Failure } from '../../core/failure.ts'
import type { JsonObject } from '../../core/json.ts'
import { late } from '../../core/late.ts'
import { type Result, ok } from '../../core/result.ts'
import type { Later, Services } from '../../ports.ts'
import type { Task, TaskFacts } from '../../protocols/task.ts'
import { relayTask } from './answer-task-relayed.ts'
import { answerTask } from './answer-task.ts'
import { authenticate } from '../authenticate.ts'
import { type ReadExchange, begin } from '../exchange.ts'
import { type ShortBody, promptTokens } from '../bodies/large-body.ts'
import { type Form, discardForm, readForm } from './read-form.ts'
import { type RequestBody, readRequest } from '../read-request.ts'
import { refuse, refuseUnrouted } from '../refuse.ts'
import { planTask } from './plan-task.ts'
import { unroutable } from '../route/route.ts'
import { type SendMirror, shadowOf } from '../shadow/shadow-draw.ts'

/** A task under way. */
export interface TaskExchange extends ReadExchange<Task> {
  /** The client's form; null where it sent JSON. */
  readonly form: Form | null
}

/** Serves one client's task. Every expected failure is a response in OpenAI's shape. */
export async function serveTask(request: Request, task: Task, services: Services, later: Later): Promise<Response> {
  const begun = begin(request, task, services, later)
  const caller = await authenticate(request.headers, services)
  if (!caller.ok) return refuse(begun, caller.error)
  const read = await readTask(request, task)
  if (!read.ok) return refuse(begun, read.error)
  const { promptTokens, ...asked } = read.value
  const exchange: TaskExchange = { ...begun, caller: caller.value, ...asked }
  const routes = await services.directory.routes(later)
  const planned = routes === null ? unroutable(NO_DIRECTORY) : planTask(exchange, routes, promptTokens)
  if (!planned.ok) {
    if (exchange.form !== null) await discardForm(exchange.form)
    return refuseUnrouted(begun, planned.error)
  }
  const { plan, exchange: asking } = planned.value
  const mirror: SendMirror<TaskExchange> = async (asked, mirroring) => {
    const { mirrorTask } = shadowing.now() ?? (await shadowing.load())
    return mirrorTask(asked, mirroring, planned.value)
  }
  const shadow = asking.form === null ? shadowOf(plan.route, asking, mirror) : null
  const live = shadow?.live ?? asking
  const answer = task.isRelayed ? relayTask : answerTask
  const answered = answer(live, { plan, neutral: null }, promptTokens)
  live.client.finish(answered)
  if (routes !== null) shadow?.after(answered, routes)
  return answered
}

const shadowing = late(() => import('../shadow/shadow-task.ts'))

const NO_DIRECTORY: Failure = { kind: 'directory-unavailable' }

/** A task as it was read. */
export type AskedTask = Pick<TaskExchange, 'facts' | 'text' | 'bytes' | 'body' | 'short' | 'form'> & {
  readonly promptTokens: number
}

/** The task in a client's request. */
export async function readTask(request: Request, task: Task): Promise<Result<AskedTask, Failure>> {
  if (task.accepts === 'json') {
    const read = await readRequest(request, task)
    return read.ok ? ok(askedInJson(read.value)) : read
  }
  const read = await readForm(request, task)
  if (!read.ok) return read
  const { form, facts } = read.value
  const body = (): JsonObject => form.head.fields
  return ok({ facts, text: '', bytes: null, body, short: null, form, promptTokens: tokensOf(facts, null) })
}

/** The task in a body that has been read. */
export function askedInJson(read: RequestBody<TaskFacts>): AskedTask {
  return { ...read, form: null, promptTokens: tokensOf(read.facts, read.short) }
}

function tokensOf(facts: TaskFacts, short: ShortBody | null): number {
  return facts.promptTokens + promptTokens(facts, short)
}
