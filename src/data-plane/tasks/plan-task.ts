// Which targets may serve a task, and in which order: as for chat, but for what each of them can do.
import type { Route, Target } from '../../core/directory.ts'
import { type Exclusion, type Plan, type PlanChecks, plan } from '../../core/routing/plan.ts'
import type { Preferences } from '../../core/routing/preferences.ts'
import { type Result, ok } from '../../core/result.ts'
import { ruling } from '../../core/routing/route-rules.ts'
import type { RouteTable } from '../../core/routing/route-table.ts'
import type { Situation } from '../../core/strategies/strategy.ts'
import { taskCodec } from '../../dialects/tasks/index.ts'
import type { Task } from '../../protocols/task.ts'
import { withoutMember } from '../../wire/splice.ts'
import { outOfBounds } from '../route/data-policy.ts'
import { endUserMissing } from '../limits/end-user.ts'
import { settingsOf } from '../exchange.ts'
import { type Wanted, asPreferred, isRouter, preferencesOf, unwanted } from '../route/preferences.ts'
import { type Unroutable, isAllowed, noCandidate, switchedOff, unroutable } from '../route/route.ts'
import { routeFacts } from '../route/route-facts.ts'
import type { TaskExchange } from './serve-task.ts'
import { situationOf } from '../route/situation.ts'

export interface PlannedTask {
  readonly plan: Plan
  /** The task as it is asked: without what the client says of its targets, unless those are routers themselves. */
  readonly exchange: TaskExchange
  /** What that was. */
  readonly preferences: Preferences | null
  readonly promptTokens: number
}

/** Plans a task, or tells why nothing can serve it. */
export function planTask(
  given: TaskExchange,
  table: RouteTable,
  promptTokens: number,
): Result<PlannedTask, Unroutable> {
  const { caller, facts, protocol: task, services } = given
  const { model } = facts
  const unnamed = given.options.mistaken ?? endUserMissing(given)
  if (unnamed !== null) return unroutable(unnamed)
  const found = table.find(caller.tenantId, model)
  if (found === null) return unroutable({ kind: 'model-not-found', model })
  if (!isAllowed(caller, model)) return unroutable({ kind: 'model-not-allowed', model })
  if (services.switches.ofModel(model)) return unroutable({ kind: 'switched-off', what: 'model', model })
  const targets = table.targets(found)
  const wanted = wishesOf(given, targets)
  if (!wanted.ok) return unroutable(wanted.error)
  const { preferences } = wanted.value
  const exchange = preferences === null ? given : withoutWishes(given)
  const ruled =
    found.rules === undefined
      ? null
      : ruling(
          found.rules,
          routeFacts(exchange, () => promptTokens),
        )
  if (ruled !== null && ruled.refusal !== null) {
    const none: Plan = { route: found, candidates: [], excluded: [], rule: ruled.refusal.rule }
    return unroutable({ kind: 'refused-by-rule', model, ...ruled.refusal }, none)
  }
  const situation = (): Situation => situationOf(exchange, () => promptTokens)
  const made = plan(found, targets, taskChecks(exchange, found, preferences), situation, ruled)
  const planned = preferences === null ? made : asPreferred(made, preferences, situation)
  if (planned.candidates.length > 0) return ok({ plan: planned, exchange, preferences, promptTokens })
  // Of those that could do it at all: what keeps them is what the client is told.
  const able = new Set(targets.filter((target) => unable(task, target) === null).map(({ id }) => id))
  const excluded = planned.excluded.filter(({ targetId }) => able.has(targetId))
  const isAble = targets.length === 0 || able.size > 0
  if (isAble) return unroutable(noCandidate(model, { ...planned, excluded }, []), planned)
  const gap = { field: 'model', reason: `none of its targets answers ${task.endpoint}` }
  return unroutable({ kind: 'unsupported', model, gaps: [gap] }, planned)
}

/** What is asked of each target of a route for this task. */
export function taskChecks(exchange: TaskExchange, found: Route, preferences: Preferences | null): PlanChecks {
  const { caller, protocol: task } = exchange
  return {
    gaps: (target) => taskCodec(task.name, target)?.gaps(exchange.body(), target) ?? [],
    against: (target) =>
      unable(task, target) ??
      switchedOff(exchange, target) ??
      outOfBounds(caller, found, target) ??
      (preferences === null ? null : unwanted(target, preferences)),
  }
}

const NO_WISHES: Wanted = { preferences: null, models: [] }

/** A form has no place for wishes, and `models` is not followed: vectors of another model are of no use. */
function wishesOf(exchange: TaskExchange, targets: readonly Target[]): ReturnType<typeof preferencesOf> {
  const isSaid = exchange.form === null && settingsOf(exchange)['provider'] !== undefined
  return isSaid && !targets.every(isRouter) ? preferencesOf(exchange, targets) : ok(NO_WISHES)
}

function withoutWishes(exchange: TaskExchange): TaskExchange {
  const { provider: _, ...body } = exchange.body()
  const text = withoutMember(exchange.text, 'provider') ?? JSON.stringify(body)
  return { ...exchange, text, bytes: null, short: null, body: () => body }
}

/** A target that has no way to do the task: no route may allow that. */
function unable({ name, endpoint }: Task, target: Target): Exclusion | null {
  if (taskCodec(name, target) !== null) return null
  return { targetId: target.id, reason: 'gap', gaps: [{ field: 'model', reason: `doesn’t answer ${endpoint}` }] }
}
