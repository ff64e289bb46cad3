// The mirror of a task: as that of a chat request, by the path of tasks. A form isn't mirrored: it is sent on as it comes.
import { type Route, type Target, modelMatches } from '../../core/directory.ts'
import type { Plan } from '../../core/routing/plan.ts'
import type { ShadowExclusion } from '../../core/routing/shadow.ts'
import { relayTask } from '../tasks/answer-task-relayed.ts'
import { answerTask } from '../tasks/answer-task.ts'
import { type PlannedTask, taskChecks } from '../tasks/plan-task.ts'
import type { TaskExchange } from '../tasks/serve-task.ts'
import { aimOf, asShadow, mirrorPlan, readToEnd, withinBounds } from './shadow.ts'
import type { Mirroring } from './shadow-draw.ts'

/** Where a task would be mirrored. */
export interface TaskShadowPlan {
  /** The task as it is mirrored, but for who asks. */
  readonly exchange: TaskExchange
  readonly plan: Plan
}

/** The plan of a task's mirror: with one candidate, or with what speaks against it. Asks nobody and takes nothing. */
export function planTaskShadow(
  exchange: TaskExchange,
  { route, shadow, table }: Pick<Mirroring, 'route' | 'shadow' | 'table'>,
  { promptTokens, preferences }: Pick<PlannedTask, 'promptTokens' | 'preferences'>,
): TaskShadowPlan | ShadowExclusion {
  const aim = aimOf(exchange.caller, shadow, table)
  if (!('targets' in aim)) return aim
  const asked = shadow.route === undefined ? exchange : renamed(exchange, aim.route)
  const checks = taskChecks(asked, aim.route, preferences)
  const own = mirrorPlan(asked, { aim, live: route, checks, length: () => promptTokens })
  return 'route' in own ? { exchange: asked, plan: own } : own
}

/** Sends the mirror, if there is room for it, and reads its answer to the end. */
export function mirrorTask(exchange: TaskExchange, mirroring: Mirroring, task: PlannedTask): Promise<void> {
  return withinBounds(exchange, mirroring.ended, async (id, signal) => {
    const planned = planTaskShadow(exchange, mirroring, task)
    if (!('plan' in planned)) return
    const { exchange: asked, plan: own } = planned
    const { shadow } = mirroring
    const asking: TaskExchange = { ...asked, ...asShadow({ id, exchange: asked, plan: own, shadow, signal }) }
    const answer = asking.protocol.isRelayed ? relayTask : answerTask
    await readToEnd(await answer(asking, { plan: single(own), neutral: null }, task.promptTokens))
  })
}

/** A mirror isn't asked together with others: what it takes is its own. */
function single(plan: Plan): Plan {
  return { ...plan, candidates: plan.candidates.map(({ target }) => ({ target: alone(target) })) }
}

function alone(candidate: Target): Target {
  const { batching: _, ...target } = candidate
  return target
}

/** The task for the model that a route is for; a codec writes the target's own name into it. */
function renamed(exchange: TaskExchange, { model }: Route): TaskExchange {
  if (model.endsWith('*') || modelMatches(model, exchange.facts.model)) return exchange
  return { ...exchange, facts: { ...exchange.facts, model } }
}
