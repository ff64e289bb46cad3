// Compares what different parts of the gateway hold for true: budgets as a tenant's limiter has spent them with what the
// ledger has for their windows, and days with the hours they were summed from. Nothing is repaired: a difference has a
// cause, and that must be seen.
import type { LimiterStanding, NodeStanding } from '../core/limits/limits.ts'
import { report } from './report.ts'

const DAY_MS = 86_400_000
/** Budgets compared of one tenant. */
const BUDGETS_MAX = 100
/** Days that are compared with their hours. */
const DAYS_COMPARED = 35

/** One budget's window on both sides. Money in nano-USD, in decimal. */
export interface BudgetAudit {
  readonly tenant: string
  readonly scope: string
  readonly id: string
  readonly window_start_ms: number
  readonly window_end_ms: number
  readonly limiter_nano_usd: string
  readonly ledger_nano_usd: string
  /** What of the ledger's was added by rating history anew: budgets held what was known at the time. */
  readonly rerated_nano_usd: string
  /** The limiter's less the ledger's without that. */
  readonly difference_nano_usd: string
  /** Runs of events that the limiter has and the ledger hasn't confirmed: while there are any, a difference says nothing. */
  readonly unconfirmed: number
  readonly agrees: boolean
}

/** Compares a tenant's budgets, but for those of single models, which the ledger knows by other names. The ledger has a
 *  charge in the window in which its request started, the limiter in that of its admission. Throws when D1 fails. */
export async function auditBudgets(
  db: D1Database,
  tenantId: string,
  { nodes, unconfirmed }: LimiterStanding,
): Promise<readonly BudgetAudit[]> {
  const audits: BudgetAudit[] = []
  for (const node of nodes.filter(({ model }) => model === null).slice(0, BUDGETS_MAX)) {
    const [ledger, rerated] = await Promise.all([spentIn(db, tenantId, node), reratedIn(db, tenantId, node)])
    if (ledger === null) continue
    const limiter = BigInt(Math.round(node.spentNanoUsd))
    const difference = limiter - (ledger - rerated)
    audits.push({
      tenant: tenantId,
      scope: node.scope,
      id: node.id,
      window_start_ms: node.windowStartMs,
      window_end_ms: node.windowEndMs,
      limiter_nano_usd: String(limiter),
      ledger_nano_usd: String(ledger),
      rerated_nano_usd: String(rerated),
      difference_nano_usd: String(difference),
      unconfirmed,
      agrees: difference === 0n,
    })
  }
  return audits
}

/** True of a difference that nothing on its way explains: more than a hundredth of what was spent, and than a cent. */
export function isAlarming(audit: BudgetAudit): boolean {
  if (audit.unconfirmed > 0) return false
  const difference = BigInt(audit.difference_nano_usd)
  const size = difference < 0n ? -difference : difference
  return size > 10_000_000n && size * 100n > BigInt(audit.limiter_nano_usd)
}

async function spentIn(db: D1Database, tenantId: string, node: NodeStanding): Promise<bigint | null> {
  const filters = { tenant: [tenantId], ...filterOf(node) }
  const found = await report(db, {
    fromMs: node.windowStartMs,
    toMs: node.windowEndMs,
    metrics: ['spend'],
    groupBy: [],
    filters,
    limit: 1,
    isCompared: false,
  })
  return found.ok ? BigInt(found.value.total['cost_nano_usd'] ?? 0) : null
}

const RERATED = `SELECT CAST(coalesce(sum(cost_nano_usd), 0) AS TEXT) AS cost FROM corrected
  WHERE tenant_id = ?1 AND quarter_ms >= ?2 AND quarter_ms < ?3 AND (?4 IS NULL OR team_id = ?4) AND (?5 IS NULL OR key_id = ?5)`

async function reratedIn(db: D1Database, tenantId: string, { scope, id, ...node }: NodeStanding): Promise<bigint> {
  const [team, key] = [scope === 'team' ? id : null, scope === 'key' ? id : null]
  const sum = db.prepare(RERATED).bind(tenantId, node.windowStartMs, node.windowEndMs, team, key)
  return BigInt((await sum.first<{ cost: string }>())?.cost ?? 0)
}

function filterOf({ scope, id }: NodeStanding): Readonly<Record<string, readonly string[]>> {
  if (scope === 'team') return { team: [id] }
  return scope === 'key' ? { key: [id] } : {}
}

/** A tenant whose days don't add up to their hours. */
export interface DayDifference {
  readonly tenant: string
  readonly from_ms: number
  readonly to_ms: number
  readonly days_nano_usd: string
  readonly hours_nano_usd: string
}

const DAYS = `WITH span AS (
    SELECT tenant_id AS of_tenant, min(day_ms) AS from_ms, max(day_ms) AS to_ms FROM usage_daily WHERE day_ms >= ?1
    GROUP BY tenant_id HAVING min(day_ms % 3600000) = 0 AND max(day_ms % 3600000) = 0),
  days AS (
    SELECT of_tenant, from_ms, to_ms, sum(cost_nano_usd) AS cost, sum(requests) AS requests
    FROM span JOIN usage_daily ON tenant_id = of_tenant AND day_ms >= from_ms AND day_ms < to_ms GROUP BY of_tenant),
  hours AS (
    SELECT tenant_id AS hours_of, sum(cost_nano_usd) AS cost, sum(requests) AS requests
    FROM usage_hourly JOIN span ON tenant_id = of_tenant
    WHERE hour_ms >= ?1 AND hour_ms >= from_ms AND hour_ms < to_ms GROUP BY tenant_id)
  SELECT coalesce(of_tenant, hours_of) AS tenant, from_ms, to_ms,
    CAST(coalesce(days.cost, 0) AS TEXT) AS days_nano_usd, CAST(coalesce(hours.cost, 0) AS TEXT) AS hours_nano_usd
  FROM days FULL JOIN hours ON hours_of = of_tenant
  WHERE days.cost IS NOT hours.cost OR days.requests IS NOT hours.requests
  LIMIT 100`

/** Tenants whose days of the last weeks are not the sums of their hours. Days that wait to be summed anew, and those of
 *  zones whose midnight cuts an hour, are left out. */
export async function auditDays(db: D1Database, nowMs: number): Promise<readonly DayDifference[]> {
  const waiting = await db.prepare(`SELECT count(*) AS n FROM usage_late`).first<{ n: number }>()
  if ((waiting?.n ?? 0) > 0) return []
  const found = await db
    .prepare(DAYS)
    .bind(nowMs - DAYS_COMPARED * DAY_MS)
    .all<DayDifference>()
  return found.results
}
