// The gateway's HTTP surface: which path leads where, and what happens when something is wrong that nobody expected.
import { type Context, Hono } from 'hono'
import { createAdmin } from './control-plane/admin.ts'
import { countTokens } from './data-plane/count-tokens.ts'
import { acrossOrigins, allows, failAt, parseOrigins, preflight } from './data-plane/http-surface.ts'
import { listModels, retrieveModel } from './data-plane/list-models.ts'
import { passThrough } from './data-plane/pass-through.ts'
import { serve } from './data-plane/serve.ts'
import { serveTask } from './data-plane/serve-task.ts'
import type { GatewayEnv } from './env.ts'
import { servicesOf } from './platform/services.ts'
import { probeTarget } from './platform/probe.ts'
import { protocols } from './protocols/index.ts'
import { countTokensProtocol } from './protocols/messages.ts'
import { tasks } from './protocols/tasks/index.ts'

/** Service bindings that a target may name as `service://NAME/…`. */
const SERVICE_BINDINGS = ['SIMULATED']

type Bindings = { readonly Bindings: GatewayEnv }
type Ask = Context<Bindings>

/** The gateway's application. */
export function createApp(): {
  fetch(request: Request, env: GatewayEnv, context: ExecutionContext): Promise<Response>
} {
  const app = new Hono<Bindings>()
  addDataPlane(app)
  app.get('/healthz', (c) => c.json({ status: 'ok' }, 200, { 'cache-control': 'no-store' }))
  app.use('/admin/*', async (c, next) => {
    await next()
    // What was just changed here is to be seen here at once.
    if (c.req.method !== 'GET') servicesOf(c.env).directory.forgetAll()
  })
  app.route('/admin', createAdmin({ probe: probeTarget, services: SERVICE_BINDINGS }))
  app.get('/', (c) => c.redirect('/dashboard/'))
  app.get('/dashboard/*', (c) => assets(c.env, c.req.raw))
  app.get('/dashboard', (c) => c.redirect('/dashboard/'))
  app.all('/:provider/*', async (c) => {
    return (await passThrough(c.req.raw, servicesOf(c.env), later(c))) ?? notFound(c)
  })
  app.notFound(notFound)
  app.onError((error, c) => {
    const requestId = servicesOf(c.env).newId()
    console.error(JSON.stringify({ level: 'error', event: 'unexpected', requestId, error: describe(error) }))
    return failAt(pathOf(c), { kind: 'internal', requestId }, requestId)
  })
  return {
    async fetch(request, env, context) {
      const origin = request.headers.get('origin')
      if (origin === null) return app.fetch(request, env, context)
      return fromPage(request, origin, env, async () => app.fetch(request, env, context))
    },
  }
}

function addDataPlane(app: Hono<Bindings>): void {
  for (const protocol of Object.values(protocols)) {
    app.post(protocol.endpoint, (c) => serve(c.req.raw, protocol, servicesOf(c.env), later(c)))
    closeOthers(app, protocol.endpoint, 'POST')
  }
  app.post(countTokensProtocol.endpoint, (c) => countTokens(c.req.raw, servicesOf(c.env), later(c)))
  closeOthers(app, countTokensProtocol.endpoint, 'POST')
  for (const task of Object.values(tasks)) {
    app.post(task.endpoint, (c) => serveTask(c.req.raw, task, servicesOf(c.env), later(c)))
    closeOthers(app, task.endpoint, 'POST')
  }
  app.get('/v1/models', (c) => listModels(c.req.raw, servicesOf(c.env), later(c)))
  closeOthers(app, '/v1/models', 'GET')
  app.get('/v1/models/:id{.+}', (c) => retrieveModel(c.req.raw, c.req.param('id'), servicesOf(c.env), later(c)))
  closeOthers(app, '/v1/models/:id{.+}', 'GET')
}

/** Answers every other method at `path`: what is allowed, or that this one isn't. */
function closeOthers(app: Hono<Bindings>, path: string, allowed: 'GET' | 'POST'): void {
  app.options(path, () => allows(allowed === 'GET' ? 'GET, HEAD, OPTIONS' : 'POST, OPTIONS'))
  app.all(path, (c) => failAt(pathOf(c), { kind: 'method-not-allowed', allowed }, servicesOf(c.env).newId()))
}

function later(c: Ask): (work: Promise<void>) => void {
  return (work) => c.executionCtx.waitUntil(work)
}

function pathOf(c: Ask): string {
  return new URL(c.req.url).pathname
}

function notFound(c: Ask): Response {
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

async function assets(env: GatewayEnv, request: Request): Promise<Response> {
  const path = '/dashboard'
  if (env.ASSETS === undefined) return failAt(path, { kind: 'endpoint-not-found', path }, servicesOf(env).newId())
  const found = await env.ASSETS.fetch(request)
  const response = new Response(found.body, found)
  for (const [name, value] of Object.entries(PAGE_HEADERS)) response.headers.set(name, value)
  return response
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
