// The mirror of a request: planned by the same checks, sent by the same path, read to its end and thrown away. It has a key, a
// limiter and a client of its own, so that nothing of the client's is touched: neither its limits nor what is known of it.
import { type Caller, type Route, modelMatches } from '../core/directory.ts'
import type { NeutralRequest } from '../core/neutral.ts'
import { type Plan, type PlanChecks, plan } from '../core/plan.ts'
import { type Ruling, ruling } from '../core/route-rules.ts'
import type { RouteTable } from '../core/route-table.ts'
import { SHADOW_KEY_ID, type ShadowExclusion, type ShadowPolicy } from '../core/shadow.ts'
import type { Limiter, Services, Speeds } from '../ports.ts'
import { answerStream } from './answer-stream.ts'
import { answerWhole } from './answer-whole.ts'
import { Client } from './client.ts'
import { outOfBounds } from './data-policy.ts'
import { renamedTo } from './downgrade.ts'
import type { ReadExchange } from './exchange.ts'
import { promptTokens } from './large-body.ts'
import { preferencesOf } from './preferences.ts'
import { checksOf, neutralFor } from './route.ts'
import { routeFacts } from './route-facts.ts'
import { situationOf } from './situation.ts'

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

/** The plan of a mirror: with one candidate, or with what speaks against it. Asks nobody and takes nothing. */
export function planShadow(
  exchange: ReadExchange,
  live: Route,
  shadow: ShadowPolicy,
  table: RouteTable,
): ShadowPlan | ShadowExclusion {
  const route = shadow.route === undefined ? routeTo(shadow.target ?? '') : table.byId(shadow.route)
  const isStrange = route === null || (route.tenantId !== null && route.tenantId !== exchange.caller.tenantId)
  if (isStrange) return { targetId: shadow.target ?? shadow.route ?? '', reason: 'gone' }
  const asked = shadow.route === undefined ? exchange : renamed(exchange, route)
  const aimed = shadow.target === undefined ? null : table.target(shadow.target)
  const targets = shadow.target === undefined ? table.targets(route) : aimed === null ? [] : [aimed]
  const [first] = targets
  if (first === undefined) return { targetId: shadow.target ?? route.id, reason: 'gone' }
  const neutral = neutralFor(asked, targets)
  const wanted = preferencesOf(asked, targets)
  if (!neutral.ok || !wanted.ok) {
    const field = neutral.ok ? 'provider' : (neutral.error.field ?? 'model')
    return { targetId: first.id, reason: 'gap', gaps: [{ field, reason: 'it can’t be read' }] }
  }
  const length = (): number => promptTokens(asked.facts, asked.short)
  const checks = checksOf(asked, { route, neutral: neutral.value, length, preferences: wanted.value.preferences })
  const facts = routeFacts(asked, length)
  const ruled = ruling(route.rules, facts)
  // What the client's own route keeps from a target, it keeps from its mirror.
  const { excludedBy } = ruling(live.rules, facts)
  const against: PlanChecks['against'] = (target) =>
    outOfBounds(exchange.caller, live, target) ?? checks.against?.(target) ?? null
  const both: Ruling = { ...ruled, excludedBy: (target) => excludedBy(target) ?? ruled.excludedBy(target) }
  const made = plan(route, targets, { ...checks, against }, () => situationOf(asked, length), both)
  const [candidate] = made.candidates
  if (candidate === undefined || ruled.refusal !== null) {
    return made.excluded[0] ?? { targetId: first.id, reason: 'rule', rule: ruled.refusal?.rule ?? '' }
  }
  const own: Route = { ...routeTo(candidate.target.id), id: live.id, allowedGaps: route.allowedGaps }
  // What fails isn't tried again: that is what is to be seen.
  const once = { target: { ...candidate.target, maxRetries: 0 } }
  return {
    exchange: asked,
    plan: { route: own, candidates: [once], excluded: [], by: `shadow of ${live.id}` },
    neutral: neutral.value,
  }
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

/** Sends the mirror, if there is room for it, and reads its answer to the end. `ended`: when the client's answer has. */
export async function mirror(
  exchange: ReadExchange,
  route: Route,
  shadow: ShadowPolicy,
  table: RouteTable,
  ended: Promise<unknown>,
): Promise<void> {
  const { services } = exchange
  const all = underWay.get(services) ?? new Map<string, { readonly sinceMs: number; readonly chars: number }>()
  underWay.set(services, all)
  const nowMs = services.nowMs()
  for (const [id, { sinceMs }] of all) if (nowMs - sinceMs > LOST_AFTER_MS) all.delete(id)
  const chars = [...all.values()].reduce((sum, one) => sum + one.chars, exchange.text.length)
  if (services.limiter.admitShadow === undefined || all.size >= SHADOWS_MAX || chars > SHADOW_CHARS_MAX) return
  const planned = planShadow(exchange, route, shadow, table)
  if (!isPlanned(planned)) return
  const id = services.newId()
  all.set(id, { sinceMs: nowMs, chars: exchange.text.length })
  const stop = new AbortController()
  let unwatch = (): void => {}
  void ended.then(() => {
    if (!all.has(id)) return
    const timer = setTimeout(() => stop.abort(), AFTER_ANSWER_MS)
    unwatch = () => clearTimeout(timer)
  })
  try {
    await send(id, planned, shadow, stop.signal)
  } finally {
    all.delete(id)
    unwatch()
  }
}

async function send(id: string, planned: ShadowPlan, shadow: ShadowPolicy, signal: AbortSignal): Promise<void> {
  const exchange = asShadow(id, planned, shadow, signal)
  const { plan: own, neutral } = planned
  const answer = exchange.facts.isStreamed ? answerStream : answerWhole
  const length = promptTokens(exchange.facts, exchange.short)
  const response = await answer(exchange, { plan: own, neutral }, length, { state: 'off', key: null })
  if (response.body === null) return
  const reader = response.body.getReader()
  while (!(await reader.read()).done);
}

/** The same request, asked by nobody in particular. */
function asShadow(
  id: string,
  { exchange, plan: { route } }: ShadowPlan,
  shadow: ShadowPolicy,
  signal: AbortSignal,
): ReadExchange {
  const { services, later, options, facts } = exchange
  const { preset: _, ...rest } = exchange
  return {
    ...rest,
    requestId: id,
    // What it mirrors is found by that.
    traceId: exchange.traceId ?? exchange.requestId,
    startedAtMs: services.nowMs(),
    caller: nobody(exchange.caller),
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
      limiter: shadowLimiter(services.limiter, route.id, shadow),
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
