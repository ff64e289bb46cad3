// Looks at what is spent by the hour: hours that cost a key far more than such hours usually do, and months that won't be
// enough for their budget. Reads roll-ups only.
import { type Json, isJsonObject, parseJson } from '../../core/json.ts'
import { IS_LIVE_KEY } from '../../core/routing/shadow.ts'
import { isTimeZone, windowAt } from '../../core/limits/window.ts'
import type { NewAlert } from './alert.ts'
import type { RuleBook } from './rules.ts'

const HOUR_MS = 3_600_000
const WEEK_MS = 7 * 24 * HOUR_MS
/** The same hour of so many weeks is what is usual … */
const WEEKS = 4
/** … for whoever spent in so many of them. */
const WEEKS_MIN = 2
/** Keys that one look takes on: those that spend most. */
const KEYS_MAX = 2_000
/** Before so much of a month has passed nothing is said of the rest. */
const FORECAST_FROM_SHARE = 0.1

// Five hours of the table, each by its key.
const HOURS = `SELECT tenant_id, key_id, CAST(sum(iif(hour_ms = ?1, cost_nano_usd, 0)) AS REAL) AS spent,
    CAST(sum(iif(hour_ms < ?1, cost_nano_usd, 0)) AS REAL) AS before,
    count(DISTINCT iif(hour_ms < ?1 AND cost_nano_usd > 0, hour_ms, NULL)) AS weeks
  FROM usage_hourly WHERE hour_ms IN (SELECT value FROM json_each(?2)) AND ${IS_LIVE_KEY}
  GROUP BY tenant_id, key_id HAVING spent > 0 AND weeks >= ${WEEKS_MIN} ORDER BY spent DESC LIMIT ${KEYS_MAX}`

interface HourRow {
  readonly tenant_id: string
  readonly key_id: string
  readonly spent: number
  readonly before: number
  readonly weeks: number
}

/** Keys whose spending in the hour that `atMs` lies in is far beyond that of the weeks before. */
export async function findAnomalies(
  db: D1Database,
  book: RuleBook,
  atMs: number,
  nowMs: number,
): Promise<readonly NewAlert[]> {
  const hourMs = atMs - (atMs % HOUR_MS)
  const hours = Array.from({ length: WEEKS + 1 }, (_, week) => hourMs - week * WEEK_MS)
  const { results } = await db.prepare(HOURS).bind(hourMs, JSON.stringify(hours)).all<HourRow>()
  return results.flatMap(({ tenant_id, key_id, spent, before, weeks }): readonly NewAlert[] => {
    const rule = book.of(tenant_id).anomaly
    // Weeks without any spending are from before the key was used.
    const usual = before / weeks
    if (rule === null || spent < rule.min_nano_usd || spent < usual * rule.factor) return []
    return [
      {
        kind: 'anomaly',
        tenantId: tenant_id,
        scope: 'key',
        subjectId: key_id,
        what: ['anomaly', key_id].join(' '),
        windowStartMs: hourMs,
        windowEndMs: hourMs + HOUR_MS,
        atMs: nowMs,
        facts: { spent_nano_usd: spent, usual_nano_usd: Math.round(usual), factor: rule.factor },
      },
    ]
  })
}

interface BudgetRow {
  readonly scope: 'tenant' | 'team' | 'key'
  readonly id: string
  readonly tenant_id: string
  readonly time_zone: string
  readonly budget_nano_usd: number | null
  readonly budget_period: string | null
  readonly limit_rules: string
}

const BUDGETS = `SELECT * FROM (
    SELECT 'tenant' AS scope, id, id AS tenant_id, time_zone, budget_nano_usd, budget_period, limit_rules FROM tenants
    UNION ALL SELECT 'team', m.id, m.tenant_id, t.time_zone, m.budget_nano_usd, m.budget_period, m.limit_rules
      FROM teams m JOIN tenants t ON t.id = m.tenant_id
    UNION ALL SELECT 'key', k.id, k.tenant_id, t.time_zone, k.budget_nano_usd, k.budget_period, k.limit_rules
      FROM virtual_keys k JOIN tenants t ON t.id = k.tenant_id WHERE k.revoked_at_ms IS NULL
  ) WHERE budget_period = 'month' OR limit_rules LIKE '%"month"%'`

// Of whole hours: where midnight isn't at a full hour, the one that it cuts is left out.
const SPENT = `SELECT tenant_id, team_id, key_id, CAST(sum(cost_nano_usd) AS REAL) AS spent
  FROM usage_hourly WHERE hour_ms >= ?1 AND ${IS_LIVE_KEY} GROUP BY tenant_id, team_id, key_id`

interface SpentRow {
  readonly tenant_id: string
  readonly team_id: string
  readonly key_id: string
  readonly spent: number
}

/** Budgets of the month that will not last at the pace of the month so far. One that is used up already is told of as
 *  such, and not here. */
export async function findForecasts(db: D1Database, book: RuleBook, nowMs: number): Promise<readonly NewAlert[]> {
  const { results } = await db.prepare(BUDGETS).all<BudgetRow>()
  const budgets = results.flatMap((row) => {
    const limitNanoUsd = monthlyOf(row)
    return limitNanoUsd === null || book.of(row.tenant_id).forecast === null ? [] : [{ row, limitNanoUsd }]
  })
  const found: NewAlert[] = []
  const byMonth = Map.groupBy(budgets, ({ row }) => monthOf(row.time_zone, nowMs).startMs)
  for (const [startMs, ofMonth] of byMonth) {
    const spent = await spentSince(db, startMs)
    for (const { row, limitNanoUsd } of ofMonth) {
      const alert = forecastOf(
        row,
        { limitNanoUsd, spentNanoUsd: spent.get(`${row.scope} ${row.id}`) ?? 0 },
        book,
        nowMs,
      )
      if (alert !== null) found.push(alert)
    }
  }
  return found
}

function forecastOf(
  { scope, id, tenant_id, time_zone }: BudgetRow,
  { limitNanoUsd, spentNanoUsd }: { readonly limitNanoUsd: number; readonly spentNanoUsd: number },
  book: RuleBook,
  nowMs: number,
): NewAlert | null {
  const { startMs, endMs } = monthOf(time_zone, nowMs)
  const share = (nowMs - startMs) / (endMs - startMs)
  const percent = book.of(tenant_id).forecast?.percent ?? Infinity
  const projected = spentNanoUsd / share
  if (share < FORECAST_FROM_SHARE || spentNanoUsd >= limitNanoUsd || projected < (limitNanoUsd * percent) / 100)
    return null
  return {
    kind: 'forecast',
    tenantId: tenant_id,
    scope,
    subjectId: id,
    what: ['forecast', scope, id, limitNanoUsd].join(' '),
    windowStartMs: startMs,
    windowEndMs: endMs,
    atMs: nowMs,
    facts: { spent_nano_usd: spentNanoUsd, projected_nano_usd: Math.round(projected), limit_nano_usd: limitNanoUsd },
  }
}

async function spentSince(db: D1Database, startMs: number): Promise<ReadonlyMap<string, number>> {
  const { results } = await db.prepare(SPENT).bind(startMs).all<SpentRow>()
  const sums = new Map<string, number>()
  for (const { tenant_id, team_id, key_id, spent } of results) {
    for (const name of [`tenant ${tenant_id}`, `team ${team_id}`, `key ${key_id}`]) {
      sums.set(name, (sums.get(name) ?? 0) + spent)
    }
  }
  return sums
}

function monthOf(timeZone: string, nowMs: number) {
  return windowAt('month', isTimeZone(timeZone) ? timeZone : 'UTC', nowMs)
}

/** The smallest budget of a month for all models; null for none. */
function monthlyOf({ budget_nano_usd, budget_period, limit_rules }: BudgetRow): number | null {
  const amounts = budget_period === 'month' && budget_nano_usd !== null ? [budget_nano_usd] : []
  const rules = parseJson(limit_rules)
  for (const rule of Array.isArray(rules) ? rules : []) {
    const amount = monthlyRule(rule)
    if (amount !== null) amounts.push(amount)
  }
  return amounts.length === 0 ? null : Math.min(...amounts)
}

function monthlyRule(rule: Json): number | null {
  if (!isJsonObject(rule) || rule.kind !== 'budget' || rule.period !== 'month') return null
  if ((rule.model ?? null) !== null || typeof rule.amount_usd !== 'string') return null
  const usd = Number(rule.amount_usd)
  return Number.isFinite(usd) && usd > 0 ? Math.round(usd * 1e9) : null
}
