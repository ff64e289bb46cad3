// What an explanation tells of a plan, whoever would serve the request: each candidate with its cost, speed, health and limits,
// who isn't asked and why, and the plan as answers and the ledger have it.
import type { DataPolicy } from '../../core/routing/data-policy.ts'
import type { Caller, Route, Target } from '../../core/directory.ts'
import { PASS_THROUGH_USUAL } from '../../core/guard/pass-through-policy.ts'
import { type Plan, detailOf, storyOf, summaryOf } from '../../core/routing/plan.ts'
import type { ShadowExclusion, ShadowPolicy } from '../../core/routing/shadow.ts'
import type { Speaker } from '../../protocols/protocol.ts'
import type { ReadExchange } from '../exchange.ts'
import { tellHealth, tellLateness } from './explain-health.ts'
import { tellLimits } from './explain-limits.ts'
import { calledTarget, isRefusedUnpriced } from '../route/priced-target.ts'
import { situationOf } from '../route/situation.ts'
import { demandOf } from '../limits/sizing.ts'

export const NANO_PER_USD = 1e9

/** A request that was planned, as far as everyone's are alike. */
export interface Explained {
  readonly exchange: ReadExchange<Speaker>
  readonly plan: Plan
  readonly promptTokens: () => number
  /** As in `AttemptPlan`. */
  readonly isBoundable?: true
  /** How it goes to a target, and what it loses on the way. */
  readonly laneAt: (target: Target) => { readonly lane: string; readonly dropped: readonly string[] }
}

/** Who asks. */
export function tellCaller(caller: Caller, endUser: string | null) {
  return {
    tenant_id: caller.tenantId,
    team_id: caller.teamId,
    key_id: caller.keyId,
    allowed_models: caller.allowedModels,
    cost_center: caller.costCenter,
    tags: caller.tags,
    end_user: endUser,
    cache: { mode: caller.cache.mode, ttl_seconds: caller.cache.ttlSeconds },
    data_policies: (caller.dataPolicies ?? []).map(({ of, policy }) => ({ of, ...tellDataPolicy(policy) })),
    pass_through: caller.passThrough ?? PASS_THROUGH_USUAL,
  }
}

function tellDataPolicy({ regions, noTraining, zeroRetention }: DataPolicy) {
  return {
    data_region: regions ?? null,
    data_collection: noTraining === true ? 'deny' : 'allow',
    zdr: zeroRetention === true,
  }
}

/** A plan with candidates. Nothing is taken, and no provider asked. */
export async function tellPlan(explained: Explained) {
  const { exchange, plan, promptTokens, isBoundable } = explained
  const targets = await Promise.all(plan.candidates.map(async ({ target }) => calledTarget(target, exchange)))
  const health = await tellHealth(exchange, targets)
  const purpose = { promptTokens: promptTokens(), ...(isBoundable === undefined ? {} : { isBoundable }) }
  const limits = await tellLimits(exchange, purpose, targets)
  const [first] = targets
  const candidates = targets.map((target, index) => ({
    ...tellCandidate(explained, target),
    health: health[index],
    limits: limits.each[index] ?? null,
  }))
  const lateness = tellLateness(exchange, plan.route, first)
  return {
    prompt_tokens: purpose.promptTokens,
    max_output_tokens: exchange.facts.maxOutputTokens,
    // A second attempt is made of what has a bound.
    route: { ...tellRoute(plan), ...lateness, hedge: isBoundable === true ? lateness.hedge : null },
    limits: limits.first,
    candidates,
    ...tellOthers(plan),
  }
}

/** A plan without any. */
export function tellEmptyPlan(plan: Plan | null) {
  return plan === null ? {} : { route: tellRoute(plan), ...tellOthers(plan) }
}

/** Who isn't asked, and the plan as answers tell it and as the ledger keeps it. */
function tellOthers(plan: Plan) {
  const excluded = plan.excluded.map((exclusion) => {
    return { target: exclusion.targetId, reason: exclusion.reason, detail: detailOf(exclusion) }
  })
  return { excluded, summary: summaryOf(plan), story: storyOf(plan) }
}

/** Why a task isn't mirrored though its route is. */
const OF_A_FORM = 'a form is sent on as it comes, to one provider'

/** Where the request would be mirrored, or why it wouldn't; null where its route has no shadow. `planned`: null for a form. */
export function tellShadow(
  { shadow }: Route,
  planned: (
    shadow: ShadowPolicy,
  ) => { readonly plan: Plan; readonly exchange: Pick<ReadExchange<Speaker>, 'facts'> } | ShadowExclusion | null,
) {
  if (shadow === undefined) return null
  const { percent, budgetNanoUsd } = shadow
  const told = { percent, budget_usd: budgetNanoUsd === undefined ? null : budgetNanoUsd / NANO_PER_USD }
  const made = planned(shadow)
  if (made === null) {
    const excluded = { target: shadow.target ?? shadow.route ?? '', reason: 'form', detail: OF_A_FORM }
    return { ...told, target: null, model: null, excluded }
  }
  if ('plan' in made) {
    const [candidate] = made.plan.candidates
    return { ...told, target: candidate?.target.id ?? null, model: made.exchange.facts.model, excluded: null }
  }
  const detail = made.reason === 'gone' ? 'there is no such target or route' : detailOf(made)
  return { ...told, target: null, model: null, excluded: { target: made.targetId, reason: made.reason, detail } }
}

function tellRoute({ route: found, rule, by }: Plan) {
  return {
    id: found.id,
    model: found.model,
    tenant_id: found.tenantId,
    strategy: by ?? found.group?.strategy ?? 'priority',
    rule: rule ?? null,
    allowed_gaps: found.allowedGaps,
  }
}

function tellCandidate({ exchange, promptTokens, laneAt }: Explained, target: Target) {
  const { services } = exchange
  const cost = situationOf(exchange, promptTokens).costNanoUsd(target)
  const known = services.speeds.of(target)
  const speed = known === 'tried-elsewhere' ? null : known
  return {
    target: target.id,
    provider: target.provider,
    model: target.model,
    dialect: target.dialect,
    ...laneAt(target),
    price_version: target.priceVersion,
    is_unpriced: target.price === null,
    is_refused_unpriced: isRefusedUnpriced(target, exchange),
    estimated_cost_usd: cost === null ? null : cost / NANO_PER_USD,
    ttft_ms: speed === null ? null : Math.round(speed.ttftMs),
    tokens_per_second: speed === null || speed.tokensPerSecond === 0 ? null : Math.round(speed.tokensPerSecond),
    in_flight: services.breakers.inFlight(target),
    has_limits: target.hasLimits === true,
    provider_limit: tellShortage(exchange, promptTokens, target),
  }
}

/** The limit of the provider's own that has no room for this request now, so that others come first; null for none. */
function tellShortage(exchange: ReadExchange<Speaker>, promptTokens: () => number, target: Target) {
  const amountsOf = () => demandOf(exchange, { promptTokens: promptTokens() }, target).amounts
  const shortage = exchange.services.headroom.shortage(target, amountsOf)
  if (shortage === null) return null
  const { unit, left, resetsAtMs } = shortage
  return { unit, left, resets_after_ms: resetsAtMs - exchange.services.nowMs() }
}
