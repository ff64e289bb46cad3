// `POST /v1/route/explain`: what the gateway would do with a request, and why, without calling a provider, admitting or
// charging anything. It asks the very functions that a request goes through. The body is a request of any protocol; which
// one, `?protocol=` says, else the body itself.
import type { Target } from '../core/directory.ts'
import type { JsonObject } from '../core/json.ts'
import { type Exclusion, type Plan, summaryOf } from '../core/plan.ts'
import { ok } from '../core/result.ts'
import type { Later, Services } from '../ports.ts'
import { protocols } from '../protocols/index.ts'
import type { Protocol } from '../protocols/protocol.ts'
import { dialects } from '../dialects/index.ts'
import { authenticate } from './authenticate.ts'
import { clientsGaps } from './dropped.ts'
import { endUserOf } from './end-user.ts'
import { type ReadExchange, begin } from './exchange.ts'
import { tellHealth, tellLateness } from './explain-health.ts'
import { withPreset } from './presets.ts'
import { readRequest } from './read-request.ts'
import { recall } from './recall.ts'
import { refuse } from './refuse.ts'
import { type PlannedRequest, route } from './route.ts'
import { calledTarget, isRefusedUnpriced } from './priced-target.ts'
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
  const routed = preset.ok ? route(exchange, routes) : preset
  const told = {
    object: 'route.explanation',
    request_id: exchange.requestId,
    protocol: protocol.name,
    model: exchange.facts.model,
    preset: exchange.preset ?? null,
    caller: tellCaller(exchange),
  }
  if (routed.ok) return Response.json({ ...told, ...(await tellPlan(exchange, routed.value)) })
  const { status, body } = protocol.fail(routed.error, exchange.requestId)
  return Response.json({ ...told, candidates: [], would_answer: { status, body } })
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
  }
}

async function tellPlan(exchange: ReadExchange, routed: PlannedRequest) {
  const { plan } = routed
  const recalled = await recall(exchange, routed)
  const targets = await Promise.all(plan.candidates.map(async ({ target }) => calledTarget(target, exchange)))
  const health = tellHealth(exchange, targets)
  const candidates = targets.map((target, index) => ({
    ...tellCandidate(exchange, routed, target),
    health: health[index],
  }))
  return {
    prompt_tokens: routed.promptTokens(),
    max_output_tokens: exchange.facts.maxOutputTokens,
    route: { ...tellRoute(plan), ...tellLateness(exchange, plan.route, targets[0]) },
    cache: recalled.state,
    candidates,
    excluded: plan.excluded.map((exclusion) => ({
      target: exclusion.targetId,
      reason: exclusion.reason,
      detail: detailOf(exclusion),
    })),
    summary: summaryOf(plan),
  }
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

function detailOf(exclusion: Exclusion): string {
  switch (exclusion.reason) {
    case 'gap':
      return exclusion.gaps.map(({ field, path, reason }) => `${path ?? field}: ${reason}`).join('; ')
    case 'too-long':
      return `about ${exclusion.promptTokens} tokens of prompt, and it takes ${exclusion.contextTokens}`
    case 'switched-off':
      return exclusion.what === 'target' ? 'switched off by the operator' : `its ${exclusion.what} is switched off`
    case 'data-policy':
      return `the data policy of the ${exclusion.of}: ${exclusion.need}`
    case 'rule':
      return `rule "${exclusion.rule}"`
    case 'preference':
      return `${exclusion.preference} of the request`
  }
}
