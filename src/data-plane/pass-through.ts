// `/{provider}/…`: what has no protocol of its own goes to the provider as it is, with the gateway's credential in place of the
// client's key. The same gates as for everything else: key, models, limits, breaker, ledger. The provider is one that the
// tenant's routes reach, by its catalogue name, or one target of them by its id.
import { findProvider } from '../catalog/providers.ts'
import type { Caller, Route, Target } from '../core/directory.ts'
import { estimateTokens } from '../core/estimate.ts'
import type { Failure } from '../core/failure.ts'
import { type JsonObject, isJsonObject, parseJson } from '../core/json.ts'
import { passedPath } from '../core/pass-through-path.ts'
import { type Result, err, ok } from '../core/result.ts'
import type { RouteTable } from '../core/route-table.ts'
import { dialects } from '../dialects/index.ts'
import type { Later, OutgoingCall, Services } from '../ports.ts'
import type { RequestFacts, Speaker } from '../protocols/protocol.ts'
import { numberOf, objectOf, stringOf } from '../wire/read.ts'
import { authenticate } from './authenticate.ts'
import { concreteTarget } from './concrete-target.ts'
import { type ReadExchange, begin } from './exchange.ts'
import { answerHeaders } from './headers.ts'
import { METHODS, allows, speakerAt } from './http-surface.ts'
import { FORWARDED, keyOf, passedHeaders, passedQuery } from './pass-through-headers.ts'
import { callsModel, loadWireAt, modelInPath, onlyCounts, readsTokens, watchReply } from './pass-through-meter.ts'
import { pursue } from './pursue.ts'
import { DISCARDED_BYTES_MAX, REQUEST_BYTES_MAX, discard } from './read-request.ts'
import { refuse } from './refuse.ts'
import { relayed, tryRelay } from './relay.ts'
import { forbiddenModel } from './route.ts'

/** What a body that isn't text counts for a limit. Tokens. */
const FLAT_TOKENS = 100

/** The way to a provider for one caller. */
interface Way {
  readonly route: Route
  readonly target: Target
  readonly path: string
}

interface PassedBody {
  /** Text of a JSON body; null for any other, which is sent as it comes. */
  readonly text: string | null
  readonly bytes: ArrayBuffer | null
  readonly json: JsonObject
}

/** Passes a request through; null where its path names no provider that this caller can reach. */
export async function passThrough(request: Request, services: Services, later: Later): Promise<Response | null> {
  const url = new URL(request.url)
  const [, name = ''] = url.pathname.split('/')
  const path = url.pathname.slice(name.length + 1)
  const { fail, failInStream } = await speakerAt(url.pathname)
  const speaker: Speaker = { name: 'pass-through', fail, failInStream }
  const begun = begin(request, speaker, services, later)
  const caller = await authenticate(keyOf(request, url), services)
  const isProvider = findProvider(name) !== undefined
  if (isProvider && request.method === 'OPTIONS') return allows(METHODS)
  if (!caller.ok) return isProvider ? refuse(begun, caller.error) : null
  const table = await services.directory.routes(later)
  if (table === null) return refuse(begun, { kind: 'directory-unavailable' })
  const reachable = reachableBy(caller.value, name, table)
  if (reachable.length === 0) return null
  if (!(await loadWireAt(path, services.log))) return refuse(begun, { kind: 'not-loaded' })
  const body = await readBody(request)
  if (body === null) return refuse(begun, { kind: 'request-too-large', limitBytes: REQUEST_BYTES_MAX })
  const model = modelInPath(path) ?? stringOf(body.json['model'])
  const forbidden = model === null ? undefined : forbiddenModel(caller.value, model, () => body.json)
  if (forbidden !== undefined) return refuse(begun, { kind: 'model-not-allowed', model: forbidden })
  const way = await wayTo(caller.value, reachable, { model, path, name })
  if (!way.ok) return refuse(begun, way.error)
  if (body.text === null && request.body !== null && isSigned(way.value.target)) {
    const received = request.headers.get('content-type') ?? ''
    return refuse(begun, { kind: 'unsupported-media-type', received })
  }
  const exchange: ReadExchange<Speaker> = {
    ...begun,
    caller: caller.value,
    facts: factsOf(body, path, model ?? name),
    text: body.text ?? '',
    bytes: body.bytes,
    body: () => body.json,
    short: null,
  }
  const answered = answer(exchange, way.value, { request, body, search: passedQuery(url) })
  exchange.client.finish(answered)
  return answered
}

/** A body has to be whole to be signed. */
function isSigned({ auth, dialect }: Target): boolean {
  return (auth ?? dialects.get(dialect).auth) === 'aws-sigv4'
}

async function answer(
  exchange: ReadExchange<Speaker>,
  { route, target, path }: Way,
  asked: { readonly request: Request; readonly body: PassedBody; readonly search: string },
): Promise<Response> {
  const { body, request, search } = asked
  const plan = { route, candidates: [{ target }], excluded: [] }
  const hasBody = request.body !== null
  const promptTokens = body.text !== null ? Math.max(1, estimateTokens(body.text)) : hasBody ? FLAT_TOKENS : 1
  const result = await pursue(exchange, { plan, neutral: null }, { promptTokens, cache: 'off' }, (attempt) =>
    tryRelay(attempt, {
      outgoing: () => outgoingCall(request, body, path + search),
      watchOf: (contentType) => watchReply(path, target, contentType),
      isOnce: true,
      keepsRefusals: true,
    }),
  )
  if (!result.ok) return refuse(exchange, result.error, answerHeaders(exchange, plan, null, 'off'))
  return relayed(exchange, result.value, answerHeaders(exchange, plan, result.value.attempt, 'off'), FORWARDED)
}

function outgoingCall(request: Request, body: PassedBody, path: string): OutgoingCall {
  const headers = passedHeaders(request.headers)
  const call = { path, headers, method: request.method }
  if (body.text !== null) return { ...call, body: body.bytes ?? body.text }
  if (request.body === null) return { ...call, body: '' }
  const stated = request.headers.get('content-length')
  return { ...call, body: '', stream: request.body, streamBytes: stated === null ? null : Number(stated) }
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

interface Reachable {
  readonly route: Route
  readonly target: Target
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

/** The target to call: the one for this model, else one for every model, else the first; and its price for this model. */
async function wayTo(
  caller: Caller,
  reachable: readonly Reachable[],
  asked: { readonly model: string | null; readonly path: string; readonly name: string },
): Promise<Result<Way, Failure>> {
  const { model, path, name } = asked
  // Files, batches and the like belong to all models: a key for some has no business there.
  const isNamed = model !== null && callsModel(path)
  if (caller.allowedModels.length > 0 && !isNamed) {
    return err({ kind: 'model-not-allowed', model: model ?? `${name}${path}` })
  }
  const found =
    reachable.find(({ target }) => target.model === model) ??
    reachable.find(({ target }) => target.model === '*') ??
    reachable[0]
  if (found === undefined) return err({ kind: 'endpoint-not-found', path: `/${name}${path}` })
  const { route, target } = found
  const passed = passedPath(target.baseUrl, path === '' ? '/' : path)
  if (!passed.ok) return err({ kind: 'invalid-request', field: null, message: `Invalid path: ${passed.error}.` })
  const priced =
    model === null || onlyCounts(path) ? unpriced(target) : await concreteTarget(ofAnyModel(target, model), model)
  const { baseUrl } = passed.value
  // What goes wrong with files and the like is no reason to stop asking the model: they have a breaker of their own.
  const id = callsModel(path) ? target.id : `${target.id}~other`
  return ok({ route, target: { ...priced, id, baseUrl, maxRetries: 0 }, path: passed.value.path })
}

/** What has no model has no price that we know. */
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

const BOUNDS = ['max_tokens', 'max_completion_tokens', 'max_output_tokens']

function factsOf({ json }: PassedBody, path: string, model: string): RequestFacts {
  const bounds = BOUNDS.flatMap((name) => numberOf(json[name]) ?? [])
  const bound = bounds[0] ?? numberOf(objectOf(json['generationConfig'])['maxOutputTokens'])
  return {
    model,
    isStreamed: json['stream'] === true || path.includes(':streamGenerateContent'),
    wantsUsage: true,
    maxOutputTokens: readsTokens(path) ? bound : 0,
    choices: 1,
    endUser: null,
    promptText: () => '',
    cacheability: 'never',
  }
}
