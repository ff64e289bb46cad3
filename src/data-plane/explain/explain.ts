// `POST /v1/route/explain`: what the gateway would do with a request, and why, without calling a provider, admitting or
// charging anything. It asks the very functions that a request goes through. The body is any request's: of a protocol, of a
// task, or one that is passed through; which, the query says, else the body itself (`explain-kind.ts`).
import type { Target } from '../../core/directory.ts'
import type { InvalidRequest } from '../../core/failure.ts'
import type { JsonObject } from '../../core/json.ts'
import { type Result, err, ok } from '../../core/result.ts'
import type { RouteTable } from '../../core/routing/route-table.ts'
import { dialects } from '../../dialects/index.ts'
import type { CachedReply, Later, Services } from '../../ports.ts'
import { protocols } from '../../protocols/index.ts'
import type { Protocol, Speaker } from '../../protocols/protocol.ts'
import { tasks } from '../../protocols/tasks/index.ts'
import { stringOf } from '../../wire/read.ts'
import { authenticate } from '../authenticate.ts'
import { clientsGaps } from '../dropped.ts'
import { endUserMissing, endUserOf } from '../limits/end-user.ts'
import { type Exchange, type ReadExchange, begin } from '../exchange.ts'
import { type Kind, kindOf } from './explain-kind.ts'
import { explainPassed, hasBody } from './explain-passed.ts'
import { explainTask, taskIn } from './explain-task.ts'
import { NANO_PER_USD, tellCaller, tellEmptyPlan, tellPlan, tellShadow } from './explain-tell.ts'
import { routeAny } from '../route/next-model.ts'
import { withPreset } from '../route/presets.ts'
import { type RequestBody, readRequest } from '../read-request.ts'
import { recall } from '../recall.ts'
import { refuse } from '../refuse.ts'
import { type PlannedRequest, type Unroutable, unroutable } from '../route/route.ts'
import { planShadow } from '../shadow/shadow.ts'

/** What was found out of a request: what is told of its plan, or why it has none. */
interface Finding {
  /** Null where it isn't known who would serve it. */
  readonly exchange: ReadExchange<Speaker> | null
  readonly speaker: Pick<Exchange<Speaker>, 'protocol' | 'requestId'>
  readonly told: Result<object, Unroutable>
}

/** A request that is to be explained. */
interface Question {
  readonly request: Request
  readonly read: RequestBody<JsonObject>
  readonly caller: ReadExchange['caller']
  readonly kind: Kind
  readonly table: RouteTable
  readonly services: Services
  readonly later: Later
}

/** Explains one request. What is wrong with the key or the body is answered as the request itself would be; what its route
 *  says of it is part of the explanation. */
export async function explain(request: Request, services: Services, later: Later): Promise<Response> {
  const asked = begin(request, protocols.get('chat'), services, later)
  const caller = await authenticate(request.headers, services)
  if (!caller.ok) return refuse(asked, caller.error)
  const query = new URL(request.url).searchParams
  const read = await readRequest(hasBody(query.get('method') ?? 'POST') ? request : withoutBody(request), { facts: ok })
  if (!read.ok) return refuse(asked, read.error)
  const table = await services.directory.routes(later)
  if (table === null) return refuse(asked, { kind: 'directory-unavailable' })
  const body = read.value.facts
  const models = () => modelsBehind(stringOf(body['model']) ?? '', caller.value.tenantId, table)
  const kind = kindOf(query, { body, headers: request.headers, models })
  if (!kind.ok) return refuse(asked, kind.error)
  const question = { request, read: read.value, caller: caller.value, kind: kind.value, table, services, later }
  const found = await findOut(question)
  return found instanceof Response ? found : Response.json(answerOf(question, found))
}

/** Nobody has to write a body for a request that has none. */
function withoutBody({ url }: Request): Request {
  return new Request(url, { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } })
}

/** The one that is asked for, and what its route has in its place. */
function modelsBehind(model: string, tenantId: string, table: RouteTable): readonly string[] {
  const found = table.find(tenantId, model)
  return found === null ? [model] : [model, ...table.targets(found).map((target) => target.model)]
}

function answerOf({ read, caller, kind }: Question, { exchange, speaker, told }: Finding): object {
  const { protocol, requestId } = speaker
  const isGuessed = kind.because !== null
  const head = {
    object: 'route.explanation',
    request_id: requestId,
    protocol: protocol.name,
    endpoint: kind.endpoint,
    read_as: { is_guessed: isGuessed, because: kind.because },
    model: exchange?.facts.model ?? stringOf(read.facts['model']),
    preset: exchange?.preset ?? null,
    caller: tellCaller(caller, exchange === null ? null : endUserOf(exchange)),
  }
  if (told.ok) return { ...head, ...told.value }
  const { failure, plan } = told.error
  const { status, body } = protocol.fail(failure, requestId)
  return { ...head, candidates: [], ...tellEmptyPlan(plan), would_answer: { status, body } }
}

/** What becomes of it; a response where its body isn't one of its kind. */
async function findOut(question: Question): Promise<Finding | Response> {
  const { request, read, caller, kind, table, services, later } = question
  const { server, endpoint } = kind
  switch (server.of) {
    case 'provider':
      return explainPassed(request, { method: server.method, endpoint, text: read.text }, services, later)
    case 'task': {
      const task = tasks[server.name]
      const begun = { ...begin(request, task, services, later), caller }
      const asked = await taskIn(read, task)
      if (!asked.ok) {
        const { error } = asked
        return refuse(begun, error.kind === 'invalid-request' ? asGuessed(error, kind) : error)
      }
      return ofExchange(await explainTask(begun, asked.value, table))
    }
    case 'protocol': {
      const protocol = await protocols.of(server.name).load()
      const begun = begin(request, protocol, services, later)
      const facts = protocol.facts(read.facts)
      if (!facts.ok) return refuse(begun, asGuessed(facts.error, kind))
      return ofExchange(await explainRequest({ ...begun, caller, ...read, facts: facts.value }, table))
    }
  }
}

function ofExchange({ exchange, told }: Pick<Finding, 'told'> & { readonly exchange: ReadExchange<Speaker> }): Finding {
  return { exchange, speaker: exchange, told }
}

/** What is wrong with a body, as a request of a kind that it may not have been meant for. */
function asGuessed(invalid: InvalidRequest, { because, endpoint }: Kind): InvalidRequest {
  if (because === null) return invalid
  const hint = `It was read as a request to ${endpoint}, because ${because}; \`?endpoint=\` says otherwise.`
  return { ...invalid, message: `${invalid.message} ${hint}` }
}

/** Tells the plan of a protocol's request, or why there is none. */
async function explainRequest(
  given: ReadExchange<Protocol>,
  table: RouteTable,
): Promise<{ readonly exchange: ReadExchange; readonly told: Result<object, Unroutable> }> {
  const preset = withPreset(given, table)
  const exchange = preset.ok ? preset.value : given
  const unnamed = exchange.options.mistaken ?? endUserMissing(exchange)
  const against = preset.ok ? unnamed : preset.error
  const routed = against === null ? routeAny(exchange, table) : unroutable(against)
  if (!routed.ok) return { exchange, told: err(routed.error) }
  return { exchange, told: ok(await tellRequest(routed.value.exchange, routed.value.routed, table)) }
}

async function tellRequest(exchange: ReadExchange, routed: PlannedRequest, table: RouteTable): Promise<object> {
  const { plan, promptTokens } = routed
  const recalled = await recall(exchange, routed)
  const laneAt = (target: Target) => {
    const dialect = dialects.get(target.dialect)
    const isNative = dialect.nativeWire(target) === exchange.protocol.wire
    const gaps = isNative || routed.neutral === null ? [] : clientsGaps(dialect, routed.neutral, target)
    return { lane: isNative ? 'native' : 'translated', dropped: gaps.map(({ field }) => field) }
  }
  return {
    cache: recalled.state,
    cached: recalled.state === 'hit' ? tellCached(exchange, recalled.entry) : null,
    shadow: tellShadow(plan.route, (shadow) => planShadow(exchange, plan.route, shadow, table)),
    ...(await tellPlan({ exchange, plan, promptTokens, isBoundable: true, laneAt })),
  }
}

/** The reply that the request would get in place of a provider's. */
function tellCached({ services }: ReadExchange, { targetId, provider, model, storedAtMs, costNanoUsd }: CachedReply) {
  const age_seconds = Math.max(0, Math.floor((services.nowMs() - storedAtMs) / 1000))
  return { target: targetId, provider, model, age_seconds, saves_usd: costNanoUsd / NANO_PER_USD }
}
