// What becomes of a passed-through request, as far as nothing is sent: who asks, which target its path and its body lead to, and
// what speaks against that. Explanations ask the same.
import { findProvider } from '../../catalog/providers.ts'
import type { Caller, Target } from '../../core/directory.ts'
import { estimateTokens } from '../../core/estimate/estimate.ts'
import type { Failure } from '../../core/failure.ts'
import { type JsonObject, isJsonObject, parseJson } from '../../core/json.ts'
import type { Plan } from '../../core/routing/plan.ts'
import { FREE } from '../../core/money/price.ts'
import type { RouteTable } from '../../core/routing/route-table.ts'
import { dialects } from '../../dialects/index.ts'
import type { Later, Services } from '../../ports.ts'
import type { RequestFacts, Speaker } from '../../protocols/protocol.ts'
import { objectOf, stringOf } from '../../wire/read.ts'
import { authenticate } from '../authenticate.ts'
import { concreteTarget } from '../route/concrete-target.ts'
import { dataFailure, outOfBounds } from '../route/data-policy.ts'
import { endUserMissing } from '../limits/end-user.ts'
import { type Exchange, type ReadExchange, begin } from '../exchange.ts'
import { outputBoundOf } from './pass-through-bound.ts'
import { keyOf } from './pass-through-headers.ts'
import { loadWireOf } from './pass-through-meter.ts'
import {
  type Asked,
  type Choice,
  type Opening,
  type Reachable,
  againstRules,
  choose,
  openings,
} from './pass-through-rights.ts'
import { speakerAtProvider, speakerFor } from './pass-through-speaker.ts'
import { DISCARDED_BYTES_MAX, REQUEST_BYTES_MAX, discard } from '../read-request.ts'

/** What a body that isn't text counts for a limit. Tokens. */
const FLAT_TOKENS = 100

/** The way to a provider for one request: where it goes, with the target as it is called there. */
export interface Way extends Choice {
  readonly name: string
}

export interface PassedBody {
  /** Text of a JSON body; null for any other, which is sent as it comes. */
  readonly text: string | null
  readonly bytes: ArrayBuffer | null
  readonly json: JsonObject
}

/** A request that may go its way. */
export interface PassedRequest {
  readonly exchange: ReadExchange<Speaker>
  readonly way: Way
  readonly plan: Plan
  readonly body: PassedBody
  readonly promptTokens: number
}

/** One that may not. `plan` is null where it came to none. */
export interface PassRefused {
  readonly exchange: Exchange<Speaker>
  readonly failure: Failure
  readonly plan: Plan | null
}

/** Plans a request that is to be passed through, and reads its body where it is JSON. Null where its path names no provider that
 *  this caller can reach, `methods` for a question after those. */
export async function planPassThrough(
  request: Request,
  services: Services,
  later: Later,
): Promise<PassedRequest | PassRefused | 'methods' | null> {
  const url = new URL(request.url)
  const [, name = ''] = url.pathname.split('/')
  const asked: Asked = { name, method: request.method, path: url.pathname.slice(name.length + 1) }
  const provider = findProvider(name)
  const begun = begin(request, await speakerAtProvider(url.pathname, provider?.dialect), services, later)
  const caller = await authenticate(keyOf(request, url), services)
  if (provider !== undefined && request.method === 'OPTIONS') return 'methods'
  if (!caller.ok) return provider === undefined ? null : refused(begun, caller.error)
  const table = await services.directory.routes(later)
  if (table === null) return refused(begun, { kind: 'directory-unavailable' })
  const routed = reachableBy(caller.value, name, table)
  const kept = routed.map(({ route, target }) => outOfBounds(caller.value, route, target))
  const reachable = switchedOn(
    routed.filter((_, at) => kept[at] === null),
    services,
  )
  const [first] = reachable
  if (first === undefined) {
    const outside = dataFailure(
      name,
      kept.flatMap((breach) => breach ?? []),
    )
    if (outside === null) return null
    if (request.body !== null) await discard(request.body)
    return refused(begun, outside)
  }
  const protocol = provider === undefined ? await speakerFor(first.target.dialect) : begun.protocol
  const exchange = { ...begun, protocol }
  const open = openings(caller.value, reachable, asked)
  if (!open.ok) {
    if (request.body !== null) await discard(request.body)
    return refused(exchange, open.error)
  }
  return planOpen(exchange, caller.value, { request, asked, open: open.value })
}

/** Plans what is the caller's to ask as far as its path tells. */
async function planOpen(
  begun: Exchange<Speaker>,
  caller: Caller,
  { request, asked, open }: { readonly request: Request; readonly asked: Asked; readonly open: readonly Opening[] },
): Promise<PassedRequest | PassRefused> {
  const body = await readBody(request)
  if (body === null) return refused(begun, { kind: 'request-too-large', limitBytes: REQUEST_BYTES_MAX })
  const chosen = choose(caller, open, body.json, asked)
  const failure = chosen.ok ? unsignable(request, body, chosen.value.target) : chosen.error
  if (failure !== null || !chosen.ok) return refused(begun, failure ?? NOT_LOADED)
  if (!(await loadWireOf(chosen.value.inference, begun.services.log))) return refused(begun, NOT_LOADED)
  const way = await wayOf(chosen.value, asked.name, begun.services.priceList)
  const exchange: ReadExchange<Speaker> = {
    ...begun,
    caller,
    facts: factsOf(body, way),
    text: body.text ?? '',
    bytes: body.bytes,
    body: () => body.json,
    short: null,
  }
  const promptTokens = promptTokensOf(request, body)
  const plan = planOf(way)
  const against =
    offFailure(exchange, chosen.value) ??
    exchange.options.mistaken ??
    endUserMissing(exchange) ??
    againstRules(exchange, way, () => promptTokens)
  return against === null ? { exchange, way, plan, body, promptTokens } : refused(exchange, against, plan)
}

const NOT_LOADED: Failure = { kind: 'not-loaded' }

function refused(exchange: Exchange<Speaker>, failure: Failure, plan: Plan | null = null): PassRefused {
  return { exchange, failure, plan }
}

/** A body has to be whole to be signed. */
function unsignable(request: Request, body: PassedBody, { auth, dialect }: Target): Failure | null {
  if (body.text !== null || request.body === null) return null
  if ((auth ?? dialects.get(dialect).auth) !== 'aws-sigv4') return null
  return { kind: 'unsupported-media-type', received: request.headers.get('content-type') ?? '' }
}

function promptTokensOf(request: Request, { text }: PassedBody): number {
  if (text !== null) return Math.max(1, estimateTokens(text))
  return request.body === null ? 1 : FLAT_TOKENS
}

/** The path chose, not the route. */
function planOf({ route, target }: Way): Plan {
  return { route, candidates: [{ target }], excluded: [], by: 'named by the path' }
}

/** The body of a JSON request, whole; any other is left unread. Null when it is too large. */
async function readBody(request: Request): Promise<PassedBody | null> {
  const isJson = /^application\/([\w.+-]+\+)?json\b/i.test(request.headers.get('content-type') ?? '')
  if (request.body === null || !isJson) return { text: null, bytes: null, json: {} }
  if (Number(request.headers.get('content-length') ?? 0) > REQUEST_BYTES_MAX) {
    await discard(request.body)
    return null
  }
  const bytes = await boundedBytes(request.body)
  if (bytes === null) return null
  const text = new TextDecoder().decode(bytes)
  const json = parseJson(text)
  return { text, bytes, json: isJsonObject(json) ? json : {} }
}

async function boundedBytes(body: ReadableStream<Uint8Array>): Promise<ArrayBuffer | null> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of body) {
    length += chunk.byteLength
    if (length > REQUEST_BYTES_MAX + DISCARDED_BYTES_MAX) return null
    if (length <= REQUEST_BYTES_MAX) chunks.push(chunk)
  }
  if (length > REQUEST_BYTES_MAX) return null
  const bytes = new Uint8Array(length)
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.byteLength
  }
  return bytes.buffer
}

/** The targets that the tenant's routes reach, of the provider or with the id `name`. A provider without an address of its own
 *  is many servers: those are named by id. */
function reachableBy(caller: Caller, name: string, table: RouteTable): readonly Reachable[] {
  const isOneProvider = (findProvider(name)?.baseUrl ?? null) !== null
  const isMeant = (target: Target): boolean => target.id === name || (isOneProvider && target.provider === name)
  return table
    .models(caller.tenantId)
    .flatMap((route) => table.targets(route).flatMap((target) => (isMeant(target) ? [{ route, target }] : [])))
}

/** Those that aren't switched off, if there are any. */
function switchedOn(reachable: readonly Reachable[], { switches }: Services): readonly Reachable[] {
  const on = reachable.filter(({ target }) => switches.ofTarget(target, target.model) === null)
  return on.length > 0 ? on : reachable
}

function offFailure({ facts, services }: ReadExchange<Speaker>, { target, model }: Choice): Failure | null {
  const what = services.switches.ofModel(facts.model)
    ? 'model'
    : services.switches.ofTarget(target, model ?? target.model)
  if (what === null) return null
  if (what === 'model') return { kind: 'switched-off', what, model: facts.model }
  return { kind: 'switched-off', what: 'target', model: facts.model, targets: [target.id] }
}

/** The target as it is called: at the path's own address, with its price for this model. */
async function wayOf(choice: Choice, name: string, list: Services['priceList']): Promise<Way> {
  const { target, model, inference, passed } = choice
  const isFree = model === null || inference?.kind === 'counts'
  const priced = isFree ? free(target) : await concreteTarget(ofAnyModel(target, model), model, list)
  // What goes wrong with files and the like is no reason to stop asking the model: they have a breaker of their own.
  const id = inference === null ? `${target.id}~other` : target.id
  return { ...choice, name, target: { ...priced, id, baseUrl: passed.baseUrl, maxRetries: 0 } }
}

/** What runs no model has no price that we know, and needs none. */
function free(target: Target): Target {
  return { ...target, price: FREE, priceVersion: null }
}

function unpriced(target: Target): Target {
  return { ...target, price: null, priceVersion: null }
}

const anyModel = new WeakMap<Target, Target>()

/** The target as one that passes every model on, unless it is this model's own. */
function ofAnyModel(target: Target, model: string): Target {
  if (target.model === model || target.model === '*') return target
  const known = anyModel.get(target)
  if (known !== undefined) return known
  const any = { ...unpriced(target), model: '*' }
  anyModel.set(target, any)
  return any
}

function factsOf({ text, json }: PassedBody, { target, inference, model, name, passed }: Way): RequestFacts {
  return {
    model: model ?? name,
    isStreamed: json['stream'] === true || /:stream|-stream$/.test(passed.operation),
    wantsUsage: true,
    ...outputBoundOf(inference, text === null ? null : json, { target, model }),
    endUser:
      stringOf(json['user']) ?? stringOf(json['safety_identifier']) ?? stringOf(objectOf(json['metadata'])['user_id']),
    promptText: () => '',
    cacheability: 'never',
  }
}
