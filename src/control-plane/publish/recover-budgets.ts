// What budgets have spent by the ledger, for a limiter that doesn't know it any more: it has lost its storage, or was never told
// of any limits. What is on its way to the ledger is missing, and so are budgets of single models, which it knows by other names.
import { gaugeId } from '../../core/limits/gauge.ts'
import type { LimiterNode } from '../../core/limits/limits.ts'
import type { SpentBudget } from '../../core/limits/recovery.ts'
import { type Window, windowAt } from '../../core/limits/window.ts'
import { REPORT_ROWS_MAX } from '../../ledger/report-query.ts'
import { report } from '../../ledger/report.ts'

/** What tells owners apart in the ledger. */
const GROUPS = { tenant: [], team: ['team'], key: ['key'] } as const

interface Budget {
  readonly gaugeId: string
  readonly scope: keyof typeof GROUPS
  readonly ownerId: string
  readonly window: Window
}

/** A report for each scope and window, however many budgets there are. Throws where the ledger can't be read: then nothing may be
 *  lent. */
export async function spentByLedger(
  db: D1Database,
  { tenantId, timeZone, nodes }: { tenantId: string; timeZone: string; nodes: readonly LimiterNode[] },
  nowMs: number,
): Promise<readonly SpentBudget[]> {
  const budgets = nodes.flatMap((node) => (node.model === null ? budgetsOf(node, timeZone, nowMs) : []))
  const alike = Map.groupBy(budgets, ({ scope, window }) => `${scope} ${window.startMs} ${window.endMs}`)
  const spent: SpentBudget[] = []
  for (const own of alike.values()) {
    const [first] = own
    if (first === undefined) continue
    const byOwner = await spentIn(db, tenantId, first)
    for (const { gaugeId: name, ownerId, window } of own) {
      const nanoUsd = byOwner.get(ownerId) ?? 0
      if (nanoUsd > 0) spent.push({ gaugeId: name, windowStartMs: window.startMs, nanoUsd })
    }
  }
  return spent
}

function budgetsOf(node: LimiterNode, timeZone: string, nowMs: number): readonly Budget[] {
  const { scope } = node
  if (scope !== 'tenant' && scope !== 'team' && scope !== 'key') return []
  return node.limits.flatMap((limit): readonly Budget[] => {
    if (limit.kind !== 'budget') return []
    const window = windowAt(limit.period, timeZone, nowMs)
    return [{ gaugeId: gaugeId(node, limit), scope, ownerId: node.id, window }]
  })
}

async function spentIn(
  db: D1Database,
  tenantId: string,
  { scope, window }: Budget,
): Promise<ReadonlyMap<string, number>> {
  const found = await report(db, {
    fromMs: window.startMs,
    toMs: window.endMs,
    metrics: ['spend'],
    groupBy: GROUPS[scope],
    filters: { tenant: [tenantId] },
    limit: REPORT_ROWS_MAX,
    isCompared: false,
  })
  if (!found.ok) throw new Error(`what ${tenantId} has spent can't be read: ${found.error}`)
  const { rows, total } = found.value
  if (scope === 'tenant') return new Map([[tenantId, Number(total['cost_nano_usd'] ?? 0)]])
  return new Map(rows.map(({ values }) => [String(values[scope]), Number(values['cost_nano_usd'] ?? 0)]))
}
