// The gateway's HTTP surface: which path leads where, and what happens when something is wrong that nobody expected.
import { type Context, Hono } from 'hono'
import type { AdminTypes } from './control-plane/ports.ts'
import { type Late, late } from './core/late.ts'
import { TOO_DEEP, isTooDeep } from './data-plane/call-upstream.ts'
import { traceIn } from './data-plane/exchange.ts'
import { acrossOrigins, allows, failAt, parseOrigins, preflight } from './data-plane/http-surface.ts'
import { serve } from './data-plane/serve.ts'
import type { GatewayEnv } from './env.ts'
import { servicesOf } from './platform/services.ts'
import { PROTOCOL_PLACES, protocols } from './protocols/index.ts'
import type { Protocol } from './protocols/protocol.ts'
import { TASK_ENDPOINTS } from './protocols/tasks/endpoints.ts'

/** Service bindings that a target may name as `service://NAME/…`. */
const SERVICE_BINDINGS = ['SIMULATED']

type Bindings = { readonly Bindings: GatewayEnv }
type Ask = Context<Bindings>

/** What few requests need is loaded with the first of them. */
const explaining = late(() => import('./data-plane/explain/explain.ts'))
const counting = late(() => import('./data-plane/count-tokens.ts'))
const feedback = late(() => import('./platform/feedback.ts'))
const limits = late(() => import('./data-plane/limits/list-limits.ts'))
const models = late(() => import('./data-plane/list-models.ts'))
const passing = late(() => import('./data-plane/pass-through/pass-through.ts'))
const tasks = late(async () => ({
  ...(await import('./data-plane/tasks/serve-task.ts')),
  ...(await import('./protocols/tasks/index.ts')),
}))
const admin = late(async () => {
  const { createAdmin } = await import('./control-plane/admin.ts')
  const { probeTarget } = await import('./platform/probe.ts')
  return new Hono<AdminTypes>().route('/admin', createAdmin({ probe: probeTarget, services: SERVICE_BINDINGS }))
})

/** The gateway's application. */
export function createApp(): {
  fetch(request: Request, env: GatewayEnv, context: ExecutionContext): Promise<Response>
} {
  const app = new Hono<Bindings>()
  addDataPlane(app)
  app.get('/healthz', (c) => c.json({ status: 'ok' }, 200, { 'cache-control': 'no-store' }))
  app.all(
    '/admin/*',
    by(admin, async (c, { fetch }) => {
      const answer = await fetch(c.req.raw, c.env, c.executionCtx)
      // What was just changed here is to be seen here at once.
      if (c.req.method !== 'GET') servicesOf(c.env).directory.forgetAll()
      return answer
    }),
  )
  app.get('/', (c) => c.redirect('/dashboard/'))
  app.get('/dashboard/*', (c) => assets(c.env, c.req.raw))
  app.get('/dashboard', (c) => c.redirect('/dashboard/'))
  app.notFound(unrouted)
  app.onError((error, c) => unexpected(error, c.req.raw, c.env))
  const answer = (request: Request, env: GatewayEnv, context: ExecutionContext): Answer =>
    spoken(request, env, context) ?? app.fetch(request, env, context)
  return {
    async fetch(request, env, context) {
      servicesOf(env).comesFrom(request)
      const origin = request.headers.get('origin')
      if (origin === null) return answer(request, env, context)
      return fromPage(request, origin, env, async () => answer(request, env, context))
    },
  }
}

/** Where protocols are spoken, which is most of what is asked: a look at the path is all the routing that it needs. */
const SPOKEN: ReadonlyMap<string, Late<Protocol>> = new Map(
  protocols.names.map((name) => [PROTOCOL_PLACES[name].endpoint, protocols.of(name)]),
)

/** Answers what is posted in a protocol that is loaded; null for anything else. */
function spoken(request: Request, env: GatewayEnv, context: ExecutionContext): Promise<Response> | null {
  if (request.method !== 'POST') return null
  const protocol = SPOKEN.get(rawPathOf(request.url))?.now() ?? null
  if (protocol === null) return null
  const answer = serve(request, protocol, servicesOf(env), (work) => context.waitUntil(work))
  return answer.catch((error: unknown) => unexpected(error, request, env))
}

/** The path as it is written. */
function rawPathOf(url: string): string {
  const start = url.indexOf('/', url.indexOf('://') + 3)
  const end = url.indexOf('?', start)
  return url.slice(start, end === -1 ? undefined : end)
}

/** Tells of what nobody expected, in the way of whoever is answered at that path. */
function unexpected(error: unknown, request: Request, env: GatewayEnv): Promise<Response> {
  const path = new URL(request.url).pathname
  const requestId = servicesOf(env).newId()
  if (isTooDeep(error)) return failAt(path, { kind: 'invalid-request', field: null, message: TOO_DEEP }, requestId)
  const { traceId: trace } = traceIn(request.headers)
  console.error(JSON.stringify({ level: 'error', event: 'unexpected', requestId, trace, error: describe(error) }))
  return failAt(path, { kind: 'internal', requestId }, requestId)
}

const COUNT_ENDPOINT = `${PROTOCOL_PLACES.messages.endpoint}/count_tokens`
const EXPLAIN_ENDPOINT = '/v1/route/explain'
const FEEDBACK_ENDPOINT = '/v1/feedback'

/** What is only ever posted to. One route each: where several match, Hono walks them by way of promises. */
const POSTED: ReadonlySet<string> = new Set([
  ...protocols.names.map((name) => PROTOCOL_PLACES[name].endpoint),
  COUNT_ENDPOINT,
  EXPLAIN_ENDPOINT,
  FEEDBACK_ENDPOINT,
  ...Object.values(TASK_ENDPOINTS),
])

function addDataPlane(app: Hono<Bindings>): void {
  for (const name of protocols.names) {
    app.post(
      PROTOCOL_PLACES[name].endpoint,
      by(protocols.of(name), (c, protocol) => serve(c.req.raw, protocol, servicesOf(c.env), later(c))),
    )
  }
  app.post(
    COUNT_ENDPOINT,
    by(counting, (c, { countTokens }) => countTokens(c.req.raw, servicesOf(c.env), later(c))),
  )
  app.post(
    EXPLAIN_ENDPOINT,
    by(explaining, (c, { explain }) => explain(c.req.raw, servicesOf(c.env), later(c))),
  )
  app.post(
    FEEDBACK_ENDPOINT,
    by(feedback, (c, { takeFeedback }) => takeFeedback(c.req.raw, c.env.DB, servicesOf(c.env), later(c))),
  )
  for (const endpoint of Object.values(TASK_ENDPOINTS)) {
    app.post(
      endpoint,
      by(tasks, (c, { serveTask, taskAt }) => serveTask(c.req.raw, taskAt(endpoint), servicesOf(c.env), later(c))),
    )
  }
  app.get(
    '/v1/limits',
    by(limits, (c, { listLimits }) => listLimits(c.req.raw, servicesOf(c.env), later(c))),
  )
  closeOthers(app, '/v1/limits')
  app.get(
    '/v1/models',
    by(models, (c, { listModels }) => listModels(c.req.raw, servicesOf(c.env), later(c))),
  )
  closeOthers(app, '/v1/models')
  app.get(
    '/v1/models/:id{.+}',
    by(models, (c, { retrieveModel }) => {
      return retrieveModel(c.req.raw, c.req.param('id') ?? '', servicesOf(c.env), later(c))
    }),
  )
  closeOthers(app, '/v1/models/:id{.+}')
}

type Answer = Response | Promise<Response>

/** Answers with a `part` of the gateway: at once when it is loaded. Where it can't be, the client hears that it may try again. */
function by<Part>(part: Late<Part>, answer: (c: Ask, part: Part) => Answer): (c: Ask) => Answer {
  return (c) => {
    const loaded = part.now()
    return loaded === null ? afterLoading(c, part, answer) : answer(c, loaded)
  }
}

async function afterLoading<Part>(c: Ask, part: Late<Part>, answer: (c: Ask, part: Part) => Answer): Promise<Response> {
  let loaded: Part
  try {
    loaded = await part.load()
  } catch (error) {
    const { log, newId } = servicesOf(c.env)
    log.warn('not-loaded', { path: pathOf(c), error: describe(error) })
    return failAt(pathOf(c), { kind: 'not-loaded' }, newId())
  }
  return answer(c, loaded)
}

/** Answers every method but GET at `path`: what is allowed, or that this one isn't. */
function closeOthers(app: Hono<Bindings>, path: string): void {
  app.options(path, () => allows('GET, HEAD, OPTIONS'))
  app.all(path, (c) => notAllowed(c, 'GET'))
}

/** What no route matches. A route for it all would be one of several that match, and keep Hono from the router that looks a
 *  path up. */
function unrouted(c: Ask): Answer {
  if (!POSTED.has(c.req.path)) return passed(c)
  return c.req.method === 'OPTIONS' ? allows('POST, OPTIONS') : notAllowed(c, 'POST')
}

const passed = by(passing, async (c, { passThrough }) => {
  return (await passThrough(c.req.raw, servicesOf(c.env), later(c))) ?? notFound(c)
})

function notAllowed(c: Ask, allowed: 'GET' | 'POST'): Promise<Response> {
  return failAt(pathOf(c), { kind: 'method-not-allowed', allowed }, servicesOf(c.env).newId())
}

function later(c: Ask): (work: Promise<void>) => void {
  return (work) => c.executionCtx.waitUntil(work)
}

function pathOf(c: Ask): string {
  return new URL(c.req.url).pathname
}

function notFound(c: Ask): Promise<Response> {
  const path = pathOf(c)
  return failAt(path, { kind: 'endpoint-not-found', path }, servicesOf(c.env).newId())
}

/** What pages are the operator's own: no other page has any business there. */
const OWN_PAGES = /^\/(?:admin|dashboard)(?:\/|$)/

/** Answers a browser's page of another origin. */
async function fromPage(
  request: Request,
  origin: string,
  env: GatewayEnv,
  answer: () => Promise<Response>,
): Promise<Response> {
  if (OWN_PAGES.test(new URL(request.url).pathname)) return answer()
  const allowed = parseOrigins(env.CORS_ORIGINS)
  const asked = preflight(request, origin, allowed)
  return asked ?? acrossOrigins(request, await answer(), origin, { allowed, services: servicesOf(env) })
}

const PAGE_HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
} as const

/** Addresses within the dashboard, which finds its own way: what isn't a file. */
const PAGE = /^\/dashboard\/[^.]*$/

async function assets(env: GatewayEnv, request: Request): Promise<Response> {
  const path = '/dashboard'
  if (env.ASSETS === undefined) return failAt(path, { kind: 'endpoint-not-found', path }, servicesOf(env).newId())
  const asked = await env.ASSETS.fetch(request)
  const isPage = asked.status === 404 && PAGE.test(new URL(request.url).pathname)
  const found = isPage ? await env.ASSETS.fetch(new URL('/dashboard/', request.url)) : asked
  const response = new Response(found.body, found)
  for (const [name, value] of Object.entries(PAGE_HEADERS)) response.headers.set(name, value)
  return response
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
