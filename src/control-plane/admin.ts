// The admin API: one Hono sub-app for the configuration and the reports. Closed to whom the table of
// permissions doesn't name; every answer that isn't 2xx is `{error: {message, field, code}}`.
import { Hono, type Context, type MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { HTTPException } from 'hono/http-exception'
import { alertChannelEndpoints } from './alerts/alert-channels.ts'
import { alertRuleEndpoints } from './alerts/alert-rules.ts'
import { alertEndpoints } from './alerts/alerts.ts'
import { analyticsEndpoints } from './reports/analytics.ts'
import { ledgerAuditEndpoints } from './reports/audit-ledger.ts'
import { announce } from './publish/announce.ts'
import { bodyEndpoints } from './reports/bodies.ts'
import { breakerEndpoints } from './targets/breakers.ts'
import { apiTokenEndpoints } from './access/api-tokens.ts'
import { auditEndpoints } from './audit/audit.ts'
import { authorized } from './access/authorize.ts'
import { configurationEndpoints } from './configuration/endpoints.ts'
import { credentialEndpoints } from './credentials/credentials.ts'
import { endUserEndpoints } from './tenants/end-users.ts'
import { MOVED_ON, conditional } from './http/etag.ts'
import { forecastEndpoints } from './reports/forecast.ts'
import { inFlightEndpoints } from './publish/in-flight.ts'
import { liveEndpoints, toldLive } from './live/live.ts'
import { keyLineEndpoints } from './keys/key-lines.ts'
import { keyReportEndpoints } from './keys/key-reports.ts'
import { keyRotationEndpoints } from './keys/key-rotation.ts'
import { keyEndpoints } from './keys/keys.ts'
import type { AdminPorts, AdminTypes } from './ports.ts'
import { presetEndpoints } from './routes/presets.ts'
import { publishPage, type PublishCursor } from './publish/publish.ts'
import { priceEndpoints } from './prices/prices.ts'
import { refuse } from './http/refusal.ts'
import { rerateEndpoints } from './prices/rerate.ts'
import { reportEndpoints } from './reports/reports.ts'
import { roleRuleEndpoints } from './access/role-rules.ts'
import { routeEndpoints } from './routes/routes.ts'
import { meEndpoints, sessionEndpoints, signOutEndpoints } from './sign-in/sessions.ts'
import { signInEndpoints } from './sign-in/sign-in.ts'
import { RowMovedOn, revisionOf } from './store.ts'
import { summaryEndpoints } from './reports/summary.ts'
import { switchEndpoints } from './publish/switches.ts'
import { targetEndpoints } from './targets/targets.ts'
import { teamEndpoints } from './tenants/teams.ts'
import { tenantEndpoints } from './tenants/tenants.ts'

const BODY_BYTES_MAX = 1_048_576

/** What must be given; clock, chance and service bindings have defaults. */
export type AdminOptions = Pick<AdminPorts, 'probe'> & Partial<AdminPorts>

/** The admin API, to be mounted at `/admin`. */
export function createAdmin(options: AdminOptions) {
  const ports: AdminPorts = {
    services: [],
    nowMs: () => Date.now(),
    randomBytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
    fetch: (url, init) => fetch(url, init),
    ...options,
  }
  return new Hono<AdminTypes>()
    .onError(fail)
    .route('/sign-in', signInEndpoints(ports))
    .use(authorized(ports))
    .use(bodyLimit({ maxSize: BODY_BYTES_MAX, onError: tooLarge }))
    .use(conditional())
    .use(toldLive())
    .use(once(ports))
    .route('/me', meEndpoints())
    .route('/sign-out', signOutEndpoints())
    .route('/access/tokens', apiTokenEndpoints(ports))
    .route('/access/rules', roleRuleEndpoints(ports))
    .route('/access/sessions', sessionEndpoints(ports))
    .route('/tenants', tenantEndpoints(ports))
    .route('/tenants/:tenant/end-users', endUserEndpoints(ports))
    .route('/teams', teamEndpoints(ports))
    .route('/keys', keyLineEndpoints(ports))
    .route('/keys', keyReportEndpoints(ports))
    .route('/keys', keyRotationEndpoints(ports))
    .route('/keys', keyEndpoints(ports))
    .route('/credentials', credentialEndpoints(ports))
    .route('/targets', targetEndpoints(ports))
    .route('/routes', routeEndpoints(ports))
    .route('/presets', presetEndpoints(ports))
    .route('/prices', priceEndpoints(ports))
    .route('/rerate', rerateEndpoints(ports))
    .route('/switches', switchEndpoints(ports))
    .route('/breakers', breakerEndpoints())
    .route('/configuration', configurationEndpoints(ports))
    .route('/audit', auditEndpoints())
    .route('/requests', inFlightEndpoints())
    .route('/requests', bodyEndpoints())
    .route('/alert-channels', alertChannelEndpoints(ports))
    .route('/alert-rules', alertRuleEndpoints(ports))
    .route('/alerts', alertEndpoints())
    .route('/summary', summaryEndpoints(ports))
    .route('/forecast', forecastEndpoints(ports))
    .route('/live', liveEndpoints(ports))
    .route('/', reportEndpoints(ports))
    .route('/', analyticsEndpoints(ports))
    .route('/', ledgerAuditEndpoints(ports))
    .post('/publish', publish)
    .all('*', (c) =>
      refuse(c, { status: 404, code: 'not_found', field: null, message: `There is no ${c.req.method} ${c.req.path}.` }),
    )
}

/** `{revision, next}`: while `next` isn't null, `POST /publish?after=<next>` goes on. */
async function publish(c: Context<AdminTypes>): Promise<Response> {
  let next: PublishCursor | null = null
  const problem = await announce(async () => {
    next = await publishPage(c.env, readPublishCursor(c.req.query('after')))
    // The keys of a small deployment fit behind its tenants.
    if (next?.table === 'virtual_keys' && next.afterId === '') next = await publishPage(c.env, next)
  })
  if (problem !== null) return refuse(c, problem)
  return c.json({ revision: await revisionOf(c.env.DB), next: writePublishCursor(next) })
}

function readPublishCursor(text: string | undefined): PublishCursor | null {
  const found = /^(tenants|virtual_keys):(.*)$/.exec(text ?? '')
  return found === null ? null : { table: found[1] === 'tenants' ? 'tenants' : 'virtual_keys', afterId: found[2] ?? '' }
}

function writePublishCursor(cursor: PublishCursor | null): string | null {
  return cursor === null ? null : `${cursor.table}:${cursor.afterId}`
}

/** A POST with an Idempotency-Key is done once. */
function once(ports: AdminPorts): MiddlewareHandler<AdminTypes> {
  return async (c, next) => {
    if (c.req.method !== 'POST' || c.req.header('idempotency-key') === undefined) return next()
    const { answerOnce } = await import('./http/idempotency.ts')
    return answerOnce(c, next, ports)
  }
}

function tooLarge(c: Context): Response {
  return refuse(c, {
    status: 413,
    code: 'body_too_large',
    field: null,
    message: `The body must not exceed ${BODY_BYTES_MAX} bytes.`,
  })
}

/** The boundary: what nobody expected is logged once under an id, and nothing of it is told. */
function fail(error: Error, c: Context): Response {
  if (error instanceof HTTPException && error.status === 400) {
    return refuse(c, { status: 400, code: 'invalid_json', field: null, message: 'The body must be valid JSON.' })
  }
  if (error instanceof RowMovedOn) return refuse(c, MOVED_ON)
  const id = crypto.randomUUID()
  console.error(JSON.stringify({ event: 'admin-error', id, reason: error.stack ?? String(error) }))
  return refuse(c, {
    status: 500,
    code: 'internal',
    field: null,
    message: `Something went wrong here; the log has it under ${id}.`,
  })
}
