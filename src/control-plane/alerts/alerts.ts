// `GET /alerts`: the history of alerts, page by page, each with what became of telling it.
import { Hono } from 'hono'
import { alertHistory } from '../../ledger/alerts/history.ts'
import { HISTORY } from './alert-schemas.ts'
import { scopeOf } from '../access/caller.ts'
import type { AdminTypes } from '../ports.ts'
import { isReached, teamOf, tenantOf } from '../access/permissions.ts'
import { refuse } from '../http/refusal.ts'
import { findTenant } from '../store.ts'
import { unknownTenant } from '../tenants/teams.ts'
import { query } from '../http/validate.ts'

const PAGE_DEFAULT = 50

/** The admin API's `/alerts`: newest first; `next` is the `cursor` of the next page, null where there is none. */
export function alertEndpoints() {
  return new Hono<AdminTypes>().get('/', query(HISTORY), async (c) => {
    const { limit, cursor, before = cursor, tenant, team, key, kind, state } = c.req.valid('query')
    const found = tenant === undefined ? null : await findTenant(c.env.DB, tenant)
    const scope = scopeOf(c)
    const isNone = found === null || !isReached(scope, found.id)
    if (tenant !== undefined && isNone) return refuse(c, unknownTenant(tenant))
    const page = await alertHistory(c.env.DB, {
      limit: Number(limit ?? PAGE_DEFAULT),
      before: before === undefined ? null : Number(before),
      tenantId: found?.id ?? tenantOf(scope),
      teamId: teamOf(scope) ?? team ?? null,
      keyId: key ?? null,
      kind: kind ?? null,
      state: state ?? null,
    })
    // Whom the deployment tells of an alert is its own business.
    const rows = scope.kind === 'deployment' ? page.rows : page.rows.map((row) => ({ ...row, deliveries: [] }))
    return c.json({ ...page, rows })
  })
}
