// `POST /v1/route/explain`: what the gateway would do with a request, and why, without calling a provider, admitting or
// charging anything. It asks the very functions that a request goes through. The body is a request of any protocol; which
// one, `?protocol=` says, else the body itself.
import type { Target } from '../core/directory.ts'
import type { JsonObject } from '../core/json.ts'
import { type Plan, detailOf, storyOf, summaryOf } from '../core/plan.ts'
import type { DataPolicy } from '../core/data-policy.ts'
import { PASS_THROUGH_USUAL } from '../core/pass-through-policy.ts'
import { ok } from '../core/result.ts'
import type { RouteTable } from '../core/route-table.ts'
import type { CachedReply, Later, Services } from '../ports.ts'
import { protocols } from '../protocols/index.ts'
import type { Protocol } from '../protocols/protocol.ts'
import { dialects } from '../dialects/index.ts'
import { authenticate } from './authenticate.ts'
import { clientsGaps } from './dropped.ts'
import { endUserMissing, endUserOf } from './end-user.ts'
import { type ReadExchange, begin } from './exchange.ts'
import { tellHealth, tellLateness } from './explain-health.ts'
import { tellLimits } from './explain-limits.ts'
import { routeAny } from './next-model.ts'
import { withPreset } from './presets.ts'
import { readRequest } from './read-request.ts'
import { recall } from './recall.ts'
import { refuse } from './refuse.ts'
import { type PlannedRequest, unroutable } from './route.ts'
import { calledTarget, isRefusedUnpriced } from './priced-target.ts'
import { isPlanned, planShadow } from './shadow.ts'
import { situationOf } from './situation.ts'
import { demandOf } from './sizing.ts'

const NANO_PER_USD = 1e9

/** Explains one request. What is wrong with the key or the body is answered as the request itself would be; what its route
 *  says of it is part of the explanation. */
export async function explain(request: Request, services: Services, later: Later): Promise<Response> {
  const asked = begin(request, protocols.get('chat'), services, later)
  const caller = await authenticate(request.headers, services)
  if (!caller.ok) return refuse(asked, caller.error)
  const read = await readRequest(request, { facts: ok })
  if (!read.ok) return refuse(asked, read.error)
  const protocol = await protocolOf(request, read.value.facts)
  const begun = begin(request, protocol, services, later)
  const facts = protocol.facts(read.value.facts)
  if (!facts.ok) return refuse(begun, facts.error)
  const given: ReadExchange = { ...begun, caller: caller.value, ...read.value, facts: facts.value }
  const routes = await services.directory.routes(later)
  if (routes === null) return refuse(begun, { kind: 'directory-unavailable' })
  const preset = withPreset(given, routes)
  const exchange = preset.ok ? preset.value : given
  const unnamed = endUserMissing(exchange)
  const against = preset.ok ? unnamed : preset.error
  const routed = against === null ? routeAny(exchange, routes) : unroutable(against)
  const told = {
    object: 'route.explanation',
    request_id: exchange.requestId,
    protocol: protocol.name,
    model: exchange.facts.model,
    preset: exchange.preset ?? null,
    caller: tellCaller(exchange),
  }
  if (routed.ok) {
    const planned = await tellPlan(routed.value.exchange, routed.value.routed, routes)
    return Response.json({ ...told, ...planned })
  }
  const { failure, plan } = routed.error
  const { status, body } = protocol.fail(failure, exchange.requestId)
  const planned = plan === null ? {} : { route: tellRoute(plan), ...tellOthers(plan) }
  return Response.json({ ...told, candidates: [], ...planned, would_answer: { status, body } })
}

/** The protocol that a body is for: named by `?protocol=`, else told by members that only it has. */
function protocolOf(request: Request, body: JsonObject): Promise<Protocol> {
  const named = new URL(request.url).searchParams.get('protocol')
  if (named !== null && protocols.has(named)) return protocols.of(named).load()
  if (body['messages'] === undefined && body['prompt'] !== undefined) return protocols.of('completions').load()
  if (body['messages'] === undefined && body['input'] !== undefined) return protocols.of('responses').load()
  const isAnthropics = request.headers.has('anthropic-version') || body['system'] !== undefined
  return protocols.of(isAnthropics ? 'messages' : 'chat').load()
}

function tellCaller(exchange: ReadExchange) {
  const { caller } = exchange
  return {
    tenant_id: caller.tenantId,
    team_id: caller.teamId,
    key_id: caller.keyId,
    allowed_models: caller.allowedModels,
    cost_center: caller.costCenter,
    tags: caller.tags,
    end_user: endUserOf(exchange),
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

async function tellPlan(exchange: ReadExchange, routed: PlannedRequest, table: RouteTable) {
  const { plan } = routed
  const recalled = await recall(exchange, routed)
  const targets = await Promise.all(plan.candidates.map(async ({ target }) => calledTarget(target, exchange)))
  const health = await tellHealth(exchange, targets)
  const limits = await tellLimits(exchange, routed.promptTokens(), targets)
  const [first] = targets
  const candidates = targets.map((target, index) => ({
    ...tellCandidate(exchange, routed, target),
    health: health[index],
    limits: limits.each[index] ?? null,
  }))
  return {
    prompt_tokens: routed.promptTokens(),
    max_output_tokens: exchange.facts.maxOutputTokens,
    route: { ...tellRoute(plan), ...tellLateness(exchange, plan.route, first) },
    cache: recalled.state,
    cached: recalled.state === 'hit' ? tellCached(exchange, recalled.entry) : null,
    limits: limits.first,
    candidates,
    shadow: tellShadow(exchange, plan, table),
    ...tellOthers(plan),
  }
}

/** Who isn't asked, and the plan as answers tell it and as the ledger keeps it. */
function tellOthers(plan: Plan) {
  const excluded = plan.excluded.map((exclusion) => {
    return { target: exclusion.targetId, reason: exclusion.reason, detail: detailOf(exclusion) }
  })
  return { excluded, summary: summaryOf(plan), story: storyOf(plan) }
}

/** The reply that the request would get in place of a provider's. */
function tellCached({ services }: ReadExchange, { targetId, provider, model, storedAtMs, costNanoUsd }: CachedReply) {
  const age_seconds = Math.max(0, Math.floor((services.nowMs() - storedAtMs) / 1000))
  return { target: targetId, provider, model, age_seconds, saves_usd: costNanoUsd / NANO_PER_USD }
}

/** Where the request would be mirrored, or why it wouldn't; null where its route has no shadow. */
function tellShadow(exchange: ReadExchange, { route: found }: Plan, table: RouteTable) {
  const { shadow } = found
  if (shadow === undefined) return null
  const planned = planShadow(exchange, found, shadow, table)
  const { percent, budgetNanoUsd } = shadow
  const told = { percent, budget_usd: budgetNanoUsd === undefined ? null : budgetNanoUsd / NANO_PER_USD }
  if (isPlanned(planned)) {
    const [candidate] = planned.plan.candidates
    return { ...told, target: candidate?.target.id ?? null, model: planned.exchange.facts.model, excluded: null }
  }
  const detail = planned.reason === 'gone' ? 'there is no such target or route' : detailOf(planned)
  return { ...told, target: null, model: null, excluded: { target: planned.targetId, reason: planned.reason, detail } }
}

function tellRoute({ route: found, rule }: Plan) {
  return {
    id: found.id,
    model: found.model,
    tenant_id: found.tenantId,
    strategy: found.group?.strategy ?? 'priority',
    rule: rule ?? null,
    allowed_gaps: found.allowedGaps,
  }
}

function tellCandidate(exchange: ReadExchange, routed: PlannedRequest, target: Target) {
  const { services, protocol } = exchange
  const situation = situationOf(exchange, routed.promptTokens)
  const dialect = dialects.get(target.dialect)
  const isNative = dialect.nativeWire(target) === protocol.wire
  const gaps = isNative || routed.neutral === null ? [] : clientsGaps(dialect, routed.neutral, target)
  const cost = situation.costNanoUsd(target)
  const speed = services.speeds.of(target)
  return {
    target: target.id,
    provider: target.provider,
    model: target.model,
    dialect: target.dialect,
    lane: isNative ? 'native' : 'translated',
    dropped: gaps.map(({ field }) => field),
    price_version: target.priceVersion,
    is_unpriced: target.price === null,
    is_refused_unpriced: isRefusedUnpriced(target, exchange),
    estimated_cost_usd: cost === null ? null : cost / NANO_PER_USD,
    ttft_ms: speed === null ? null : Math.round(speed.ttftMs),
    tokens_per_second: speed === null || speed.tokensPerSecond === 0 ? null : Math.round(speed.tokensPerSecond),
    in_flight: services.breakers.inFlight(target),
    has_limits: target.hasLimits === true,
    provider_limit: tellShortage(exchange, routed, target),
  }
}

/** The limit of the provider's own that has no room for this request now, so that others come first; null for none. */
function tellShortage(exchange: ReadExchange, routed: PlannedRequest, target: Target) {
  const amountsOf = () => demandOf(exchange, { promptTokens: routed.promptTokens() }, target).amounts
  const shortage = exchange.services.headroom.shortage(target, amountsOf)
  if (shortage === null) return null
  const { unit, left, resetsAtMs } = shortage
  return { unit, left, resets_after_ms: resetsAtMs - exchange.services.nowMs() }
}
