// `GET /alerts`: the history of alerts, page by page, each with what became of telling it.
import { Hono } from 'hono'
import { alertHistory } from '../ledger/alerts/history.ts'
import { HISTORY } from './alert-schemas.ts'
import type { AdminTypes } from './ports.ts'
import { refuse } from './refusal.ts'
import { findTenant } from './store.ts'
import { unknownTenant } from './teams.ts'
import { query } from './validate.ts'

const PAGE_DEFAULT = 50

/** The admin API's `/alerts`: newest first; `next` is the `before` of the next page, null where there is none. */
export function alertEndpoints() {
  return new Hono<AdminTypes>().get('/', query(HISTORY), async (c) => {
    const { limit, before, tenant, team, key, kind, state } = c.req.valid('query')
    const found = tenant === undefined ? null : await findTenant(c.env.DB, tenant)
    if (tenant !== undefined && found === null) return refuse(c, unknownTenant(tenant))
    const page = await alertHistory(c.env.DB, {
      limit: Number(limit ?? PAGE_DEFAULT),
      before: before === undefined ? null : Number(before),
      tenantId: found?.id ?? null,
      teamId: team ?? null,
      keyId: key ?? null,
      kind: kind ?? null,
      state: state ?? null,
    })
    return c.json(page)
  })
}
