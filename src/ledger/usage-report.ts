// Usage by group, for any stretch of time, exact to the event. Sums are taken in SQL and money leaves as text, because a sum of
// nano-USD may exceed what a JS number holds.
import { err, ok, type Result } from '../core/result.ts'
import { IS_LIVE_KEY } from '../core/routing/shadow.ts'
import { type LedgerState, type Source, type SourceQuery, ledgerState, sourceOf } from './report-source.ts'

/** What usage can be grouped by. `hour` and `day` are UTC, given as the epoch ms of their beginning. */
export const USAGE_GROUPS = ['hour', 'day', 'tenant', 'team', 'key', 'model', 'provider', 'cost_center'] as const
export type UsageGroup = (typeof USAGE_GROUPS)[number]

/** Sums over a group. Input and output include audio; cached prompt tokens are counted apart from fresh ones. */
export interface UsageSums {
  readonly requests: number
  readonly errors: number
  readonly cache_hits: number
  /** Attempts at models whose price nobody knew: charged nothing. */
  readonly unpriced: number
  readonly input_tokens: number
  readonly cache_read_tokens: number
  readonly cache_write_tokens: number
  readonly output_tokens: number
  readonly reasoning_tokens: number
  /** Integer nano-USD in decimal. */
  readonly cost_nano_usd: string
  readonly saved_nano_usd: string
}

/** A group: of the optional members, those that were asked for. Null: the requests had none (no team, no provider …). */
export interface UsageRow extends UsageSums {
  readonly hour?: number
  readonly day?: number
  readonly tenant?: string
  readonly team?: string | null
  readonly key?: string
  readonly model?: string | null
  readonly provider?: string | null
  readonly cost_center?: string | null
}

export interface UsageQuery {
  /** From this instant on … */
  readonly fromMs: number
  /** … until before this one. */
  readonly toMs: number
  /** Empty for one row with the total. */
  readonly groupBy: readonly UsageGroup[]
  /** Only this tenant's, or only this team's of it; everybody's where neither is given. */
  readonly tenantId?: string | null
  readonly teamId?: string | null
}

export interface UsageReport {
  readonly from: number
  readonly to: number
  readonly group_by: readonly UsageGroup[]
  readonly rows: readonly UsageRow[]
  readonly total: UsageSums
}

/** A report with more rows is refused rather than cut. */
export const USAGE_ROWS_MAX = 20_000

const GROUP_EXPRESSIONS: Readonly<Record<UsageGroup, string>> = {
  hour: `time`,
  day: `time - time % 86400000`,
  tenant: `tenant_id`,
  team: `nullif(team_id, '')`,
  key: `key_id`,
  model: `nullif(model, '')`,
  provider: `nullif(provider, '')`,
  cost_center: `nullif(cost_center, '')`,
}

const REPORTED_SUMS = `
  coalesce(sum(requests), 0) AS requests,
  coalesce(sum(errors), 0) AS errors,
  coalesce(sum(cache_hits), 0) AS cache_hits,
  coalesce(sum(unpriced), 0) AS unpriced,
  coalesce(sum(input_tokens + audio_input_tokens), 0) AS input_tokens,
  coalesce(sum(cache_read_tokens), 0) AS cache_read_tokens,
  coalesce(sum(cache_write_tokens + cache_write_long_tokens), 0) AS cache_write_tokens,
  coalesce(sum(output_tokens + audio_output_tokens), 0) AS output_tokens,
  coalesce(sum(reasoning_tokens), 0) AS reasoning_tokens,
  CAST(coalesce(sum(cost_nano_usd), 0) AS TEXT) AS cost_nano_usd,
  CAST(coalesce(sum(saved_nano_usd), 0) AS TEXT) AS saved_nano_usd`

const SUMS = [
  ...['requests', 'errors', 'cache_hits', 'unpriced', 'input_tokens', 'audio_input_tokens', 'cache_read_tokens'],
  ...['cache_write_tokens', 'cache_write_long_tokens', 'output_tokens', 'audio_output_tokens', 'reasoning_tokens'],
  ...['cost_nano_usd', 'saved_nano_usd'],
]
const COLUMNS = {
  tenant: 'tenant_id',
  team: 'team_id',
  key: 'key_id',
  model: 'model',
  provider: 'provider',
  cost_center: 'cost_center',
} as const

/** What is read: hours, where rows are of some; days of UTC are made of them. */
function sourceFor(query: UsageQuery, state: LedgerState): Source {
  const { fromMs, toMs, groupBy, tenantId = null, teamId = null } = query
  const columns = groupBy.flatMap((group) => (group === 'hour' || group === 'day' ? [] : [COLUMNS[group]]))
  const dimensions: SourceQuery['dimensions'] = [
    ...new Set([COLUMNS.key, ...columns, ...(teamId === null ? [] : [COLUMNS.team])]),
  ]
  const isTimed = groupBy.includes('hour') || groupBy.includes('day')
  return sourceOf(
    {
      ...{ fromMs, toMs, time: isTimed ? 'hour' : null, dimensions, sums: SUMS, withFeedback: false },
      isByKey: groupBy.includes('key'),
      ...(tenantId === null ? {} : { tenants: [tenantId] }),
    },
    state,
  )
}

/** Usage in a stretch of time, in the order of its groups. Rows and total are of one moment. */
export async function usageReport(db: D1Database, query: UsageQuery): Promise<Result<UsageReport, 'too-many-rows'>> {
  const state = await ledgerState(db)
  const [rows, total] = await db.batch<UsageRow>([
    statement(db, query, state),
    statement(db, { ...query, groupBy: [] }, state),
  ])
  const sums = total?.results[0]
  if (rows === undefined || sums === undefined) throw new Error('D1 answered a batch of two with less')
  if (rows.results.length > USAGE_ROWS_MAX) return err('too-many-rows')
  return ok({ from: query.fromMs, to: query.toMs, group_by: query.groupBy, rows: rows.results, total: sums })
}

function statement(db: D1Database, query: UsageQuery, state: LedgerState): D1PreparedStatement {
  const { groupBy, teamId = null } = query
  const { sql, parameters } = sourceFor(query, state)
  const groups = groupBy.map((group) => `${GROUP_EXPRESSIONS[group]} AS "${group}", `).join('')
  const positions = groupBy.map((_, at) => at + 1).join(', ')
  const grouping = groupBy.length === 0 ? '' : `GROUP BY ${positions} ORDER BY ${positions}`
  const isOwn = teamId === null ? '' : `AND team_id = ?${parameters.length + 1}`
  return db
    .prepare(
      `SELECT ${groups}${REPORTED_SUMS} FROM (${sql}) WHERE ${IS_LIVE_KEY} ${isOwn} ${grouping} LIMIT ${USAGE_ROWS_MAX + 1}`,
    )
    .bind(...parameters, ...(teamId === null ? [] : [teamId]))
}
