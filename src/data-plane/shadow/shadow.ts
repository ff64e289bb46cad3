// The mirror of a request: planned by the same checks, sent by the same path, read to its end and thrown away. It has a key, a
// limiter and a client of its own, so that nothing of the client's is touched: neither its limits nor what is known of it.
import { type Caller, type Route, type Target, modelMatches } from '../../core/directory.ts'
import type { NeutralRequest } from '../../core/neutral.ts'
import { type Plan, type PlanChecks, plan } from '../../core/routing/plan.ts'
import { type Ruling, ruling } from '../../core/routing/route-rules.ts'
import type { RouteTable } from '../../core/routing/route-table.ts'
import { SHADOW_KEY_ID, type ShadowExclusion, type ShadowPolicy } from '../../core/routing/shadow.ts'
import type { Limiter, Services, Speeds } from '../../ports.ts'
import type { Speaker } from '../../protocols/protocol.ts'
import { answerStream } from '../answer/answer-stream.ts'
import { answerWhole } from '../answer/answer-whole.ts'
import { Client } from '../client.ts'
import { outOfBounds } from '../route/data-policy.ts'
import { renamedTo } from '../limits/downgrade.ts'
import type { ReadExchange } from '../exchange.ts'
import { promptTokens } from '../bodies/large-body.ts'
import { preferencesOf } from '../route/preferences.ts'
import { checksOf, neutralFor } from '../route/route.ts'
import { routeFacts } from '../route/route-facts.ts'
import type { SendMirror } from './shadow-draw.ts'
import { situationOf } from '../route/situation.ts'

/** Mirrors under way at once in an isolate, … */
const SHADOWS_MAX = 4
/** … and characters of all their requests: a larger one isn't mirrored. */
const SHADOW_CHARS_MAX = 1_048_576
/** How long a mirror may go on once its client's answer has ended: a Worker may for thirty seconds. */
const AFTER_ANSWER_MS = 20_000
/** One that isn't over by then was lost with its request. */
const LOST_AFTER_MS = 900_000

/** Where a request would be mirrored. */
export interface ShadowPlan {
  /** The request as it is mirrored, but for who asks. */
  readonly exchange: ReadExchange
  readonly plan: Plan
  readonly neutral: NeutralRequest | null
}

/** The route and the targets that a shadow leads to for this caller; or that there are none. */
export function aimOf(
  { tenantId }: Caller,
  shadow: ShadowPolicy,
  table: RouteTable,
): { readonly route: Route; readonly targets: readonly [Target, ...Target[]] } | ShadowExclusion {
  const route = shadow.route === undefined ? routeTo(shadow.target ?? '') : table.byId(shadow.route)
  const isStrange = route === null || (route.tenantId !== null && route.tenantId !== tenantId)
  if (isStrange) return { targetId: shadow.target ?? shadow.route ?? '', reason: 'gone' }
  const aimed = shadow.target === undefined ? null : table.target(shadow.target)
  const [first, ...others] = shadow.target === undefined ? table.targets(route) : aimed === null ? [] : [aimed]
  if (first === undefined) return { targetId: shadow.target ?? route.id, reason: 'gone' }
  return { route, targets: [first, ...others] }
}

/** The plan of a mirror: with one candidate, or with what speaks against it. Asks nobody and takes nothing. */
export function planShadow(
  exchange: ReadExchange,
  live: Route,
  shadow: ShadowPolicy,
  table: RouteTable,
): ShadowPlan | ShadowExclusion {
  const aim = aimOf(exchange.caller, shadow, table)
  if (!('targets' in aim)) return aim
  const { route, targets } = aim
  const [first] = targets
  const asked = shadow.route === undefined ? exchange : renamed(exchange, route)
  const neutral = neutralFor(asked, targets)
  const wanted = preferencesOf(asked, targets)
  if (!neutral.ok || !wanted.ok) {
    const field = neutral.ok ? 'provider' : (neutral.error.field ?? 'model')
    return { targetId: first.id, reason: 'gap', gaps: [{ field, reason: 'it can’t be read' }] }
  }
  const length = (): number => promptTokens(asked.facts, asked.short)
  const checks = checksOf(asked, { route, neutral: neutral.value, length, preferences: wanted.value.preferences })
  const planned = mirrorPlan(asked, { aim, live, checks, length })
  return 'route' in planned ? { exchange: asked, plan: planned, neutral: neutral.value } : planned
}

/** A plan for the first candidate alone, tried once. What the client's own route keeps from a target, it keeps from its mirror. */
export function mirrorPlan(
  exchange: ReadExchange<Speaker>,
  given: {
    readonly aim: { readonly route: Route; readonly targets: readonly [Target, ...Target[]] }
    readonly live: Route
    readonly checks: PlanChecks
    readonly length: () => number
  },
): Plan | ShadowExclusion {
  const { live, checks, length } = given
  const { route, targets } = given.aim
  const facts = routeFacts(exchange, length)
  const ruled = ruling(route.rules, facts)
  const { excludedBy } = ruling(live.rules, facts)
  const against: PlanChecks['against'] = (target) =>
    outOfBounds(exchange.caller, live, target) ?? checks.against?.(target) ?? null
  const both: Ruling = { ...ruled, excludedBy: (target) => excludedBy(target) ?? ruled.excludedBy(target) }
  const made = plan(route, targets, { ...checks, against }, () => situationOf(exchange, length), both)
  const [candidate] = made.candidates
  if (candidate === undefined || ruled.refusal !== null) {
    return made.excluded[0] ?? { targetId: targets[0].id, reason: 'rule', rule: ruled.refusal?.rule ?? '' }
  }
  const own: Route = { ...routeTo(candidate.target.id), id: live.id, allowedGaps: route.allowedGaps }
  // What fails isn't tried again: that is what is to be seen.
  const once = { target: { ...candidate.target, maxRetries: 0 } }
  return { route: own, candidates: [once], excluded: [], by: `shadow of ${live.id}` }
}

/** Whether that is a plan. */
export function isPlanned(planned: ShadowPlan | ShadowExclusion): planned is ShadowPlan {
  return 'plan' in planned
}

/** A route to one target and nobody else. */
function routeTo(targetId: string): Route {
  return { id: '', model: '', tenantId: null, targets: [targetId], allowedGaps: [], midStreamFailover: false }
}

/** The request for the model that a route is for; as it is where the route covers that. */
function renamed(exchange: ReadExchange, { model }: Route): ReadExchange {
  if (model.endsWith('*') || modelMatches(model, exchange.facts.model)) return exchange
  const { downgradedFrom: _, ...names } = renamedTo(exchange, model)
  return { ...exchange, ...names }
}

/** Requests under way, by the isolate's services: when each began, and how long it is. */
const underWay = new WeakMap<Services, Map<string, { readonly sinceMs: number; readonly chars: number }>>()

/** Sends the mirror, if there is room for it, and reads its answer to the end. */
export const mirror: SendMirror<ReadExchange> = (exchange, { route, shadow, table, ended }) =>
  withinBounds(exchange, ended, async (id, signal) => {
    const planned = planShadow(exchange, route, shadow, table)
    if (!isPlanned(planned)) return
    const { preset: _, ...rest } = planned.exchange
    const { plan: own, neutral } = planned
    const asking: ReadExchange = { ...rest, ...asShadow({ id, exchange: rest, plan: own, shadow, signal }) }
    const answer = asking.facts.isStreamed ? answerStream : answerWhole
    const length = promptTokens(asking.facts, asking.short)
    await readToEnd(await answer(asking, { plan: own, neutral }, length, { state: 'off', key: null }))
  })

/** Has a mirror sent, if there is room for it: not more at once, nor longer ones, than an isolate can bear. It is stopped a
 *  while after the client's answer has `ended`. */
export async function withinBounds(
  { services, text }: ReadExchange<Speaker>,
  ended: Promise<unknown>,
  send: (id: string, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const all = underWay.get(services) ?? new Map<string, { readonly sinceMs: number; readonly chars: number }>()
  underWay.set(services, all)
  const nowMs = services.nowMs()
  for (const [id, { sinceMs }] of all) if (nowMs - sinceMs > LOST_AFTER_MS) all.delete(id)
  const chars = [...all.values()].reduce((sum, one) => sum + one.chars, text.length)
  if (services.limiter.admitShadow === undefined || all.size >= SHADOWS_MAX || chars > SHADOW_CHARS_MAX) return
  const id = services.newId()
  all.set(id, { sinceMs: nowMs, chars: text.length })
  const stop = new AbortController()
  let unwatch = (): void => {}
  void ended.then(() => {
    if (!all.has(id)) return
    const timer = setTimeout(() => stop.abort(), AFTER_ANSWER_MS)
    unwatch = () => clearTimeout(timer)
  })
  try {
    await send(id, stop.signal)
  } finally {
    all.delete(id)
    unwatch()
  }
}

/** Nobody wants it. */
export async function readToEnd({ body }: Response): Promise<void> {
  if (body === null) return
  const reader = body.getReader()
  while (!(await reader.read()).done);
}

/** What is different where the same request is asked by nobody in particular. */
export function asShadow<Asked extends ReadExchange<Speaker>>(given: {
  readonly id: string
  readonly exchange: Asked
  readonly plan: Plan
  readonly shadow: ShadowPolicy
  readonly signal: AbortSignal
}) {
  const { id, plan: own, shadow, signal } = given
  const { services, later, options, facts, caller, traceId, requestId }: ReadExchange<Speaker> = given.exchange
  return {
    requestId: id,
    // What it mirrors is found by that.
    traceId: traceId ?? requestId,
    startedAtMs: services.nowMs(),
    spent: { nanoUsd: 0 },
    caller: nobody(caller),
    client: new Client(signal, later),
    facts: { ...facts, endUser: null },
    options: {
      ...options,
      timeoutMs: null,
      attemptTimeoutMs: null,
      idleMs: null,
      isCacheOff: () => true,
      smoothLagMs: () => null,
      isFailoverOff: () => true,
      tags: [],
      costCenter: null,
      endUser: null,
    },
    services: {
      ...services,
      limiter: shadowLimiter(services.limiter, own.route.id, shadow),
      speeds: unheard(services.speeds),
    },
  }
}

function nobody({ endUsers: _users, admitsUnchecked: _unchecked, ...caller }: Caller): Caller {
  return { ...caller, teamId: null, keyId: SHADOW_KEY_ID, costCenter: null, tags: [], cache: OFF }
}

const OFF = { mode: 'off', ttlSeconds: 0 } as const

/** Admits from the shadow's budget. What never was a call is not told of. */
function shadowLimiter(limiter: Limiter, routeId: string, { budgetNanoUsd }: ShadowPolicy): Limiter {
  const budgetOf = budgetNanoUsd === undefined ? null : routeId
  return {
    admit: (path, amounts, template, later, _least, beside = null) =>
      limiter.admitShadow?.({ budgetOf, path, amounts, template, beside }, later) ??
      Promise.resolve({ kind: 'unavailable' }),
    record: () => {},
    limits: (path) => limiter.limits(path),
  }
}

/** A mirror's pace is no word about its target's pace for clients. */
function unheard(speeds: Speeds): Speeds {
  return {
    of: (target) => speeds.of(target),
    note: () => {},
    p95Ms: (target, isStreamed) => speeds.p95Ms(target, isStreamed),
    shares: (targets, model, isStreamed) => speeds.shares(targets, model, isStreamed),
    spared: () => null,
  }
}
