// `GET /v1/models` and `/v1/models/{id}`: what this key may ask for, in OpenAI's form, or in Anthropic's for a client that
// says so with `anthropic-version`. What we know of a model besides stands under `tidegate`.
// https://platform.openai.com/docs/api-reference/models, https://docs.anthropic.com/en/api/models-list (read 2026-11-21)
import { findCapabilities } from '../catalog/models.ts'
import type { Caller, ModelCapabilities, Route, Target } from '../core/directory.ts'
import type { JsonObject } from '../core/json.ts'
import { PRESET_MARK } from '../core/routing/preset-mark.ts'
import { type Result, err, ok } from '../core/result.ts'
import type { Failure } from '../core/failure.ts'
import type { RouteTable } from '../core/routing/route-table.ts'
import type { Later, Services } from '../ports.ts'
import { chat } from '../protocols/chat/index.ts'
import { messages } from '../protocols/messages/index.ts'
import type { Protocol } from '../protocols/protocol.ts'
import { withoutUndefined } from '../wire/write.ts'
import { authenticate } from './authenticate.ts'
import { begin } from './exchange.ts'
import { type UsablePreset, usablePreset } from './route/presets.ts'
import { calledTarget } from './route/priced-target.ts'
import { refuse } from './refuse.ts'
import { isAllowed } from './route/route.ts'

/** Models of one page in Anthropic's form. */
const PAGE_MAX = 1_000
const PAGE_USUAL = 20

/** What a key may ask for, and where it would go. */
interface Access {
  readonly caller: Caller
  readonly table: RouteTable
  readonly services: Services
}

/** What is listed: a model by its route, or a preset that leads to one. */
interface Listed {
  readonly id: string
  readonly route: Route
  readonly preset?: UsablePreset
}

/** The models of the key's tenant that the key is allowed, and the presets that come to such a model. A prefix route is listed
 *  as it is written, `*` included. */
export async function listModels(request: Request, services: Services, later: Later): Promise<Response> {
  const exchange = begin(request, speaker(request), services, later)
  const access = await accessOf(request, services, later)
  if (!access.ok) return refuse(exchange, access.error)
  const { caller, table } = access.value
  const routes = new Map<string, Route>()
  // A tenant's own route is the one that is followed.
  for (const route of table.models(caller.tenantId)) {
    if (isAllowed(caller, route.model) && routes.get(route.model)?.tenantId !== caller.tenantId) {
      routes.set(route.model, route)
    }
  }
  const headers = { 'x-request-id': exchange.requestId, 'x-tidegate-request-id': exchange.requestId }
  const models: readonly Listed[] = [
    ...[...routes.values()].map((route) => ({ id: route.model, route })),
    ...table.presets(caller.tenantId).flatMap(({ name }) => listedPreset(caller, table, PRESET_MARK + name)),
  ]
  if (isAnthropic(request)) {
    return Response.json(await page(new URL(request.url).searchParams, models, access.value), { headers })
  }
  const data = await Promise.all(models.map((model) => openaiModel(model, access.value)))
  return Response.json({ object: 'list', data }, { headers })
}

/** One model by its name, which may have slashes in it and may be covered by a prefix route. */
export async function retrieveModel(request: Request, id: string, services: Services, later: Later): Promise<Response> {
  const exchange = begin(request, speaker(request), services, later)
  const access = await accessOf(request, services, later)
  if (!access.ok) return refuse(exchange, access.error)
  const { caller, table } = access.value
  const listed = listedAs(caller, table, id)
  if (!listed.ok) return refuse(exchange, listed.error)
  const model = await (isAnthropic(request) ? anthropicModel : openaiModel)(listed.value, access.value)
  return Response.json(model, {
    headers: { 'x-request-id': exchange.requestId, 'x-tidegate-request-id': exchange.requestId },
  })
}

function listedAs(caller: Caller, table: RouteTable, id: string): Result<Listed, Failure> {
  const [preset] = listedPreset(caller, table, id)
  if (preset !== undefined) return ok(preset)
  const route = table.find(caller.tenantId, id)
  if (route === null) return err({ kind: 'model-not-found', model: id })
  return isAllowed(caller, id) ? ok({ id, route }) : err({ kind: 'model-not-allowed', model: id })
}

/** None where `id` names no preset that the key may use. */
function listedPreset(caller: Caller, table: RouteTable, id: string): readonly Listed[] {
  const preset = usablePreset(caller, table, id)
  return preset === null ? [] : [{ id, route: preset.route, preset }]
}

function isAnthropic(request: Request): boolean {
  return request.headers.has('anthropic-version')
}

function speaker(request: Request): Protocol {
  return isAnthropic(request) ? messages : chat
}

async function accessOf(request: Request, services: Services, later: Later): Promise<Result<Access, Failure>> {
  const caller = await authenticate(request.headers, services)
  if (!caller.ok) return caller
  const table = await services.directory.routes(later)
  return table === null ? err({ kind: 'directory-unavailable' }) : ok({ caller: caller.value, table, services })
}

async function openaiModel(listed: Listed, access: Access): Promise<JsonObject> {
  const { id } = listed
  return { id, object: 'model', created: 0, owned_by: 'tidegate', tidegate: await toldOf(listed, access) }
}

async function anthropicModel(listed: Listed, access: Access): Promise<JsonObject> {
  const { id } = listed
  const created_at = '1970-01-01T00:00:00Z'
  return { type: 'model', id, display_name: id, created_at, tidegate: await toldOf(listed, access) }
}

/** What is known of the model; of a preset that it is one, and what is known of the model that it comes to. */
async function toldOf({ id, route, preset }: Listed, access: Access): Promise<JsonObject> {
  if (preset === undefined) return knownOf(id, route, access)
  return { preset: preset.name, model: preset.model, ...(await knownOf(preset.model, route, access)) }
}

/** Context window, abilities and price of the first target, which usually serves; the providers of all. */
async function knownOf(id: string, route: Route, access: Access): Promise<JsonObject> {
  const targets = access.table.targets(route)
  const [first] = targets
  const model = first === undefined || first.model === '*' ? id : first.model
  const { contextTokens, outputTokens, ...abilities } = first?.capabilities ?? capabilitiesOf(model)
  return withoutUndefined({
    context_window: contextTokens,
    max_output_tokens: outputTokens,
    capabilities: Object.keys(abilities).length === 0 ? undefined : { ...abilities },
    ...(first === undefined ? {} : await chargeOf(id, first, access)),
    providers: [...new Set(targets.map(({ provider }) => provider))],
  })
}

/** Whether a model has a price, and what becomes of it if not. Nothing is known of what a prefix passes on. */
async function chargeOf(id: string, first: Target, { caller, services }: Access): Promise<JsonObject> {
  if (first.model === '*' && id.endsWith('*')) return {}
  const asking = { caller, services, facts: { model: id }, startedAtMs: services.nowMs() }
  const { price, priceVersion } = await calledTarget(first, asking)
  if (price !== null) return { is_unpriced: false, price_version: priceVersion }
  const { action } = services.prices.unpriced(caller)
  return { is_unpriced: true, price_version: null, unpriced: action }
}

/** Nothing is known of what a prefix covers. */
function capabilitiesOf(model: string): ModelCapabilities {
  return model.endsWith('*') ? {} : findCapabilities(model)
}

async function page(query: URLSearchParams, listed: readonly Listed[], access: Access): Promise<JsonObject> {
  const limit = Math.min(PAGE_MAX, Math.max(1, Math.floor(Number(query.get('limit') ?? PAGE_USUAL)) || PAGE_USUAL))
  const before = query.get('before_id')
  const indexOf = (id: string | null): number => listed.findIndex((one) => one.id === id)
  const end = before === null ? listed.length : Math.max(0, indexOf(before))
  const start = before === null ? indexOf(query.get('after_id')) + 1 : Math.max(0, end - limit)
  const shown = listed.slice(start, Math.min(end, start + limit))
  const has_more = before === null ? start + limit < listed.length : start > 0
  const ids = { first_id: shown[0]?.id ?? null, last_id: shown.at(-1)?.id ?? null }
  return { data: await Promise.all(shown.map((one) => anthropicModel(one, access))), has_more, ...ids }
}
