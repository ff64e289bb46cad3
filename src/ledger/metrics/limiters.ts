// Budgets as they stand, and what is on its way to the ledger: asked of the limiters of the tenants that spend most. One that
// doesn't answer in time is counted, and left out.
import type { LimiterStanding, NodeStanding } from '../../core/limits/limits.ts'
import { type Family, type Labels, type Sample, usdOf } from './exposition.ts'

/** Asks a tenant's limiter; null where it can't be asked. */
export type AskLimiter = (tenantId: string) => Promise<LimiterStanding | null>

const TENANTS_MAX = 50
const BUDGETS_MAX = 500
const RECENT_MS = 48 * 3_600_000
const DEADLINE_MS = 2_000

const SPENDERS = `SELECT tenant_id FROM usage_hourly WHERE hour_ms >= ?1
  GROUP BY tenant_id ORDER BY sum(cost_nano_usd) DESC, sum(requests) DESC, tenant_id LIMIT ${TENANTS_MAX}`

interface Asked {
  readonly tenant: string
  readonly standing: LimiterStanding
}

/** Families of budgets and outboxes. */
export async function limiterFamilies(db: D1Database, ask: AskLimiter, nowMs: number): Promise<readonly Family[]> {
  const found = await db
    .prepare(SPENDERS)
    .bind(nowMs - RECENT_MS)
    .all<{ tenant_id: string }>()
  const tenants = found.results.map(({ tenant_id: tenant }) => tenant)
  const answers = await Promise.all(tenants.map((tenant) => inTime(ask(tenant))))
  const asked = tenants.flatMap((tenant, at): Asked[] => {
    const standing = answers[at] ?? null
    return standing === null ? [] : [{ tenant, standing }]
  })
  return [
    ...budgetFamilies(asked),
    gauge(
      'tidegate_outbox_rows',
      'Runs of events that the ledger has not confirmed.',
      asked.map(({ tenant, standing }) => {
        return { labels: { tenant }, value: standing.unconfirmed }
      }),
    ),
    gauge(
      'tidegate_outbox_age_seconds',
      'Age of the oldest request whose event the ledger has not confirmed; 0 for none.',
      asked.map(({ tenant, standing }) => {
        const oldestMs = standing.oldestUnconfirmedMs ?? nowMs
        return { labels: { tenant }, value: Math.max(0, nowMs - oldestMs) / 1000 }
      }),
    ),
    gauge('tidegate_limiters_silent', 'Limiters that did not answer this scrape.', [
      { labels: {}, value: tenants.length - asked.length },
    ]),
  ]
}

async function inTime(asked: Promise<LimiterStanding | null>): Promise<LimiterStanding | null> {
  let timer: ReturnType<typeof setTimeout> | null = null
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), DEADLINE_MS)
  })
  try {
    return await Promise.race([asked, late])
  } catch {
    return null
  } finally {
    if (timer !== null) clearTimeout(timer)
  }
}

/** The budgets of which most is used. */
function budgetFamilies(asked: readonly Asked[]): readonly Family[] {
  const all = asked.flatMap(({ tenant, standing }) => standing.nodes.map((node) => ({ tenant, node })))
  const shown = all.toSorted((a, b) => used(b.node) - used(a.node)).slice(0, BUDGETS_MAX)
  const of = (name: string, help: string, value: (node: NodeStanding) => number): Family => {
    const samples = shown.map(({ tenant, node }) => ({ labels: labelsOf(tenant, node), value: usdOf(value(node)) }))
    return gauge(name, help, samples)
  }
  return [
    of('tidegate_budget_limit_usd', 'What may be spent in the running window.', (node) => node.limitNanoUsd),
    of('tidegate_budget_spent_usd', 'What was spent of it.', (node) => node.spentNanoUsd),
    of('tidegate_budget_held_usd', 'What is reserved of it.', (node) => node.heldNanoUsd),
    gauge('tidegate_budgets_not_shown', 'Budgets beyond the bound of what is shown.', [
      { labels: {}, value: all.length - shown.length },
    ]),
  ]
}

function used({ spentNanoUsd, heldNanoUsd, limitNanoUsd }: NodeStanding): number {
  return (spentNanoUsd + heldNanoUsd) / Math.max(limitNanoUsd, 1)
}

function labelsOf(tenant: string, { scope, id, model, period }: NodeStanding): Labels {
  return { tenant, scope, id, model: model ?? '', period: typeof period === 'string' ? period : JSON.stringify(period) }
}

function gauge(name: string, help: string, samples: readonly Sample[]): Family {
  return { name, help, type: 'gauge', samples }
}
