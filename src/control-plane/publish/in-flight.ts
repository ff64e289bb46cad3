// Requests in flight: which there are, from the limiters' records of what was admitted and not settled, and an end to one of
// them. Its isolate hears of it with the limiter's next reply, within seconds.
import { Hono } from 'hono'
import type { Context } from 'hono'
import * as z from 'zod/mini'
import type { InFlight } from '../../core/limits/limits.ts'
import { unpackOwnEvent } from '../../core/money/usage-event.ts'
import { type Owner, noteEntry } from '../audit/audit-record.ts'
import { entryBy, isOwn, scopeOf } from '../access/caller.ts'
import { type Scope, isReached, teamOf } from '../access/permissions.ts'
import type { AdminTypes } from '../ports.ts'
import { type Refusal, notFound, refuse } from '../http/refusal.ts'
import { findTenant, pageRows } from '../store.ts'
import { query } from '../http/validate.ts'

type Env = AdminTypes['Bindings']

const LISTED_MAX = 1_000
/** More than a limiter has. */
const IN_FLIGHT_MAX = 100_000
/** Limiters that are asked at the same time, and in all, where no tenant is named. */
const LIMITERS_AT_ONCE = 50
const LIMITERS_MAX = 1_000

const TENANT_ALLOWED = 'must be the id or name of a tenant'
const LISTED = z.strictObject({ tenant: z.string(TENANT_ALLOWED) })
const CANCELLED = z.strictObject({ tenant: z.optional(z.string(TENANT_ALLOWED)) })

/** The admin API's `/requests/in-flight?tenant=` and `/requests/:id/cancel`. */
export function inFlightEndpoints() {
  return new Hono<AdminTypes>()
    .get('/in-flight', query(LISTED), async (c) => {
      const { tenant: reference } = c.req.valid('query')
      const tenant = await findTenant(c.env.DB, reference)
      if (tenant === null || !isReached(scopeOf(c), tenant.id)) return refuse(c, notFound('tenant', reference))
      const found = await limiterOf(c.env, tenant.id).inFlight(LISTED_MAX + 1)
      const rows = found.slice(0, LISTED_MAX).map(viewInFlight)
      return c.json({ rows: rows.filter(({ team }) => isOwn(c, tenant.id, team)), has_more: found.length > LISTED_MAX })
    })
    .post('/:id/cancel', query(CANCELLED), async (c) => {
      const { tenant: reference } = c.req.valid('query')
      const id = c.req.param('id')
      const tenants = await tenantsToAsk(c, reference)
      if (tenants === null) return refuse(c, notFound('tenant', reference ?? ''))
      if (!(await isOwnRequest(c, id))) return refuse(c, notInFlight(id))
      if (!(await cancelled(c.env, tenants, id))) return refuse(c, notInFlight(id))
      await noteEntry(c.env.DB, 'requests.cancel', id, { ...entryBy(c), owner: ownerOf(scopeOf(c), tenants) }).run()
      return c.json({ request_id: id, cancelled: true }, 202)
    })
}

function notInFlight(id: string): Refusal {
  const message = `No request ${JSON.stringify(id)} is in flight, as far as the limiters have heard.`
  return { status: 404, code: 'not_found', field: null, message }
}

/** An attempt, from its usage event as it stood at admission. */
function viewInFlight({ id, reserved, event, isCancelled }: InFlight) {
  const known = unpackOwnEvent(JSON.parse(event))
  return {
    request_id: known.requestId,
    attempt: Number(id.slice(id.lastIndexOf('#') + 1)),
    since_ms: known.startedAtMs,
    key: known.keyId,
    team: known.teamId,
    requested_model: known.requestedModel,
    target: known.targetId,
    provider: known.provider,
    model: known.model,
    streamed: known.streamed,
    reserved: {
      input_tokens: reserved.inputTokens,
      output_tokens: reserved.outputTokens,
      nano_usd: String(reserved.nanoUsd),
    },
    cancelled: isCancelled,
  }
}

/** The tenant that is named, or as many as may be asked; null for one that isn't there. */
async function tenantsToAsk(c: Context<AdminTypes>, reference: string | undefined): Promise<readonly string[] | null> {
  const scope = scopeOf(c)
  if (reference !== undefined) {
    const tenant = await findTenant(c.env.DB, reference)
    return tenant === null || !isReached(scope, tenant.id) ? null : [tenant.id]
  }
  if (scope.kind !== 'deployment') return [scope.tenantId]
  const all: readonly { readonly id: string }[] = await pageRows(c.env.DB, 'tenants', '', LIMITERS_MAX)
  return all.map(({ id }) => id)
}

/** Of a tenant's requests, those who lead a team may end their team's. */
async function isOwnRequest(c: Context<AdminTypes>, requestId: string): Promise<boolean> {
  const scope = scopeOf(c)
  if (scope.kind !== 'team') return true
  const found = await limiterOf(c.env, scope.tenantId).inFlight(IN_FLIGHT_MAX)
  return found.map(viewInFlight).some(({ request_id, team }) => request_id === requestId && team === scope.teamId)
}

function ownerOf(scope: Scope, tenants: readonly string[]): Owner {
  const [only, ...others] = tenants
  return { tenantId: others.length === 0 ? (only ?? null) : null, teamId: teamOf(scope) }
}

async function cancelled(env: Env, tenants: readonly string[], requestId: string): Promise<boolean> {
  for (let start = 0; start < tenants.length; start += LIMITERS_AT_ONCE) {
    const group = tenants.slice(start, start + LIMITERS_AT_ONCE)
    const answers = await Promise.all(group.map((tenantId) => limiterOf(env, tenantId).cancel(requestId)))
    if (answers.includes(true)) return true
  }
  return false
}

function limiterOf(env: Env, tenantId: string) {
  return env.TENANT_LIMITER.get(env.TENANT_LIMITER.idFromName(tenantId))
}
