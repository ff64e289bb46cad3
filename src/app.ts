// The gateway's HTTP surface: which path leads where, and what happens when something is wrong that nobody expected.
import { Hono } from 'hono'
import { createAdmin } from './control-plane/admin.ts'
import type { Failure } from './core/failure.ts'
import { listModels } from './data-plane/list-models.ts'
import { serve } from './data-plane/serve.ts'
import type { GatewayEnv } from './env.ts'
import { servicesOf } from './platform/services.ts'
import { probeTarget } from './platform/probe.ts'
import { protocols } from './protocols/index.ts'

/** Service bindings that a target may name as `service://NAME/…`. */
const SERVICE_BINDINGS = ['SIMULATED']

type Bindings = { readonly Bindings: GatewayEnv }

/** The gateway's application. */
export function createApp(): Hono<Bindings> {
  const app = new Hono<Bindings>()
  for (const protocol of Object.values(protocols)) {
    app.post(protocol.endpoint, (c) =>
      serve(c.req.raw, protocol, servicesOf(c.env), (work) => c.executionCtx.waitUntil(work)),
    )
    app.all(protocol.endpoint, (c) => failed(c.env, { kind: 'method-not-allowed', allowed: 'POST' }))
  }
  app.get('/v1/models', (c) => listModels(c.req.raw, servicesOf(c.env), (work) => c.executionCtx.waitUntil(work)))
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
  app.notFound((c) => failed(c.env, { kind: 'endpoint-not-found', path: new URL(c.req.url).pathname }))
  app.onError((error, c) => {
    const requestId = servicesOf(c.env).newId()
    console.error(JSON.stringify({ level: 'error', event: 'unexpected', requestId, error: describe(error) }))
    return told({ kind: 'internal', requestId }, requestId)
  })
  return app
}

/** A failure outside any protocol's endpoint is told as the chat protocol tells it: most clients read that. */
function failed(env: GatewayEnv, failure: Failure): Response {
  return told(failure, servicesOf(env).newId())
}

function told(failure: Failure, requestId: string): Response {
  const { status, headers, body } = protocols.chat.fail(failure, requestId)
  const ids = { 'x-request-id': requestId, 'x-tidegate-request-id': requestId }
  return Response.json(body, { status, headers: { ...ids, ...headers } })
}

const PAGE_HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
} as const

async function assets(env: GatewayEnv, request: Request): Promise<Response> {
  if (env.ASSETS === undefined) return failed(env, { kind: 'endpoint-not-found', path: '/dashboard' })
  const found = await env.ASSETS.fetch(request)
  const response = new Response(found.body, found)
  for (const [name, value] of Object.entries(PAGE_HEADERS)) response.headers.set(name, value)
  return response
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
