// `POST /admin/reconcile`: checks on demand what the usage consumer checks every hour, and tells all of it.
import { Hono } from 'hono'
import * as z from 'zod/mini'
import type { GatewayEnv } from '../../env.ts'
import { type BudgetAudit, auditBudgets, auditDays } from '../../ledger/audit.ts'
import { reconcile } from '../../ledger/reconcile.ts'
import type { AdminPorts, AdminTypes } from '../ports.ts'
import { jsonBody } from '../http/validate.ts'

const HOURS_DEFAULT = 26
const HOURS_MAX = 72
/** Limiters asked in one check; the rest by naming their tenant. */
const TENANTS_MAX = 50

const HOURS_ALLOWED = `must be an integer from 1 to ${HOURS_MAX}`
const RECONCILE = z.strictObject({
  hours: z.optional(z.int(HOURS_ALLOWED).check(z.minimum(1, HOURS_ALLOWED), z.maximum(HOURS_MAX, HOURS_ALLOWED))),
  tenant: z.optional(z.string('must be the id of a tenant')),
})

/** The admin API's `/reconcile`. */
export function ledgerAuditEndpoints(ports: AdminPorts) {
  return new Hono<AdminTypes>().post('/reconcile', jsonBody(RECONCILE), async (c) => {
    const { hours = HOURS_DEFAULT, tenant } = c.req.valid('json')
    const nowMs = ports.nowMs()
    const tenants = tenant === undefined ? await someTenants(c.env.DB) : [tenant]
    const [rollups, days, budgets] = await Promise.all([
      reconcile(c.env.DB, hours, nowMs),
      auditDays(c.env.DB, nowMs),
      Promise.all(tenants.map((id) => budgetsOf(c.env, id))),
    ])
    const unanswered = tenants.filter((_, at) => budgets[at] === null)
    const compared = budgets.flatMap((one) => one ?? [])
    const agrees = rollups.mismatches === 0 && days.length === 0 && compared.every((one) => one.agrees)
    return c.json({ agrees, rollups, days, budgets: compared, unanswered })
  })
}

async function someTenants(db: D1Database): Promise<readonly string[]> {
  const found = await db.prepare(`SELECT id FROM tenants ORDER BY id LIMIT ${TENANTS_MAX}`).all<{ id: string }>()
  return found.results.map(({ id }) => id)
}

async function budgetsOf(env: GatewayEnv, tenantId: string): Promise<readonly BudgetAudit[] | null> {
  try {
    const standing = await env.TENANT_LIMITER.get(env.TENANT_LIMITER.idFromName(tenantId)).live()
    return await auditBudgets(env.DB, tenantId, standing)
  } catch (error) {
    console.warn(JSON.stringify({ event: 'audit-unanswered', tenant: tenantId, reason: String(error) }))
    return null
  }
}
