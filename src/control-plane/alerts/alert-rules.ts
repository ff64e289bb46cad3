// Bounds beyond which there is an alert, besides the shares of budgets, which are set with them: everybody's, and a tenant's
// own in their place. Read, set, taken away.
import { Hono } from 'hono'
import {
  type AlertRules,
  EVERYBODY,
  RuleBook,
  type RulesRow,
  USUAL_RULES,
  rulesOver,
} from '../../ledger/alerts/rules.ts'
import { RULES, type RulesBody } from './alert-schemas.ts'
import { readUsd, writeUsd } from '../prices/amount.ts'
import type { Entry } from '../audit/audit-record.ts'
import { entryBy } from '../access/caller.ts'
import type { AdminPorts, AdminTypes } from '../ports.ts'
import { notFound, notStored, refuse, unacceptable } from '../http/refusal.ts'
import { commit, deleteRow, findRow, findTenant, insertRow, listRows, updateRow } from '../store.ts'
import { jsonBody } from '../http/validate.ts'

/** The admin API's `/alert-rules`, everybody's, and `/alert-rules/:tenant`. Rules are shown as they hold. */
export function alertRuleEndpoints(ports: AdminPorts) {
  return new Hono<AdminTypes>()
    .get('/', async (c) => {
      const rows = await listRows<RulesRow>(c.env.DB, 'alert_rules')
      const book = new RuleBook(rows)
      const tenants = rows.filter(({ id }) => id !== EVERYBODY)
      return c.json({
        rules: viewRules(book.of(EVERYBODY)),
        tenants: tenants.map(({ id }) => ({ tenant_id: id, rules: viewRules(book.of(id)) })),
      })
    })
    .put('/', jsonBody(RULES), async (c) => {
      await put(c.env.DB, ruleRow(EVERYBODY, c.req.valid('json'), ports.nowMs()), entryBy(c))
      return c.json({ rules: await rulesOf(c.env.DB, EVERYBODY) })
    })
    .delete('/', async (c) => {
      await commit(c.env.DB, deleteRow(c.env.DB, 'alert_rules', EVERYBODY), entryBy(c))
      return c.body(null, 204)
    })
    .get('/:tenant', async (c) => {
      const tenant = await findTenant(c.env.DB, c.req.param('tenant'))
      if (tenant === null) return refuse(c, notFound('tenant', c.req.param('tenant')))
      return c.json({ tenant_id: tenant.id, rules: await rulesOf(c.env.DB, tenant.id) })
    })
    .put('/:tenant', jsonBody(RULES), async (c) => {
      const body = c.req.valid('json')
      const tenant = await findTenant(c.env.DB, c.req.param('tenant'))
      if (tenant === null) return refuse(c, notFound('tenant', c.req.param('tenant')))
      if (body.provider_down !== undefined) return refuse(c, EVERYBODYS)
      const isStored = await put(c.env.DB, ruleRow(tenant.id, body, ports.nowMs()), entryBy(c))
      if (!isStored) return refuse(c, notStored('full', EVERYBODYS))
      return c.json({ tenant_id: tenant.id, rules: await rulesOf(c.env.DB, tenant.id) })
    })
    .delete('/:tenant', async (c) => {
      const tenant = await findTenant(c.env.DB, c.req.param('tenant'))
      if (tenant === null) return refuse(c, notFound('tenant', c.req.param('tenant')))
      await commit(c.env.DB, deleteRow(c.env.DB, 'alert_rules', tenant.id), entryBy(c))
      return c.body(null, 204)
    })
}

const EVERYBODYS = unacceptable(
  'provider_down',
  'invalid_field',
  'provider_down concerns everybody: it is set at /alert-rules.',
)

function ruleRow(id: string, body: RulesBody, nowMs: number): RulesRow {
  return { id, rules: JSON.stringify(keptRules(body)), created_at_ms: nowMs }
}

async function put(db: D1Database, row: RulesRow, entry: Entry): Promise<boolean> {
  const before = await findRow<RulesRow>(db, 'alert_rules', row.id)
  const change = before === null ? insertRow(db, 'alert_rules', row) : updateRow(db, 'alert_rules', row)
  return (await commit(db, change, entry)).ok
}

/** As they are kept: money in nano-USD, members that are left out stay out. */
export function keptRules({ unknown_price, anomaly, ...rest }: RulesBody) {
  return {
    ...rest,
    ...(unknown_price === undefined ? {} : { unknown_price: unknown_price ? {} : null }),
    ...(anomaly === undefined
      ? {}
      : { anomaly: anomaly === null ? null : { factor: anomaly.factor, min_nano_usd: readUsd(anomaly.min_usd) ?? 0 } }),
  }
}

async function rulesOf(db: D1Database, id: string) {
  const rows = await Promise.all([EVERYBODY, id].map((one) => findRow<RulesRow>(db, 'alert_rules', one)))
  return viewRules(rows.reduce((rules, row) => (row === null ? rules : rulesOver(rules, row.rules)), USUAL_RULES))
}

export function viewRules({ unknown_price, anomaly, ...rest }: AlertRules) {
  return {
    ...rest,
    unknown_price: unknown_price !== null,
    anomaly: anomaly === null ? null : { factor: anomaly.factor, min_usd: writeUsd(anomaly.min_nano_usd) },
  }
}
