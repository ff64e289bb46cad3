// The path of a task: the steps of a chat request, with a question and an answer that have but one shape.
import type { Route, Target } from '../core/directory.ts'
import type { Failure } from '../core/failure.ts'
import type { JsonObject } from '../core/json.ts'
import { type Exclusion, type Plan, type PlanChecks, plan } from '../core/plan.ts'
import { type Result, ok } from '../core/result.ts'
import type { RouteTable } from '../core/route-table.ts'
import { taskCodec } from '../dialects/tasks/index.ts'
import type { Later, Services } from '../ports.ts'
import type { Task, TaskFacts } from '../protocols/task.ts'
import { relayTask } from './answer-task-relayed.ts'
import { answerTask } from './answer-task.ts'
import { authenticate } from './authenticate.ts'
import { outOfBounds } from './data-policy.ts'
import { endUserMissing } from './end-user.ts'
import { type ReadExchange, begin } from './exchange.ts'
import { type ShortBody, promptTokens } from './large-body.ts'
import { type Form, discardForm, readForm } from './read-form.ts'
import { readRequest } from './read-request.ts'
import { refuse, refuseUnrouted } from './refuse.ts'
import { type Unroutable, isAllowed, noCandidate, switchedOff, unroutable } from './route.ts'
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
    unnamed !== null
      ? unroutable(unnamed)
      : routes === null
        ? unroutable(NO_DIRECTORY)
        : planTask(exchange, routes, promptTokens)
  if (!planned.ok) {
    if (exchange.form !== null) await discardForm(exchange.form)
    return refuseUnrouted(begun, planned.error)
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
function planTask(exchange: TaskExchange, table: RouteTable, promptTokens: number): Result<Plan, Unroutable> {
  const { caller, facts, protocol: task } = exchange
  const { model } = facts
  const found = table.find(caller.tenantId, model)
  if (found === null) return unroutable({ kind: 'model-not-found', model })
  if (!isAllowed(caller, model)) return unroutable({ kind: 'model-not-allowed', model })
  if (exchange.services.switches.ofModel(model)) return unroutable({ kind: 'switched-off', what: 'model', model })
  const targets = table.targets(found)
  const checks = taskChecks(exchange, found)
  const planned = plan(found, targets, checks, () => situationOf(exchange, () => promptTokens))
  if (planned.candidates.length > 0) return ok(planned)
  // Of those that could do it at all: what keeps them is what the client is told.
  const able = new Set(targets.filter((target) => unable(task, target) === null).map(({ id }) => id))
  const excluded = planned.excluded.filter(({ targetId }) => able.has(targetId))
  const isAble = targets.length === 0 || able.size > 0
  if (isAble) return unroutable(noCandidate(model, { ...planned, excluded }, []), planned)
  const gap = { field: 'model', reason: `none of its targets answers ${task.endpoint}` }
  return unroutable({ kind: 'unsupported', model, gaps: [gap] }, planned)
}

/** What is asked of each target of a route for this task. */
function taskChecks(exchange: TaskExchange, found: Route): PlanChecks {
  const { caller, protocol: task } = exchange
  return {
    gaps: (target) => taskCodec(task.name, target)?.gaps(exchange.body(), target) ?? [],
    against: (target) => unable(task, target) ?? switchedOff(exchange, target) ?? outOfBounds(caller, found, target),
  }
}

/** A target that has no way to do the task: no route may allow that. */
function unable({ name, endpoint }: Task, target: Target): Exclusion | null {
  if (taskCodec(name, target) !== null) return null
  return { targetId: target.id, reason: 'gap', gaps: [{ field: 'model', reason: `doesn’t answer ${endpoint}` }] }
}
