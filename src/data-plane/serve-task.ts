// The path of a task: the steps of a chat request, with a question and an answer that have but one shape.
import type { Failure } from '../core/failure.ts'
import type { JsonObject } from '../core/json.ts'
import { type Plan, gapsOf, plan } from '../core/plan.ts'
import { type Result, err, ok } from '../core/result.ts'
import type { RouteTable } from '../core/route-table.ts'
import { taskCodec } from '../dialects/tasks/index.ts'
import type { Later, Services } from '../ports.ts'
import type { Task, TaskFacts } from '../protocols/task.ts'
import { relayTask } from './answer-task-relayed.ts'
import { answerTask } from './answer-task.ts'
import { authenticate } from './authenticate.ts'
import { dataFailure, outOfBounds } from './data-policy.ts'
import { endUserMissing } from './end-user.ts'
import { type ReadExchange, begin } from './exchange.ts'
import { type ShortBody, promptTokens } from './large-body.ts'
import { type Form, discardForm, readForm } from './read-form.ts'
import { readRequest } from './read-request.ts'
import { refuse } from './refuse.ts'
import { allOff, isAllowed, switchedOff } from './route.ts'
import { situationOf } from './situation.ts'

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
  const unnamed = endUserMissing(exchange)
  const planned =
    unnamed !== null ? err(unnamed) : routes === null ? err(NO_DIRECTORY) : planTask(exchange, routes, promptTokens)
  if (!planned.ok) {
    if (exchange.form !== null) await discardForm(exchange.form)
    return refuse(begun, planned.error)
  }
  const answer = task.isRelayed ? relayTask : answerTask
  const answered = answer(exchange, { plan: planned.value, neutral: null }, promptTokens)
  exchange.client.finish(answered)
  return answered
}

const NO_DIRECTORY: Failure = { kind: 'directory-unavailable' }

type Asked = Pick<TaskExchange, 'facts' | 'text' | 'bytes' | 'body' | 'short' | 'form'> & {
  readonly promptTokens: number
}

async function readTask(request: Request, task: Task): Promise<Result<Asked, Failure>> {
  if (task.accepts === 'json') {
    const read = await readRequest(request, task)
    return read.ok
      ? ok({ ...read.value, form: null, promptTokens: tokensOf(read.value.facts, read.value.short) })
      : read
  }
  const read = await readForm(request, task)
  if (!read.ok) return read
  const { form, facts } = read.value
  const body = (): JsonObject => form.head.fields
  return ok({ facts, text: '', bytes: null, body, short: null, form, promptTokens: tokensOf(facts, null) })
}

function tokensOf(facts: TaskFacts, short: ShortBody | null): number {
  return facts.promptTokens + promptTokens(facts, short)
}

/** The targets that can do this, in order. */
function planTask(exchange: TaskExchange, table: RouteTable, promptTokens: number): Result<Plan, Failure> {
  const { caller, facts, protocol: task } = exchange
  const { model } = facts
  const found = table.find(caller.tenantId, model)
  if (found === null) return err({ kind: 'model-not-found', model })
  if (!isAllowed(caller, model)) return err({ kind: 'model-not-allowed', model })
  if (exchange.services.switches.ofModel(model)) return err({ kind: 'switched-off', what: 'model', model })
  const targets = table.targets(found)
  const able = targets.filter((target) => taskCodec(task.name, target) !== null)
  if (able.length === 0 && targets.length > 0) {
    const gap = { field: 'model', reason: `none of its targets answers ${task.endpoint}` }
    return err({ kind: 'unsupported', model, gaps: [gap] })
  }
  const gaps = (target: (typeof able)[number]) => taskCodec(task.name, target)?.gaps(exchange.body(), target) ?? []
  const against = (target: (typeof able)[number]) => switchedOff(exchange, target) ?? outOfBounds(caller, found, target)
  const planned = plan(found, able, { gaps, against }, () => situationOf(exchange, () => promptTokens))
  if (planned.candidates.length > 0) return ok(planned)
  const off = allOff(model, planned.excluded)
  if (off !== null) return err(off)
  const open = gapsOf(planned.excluded)
  if (open.length > 0) return err({ kind: 'unsupported', model, gaps: open })
  const kept = dataFailure(model, planned.excluded)
  if (kept !== null) return err(kept)
  return err({ kind: 'no-target-available', model, retryAfterMs: null })
}
