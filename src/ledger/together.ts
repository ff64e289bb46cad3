// Sums that grow with what is told apart and not with keys: of all keys of a team together by hour and by day, and of each key
// by day and by week whatever it was used for. They are taken from the other sums by the consumer's schedule, so that an event
// costs no row more; what they don't hold yet is read from the others (`report-source.ts`). A deployment that is older than they
// are gets them the same way, oldest first, some weeks in a run.
import { IS_LIVE_KEY } from '../core/routing/shadow.ts'
import { GROUP_DIMENSIONS, ROLLUP_SUMS } from './columns.ts'

const GROUPS = Object.keys(GROUP_DIMENSIONS)
const SUMS = Object.keys(ROLLUP_SUMS)

/** What is summed of a key by day, all its models and routes together. */
export const KEY_SUMS: readonly string[] = [
  ...['requests', 'errors', 'cache_hits', 'attempts', 'unpriced', 'input_tokens', 'cache_read_tokens'],
  ...['cache_write_tokens', 'cache_write_long_tokens', 'output_tokens', 'reasoning_tokens', 'audio_input_tokens'],
  ...['audio_output_tokens', 'cost_nano_usd', 'saved_nano_usd', 'latency_ms'],
]

/** SQL: whose days. All tenants of a zone are summed together, since a run may ask D1 a thousand times at most. */
export const WHOSE = {
  tenant: 'tenant_id = ?1',
  zone: 'tenant_id IN (SELECT tenant_id FROM usage_zones WHERE time_zone = ?1)',
} as const
export type Whose = keyof typeof WHOSE

/** The tables that hold days. */
export const DAY_TABLES = ['usage_daily', 'usage_daily_teams', 'usage_daily_keys'] as const

const sumsOf = (names: readonly string[]): string => names.map((name) => `sum(${name})`).join(', ')
/** Clients' keys are one; what mirrors their requests stays apart. */
const TOGETHER = GROUPS.map((name) => (name === 'key_id' ? `iif(${IS_LIVE_KEY}, '', key_id)` : name)).join(', ')
const PLACES = GROUPS.map((_, at) => at + 2).join(', ')

const HOURS = `hour_ms IN (SELECT value FROM json_each(?2))`
const FORGET_HOURS = `DELETE FROM usage_hourly_teams
  WHERE tenant_id IN (SELECT tenant_id FROM usage_zones WHERE ?1 IS NULL OR tenant_id = ?1) AND ${HOURS}`
const SUM_HOURS = `INSERT INTO usage_hourly_teams (hour_ms, ${[...GROUPS, ...SUMS].join(', ')})
  SELECT hour_ms, ${TOGETHER}, ${sumsOf(SUMS)} FROM usage_hourly
  WHERE ${HOURS} AND (?1 IS NULL OR tenant_id = ?1) GROUP BY 1, ${PLACES}`

/** Sums hours anew, each given by its beginning: of all tenants, or of one. */
export function hoursTogether(
  db: D1Database,
  tenantId: string | null,
  hours: readonly number[],
): readonly D1PreparedStatement[] {
  if (hours.length === 0) return []
  return [FORGET_HOURS, SUM_HOURS].map((sql) => db.prepare(sql).bind(tenantId, JSON.stringify(hours)))
}

/** Sums a day anew, once it is summed by itself. */
export function dayTogether(db: D1Database, whose: Whose, name: string, dayMs: number): readonly D1PreparedStatement[] {
  const isIt = `${WHOSE[whose]} AND day_ms = ?2`
  return [
    `DELETE FROM usage_daily_teams WHERE ${isIt}`,
    `INSERT INTO usage_daily_teams (day_ms, ${[...GROUPS, ...SUMS].join(', ')})
      SELECT day_ms, ${TOGETHER}, ${sumsOf(SUMS)} FROM usage_daily WHERE ${isIt} GROUP BY 1, ${PLACES}`,
    `DELETE FROM usage_daily_keys WHERE ${isIt}`,
    `INSERT INTO usage_daily_keys (day_ms, tenant_id, team_id, key_id, ${KEY_SUMS.join(', ')})
      SELECT day_ms, tenant_id, team_id, key_id, ${sumsOf(KEY_SUMS)} FROM usage_daily WHERE ${isIt} GROUP BY 1, 2, 3, 4`,
  ].map((sql) => db.prepare(sql).bind(name, dayMs))
}

/** Sums weeks anew from the days of keys, each given as [beginning, end). */
export function weeksTogether(
  db: D1Database,
  whose: Whose,
  name: string,
  weeks: readonly { readonly startMs: number; readonly endMs: number }[],
): readonly D1PreparedStatement[] {
  if (weeks.length === 0) return []
  return [
    `DELETE FROM usage_weekly_keys WHERE ${WHOSE[whose]} AND week_ms IN (SELECT value ->> 0 FROM json_each(?2))`,
    `INSERT INTO usage_weekly_keys (week_ms, tenant_id, team_id, key_id, ${KEY_SUMS.join(', ')})
      SELECT w.value ->> 0, tenant_id, team_id, key_id, ${sumsOf(KEY_SUMS)} FROM json_each(?2) AS w CROSS JOIN usage_daily_keys
      WHERE ${WHOSE[whose]} AND day_ms >= w.value ->> 0 AND day_ms < w.value ->> 1 GROUP BY 1, 2, 3, 4`,
  ].map((sql) => db.prepare(sql).bind(name, JSON.stringify(weeks.map(({ startMs, endMs }) => [startMs, endMs]))))
}
