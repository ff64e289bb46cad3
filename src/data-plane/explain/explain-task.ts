// The explanation of a task: planned by the very steps that serve one. A form is described in JSON, its fields as members; what
// would be the file may be left out.
import type { Failure } from '../../core/failure.ts'
import type { JsonObject } from '../../core/json.ts'
import { type Result, ok } from '../../core/result.ts'
import type { RouteTable } from '../../core/routing/route-table.ts'
import { taskCodec } from '../../dialects/tasks/index.ts'
import type { Task } from '../../protocols/task.ts'
import type { Exchange, ReadExchange } from '../exchange.ts'
import { type Explained, tellPlan, tellShadow } from './explain-tell.ts'
import { type PlannedTask, planTask } from '../tasks/plan-task.ts'
import type { RequestBody } from '../read-request.ts'
import type { Unroutable } from '../route/route.ts'
import { type AskedTask, type TaskExchange, askedInJson, readTask } from '../tasks/serve-task.ts'
import { planTaskShadow } from '../shadow/shadow-task.ts'

/** The task in a body that was read, as it would be served. */
export async function taskIn(read: RequestBody<JsonObject>, task: Task): Promise<Result<AskedTask, Failure>> {
  if (task.accepts === 'multipart') return readTask(formOf(read.body()), task)
  const facts = task.facts(read.facts)
  return facts.ok ? ok(askedInJson({ ...read, facts: facts.value })) : facts
}

/** Members of a form that are files, whatever stands there for them. */
const FILES: ReadonlySet<string> = new Set(['file', 'image', 'image[]', 'mask'])

/** The form that a description is of, its text fields first: as a client's should be, that the model is known before the file. */
function formOf(body: JsonObject): Request {
  const form = new FormData()
  const described = Object.entries(body)
  for (const [name, value] of described) {
    if (FILES.has(name) || value === null) continue
    for (const one of Array.isArray(value) ? value : [value]) {
      form.append(name, typeof one === 'string' ? one : JSON.stringify(one))
    }
  }
  for (const [name] of described) if (FILES.has(name)) form.append(name, new Blob([]), name)
  return new Request('https://described.invalid/', { method: 'POST', body: form })
}

/** Tells the plan of a task, or why there is none. */
export async function explainTask(
  begun: Exchange<Task> & Pick<ReadExchange, 'caller'>,
  { promptTokens, ...asked }: AskedTask,
  table: RouteTable,
): Promise<{ readonly exchange: TaskExchange; readonly told: Result<object, Unroutable> }> {
  const exchange: TaskExchange = { ...begun, ...asked }
  const planned = planTask(exchange, table, promptTokens)
  if (!planned.ok) return { exchange, told: planned }
  return { exchange: planned.value.exchange, told: ok(await tellTask(planned.value, table)) }
}

async function tellTask(planned: PlannedTask, table: RouteTable): Promise<object> {
  const { plan, exchange, promptTokens } = planned
  const { protocol: task } = exchange
  const explained: Explained = {
    exchange,
    plan,
    promptTokens: () => promptTokens,
    laneAt: (target) => {
      const gaps = taskCodec(task.name, target)?.gaps(exchange.body(), target) ?? []
      return { lane: task.isRelayed ? 'relayed' : 'read', dropped: gaps.map(({ field }) => field) }
    },
  }
  const { route } = plan
  const shadow = tellShadow(route, (policy) =>
    exchange.form === null ? planTaskShadow(exchange, { route, shadow: policy, table }, planned) : null,
  )
  return { cache: 'off', cached: null, shadow, ...(await tellPlan(explained)) }
}
