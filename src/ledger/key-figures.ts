// What keys spent and when they were last used, for a page of them: looked up for the keys that are shown, or, where keys are
// sorted by it, for all.
import { IS_LIVE_KEY } from '../core/routing/shadow.ts'
import { dayAt } from './days.ts'
import type { LastUse } from './key-ledger.ts'
import { type KeyOwner, type LedgerState, type Source, sourceOf } from './report-source.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** How far back a use is told by the hour; before, by the day. */
const HOURS_MS = 2 * DAY_MS
/** How far back a use is told at all. */
const LOOK_BACK_MS = 30 * DAY_MS

/** SQL of `key` and `value`, by which keys can be sorted, and its parameters, from ?1 on. */
export type KeyValues = Source

interface Stretch {
  readonly fromMs: number
  readonly toMs: number
}

/** What every key spent; keys that spent nothing aren't there. */
export function spendOfAll(
  { fromMs, toMs }: Stretch,
  tenants: readonly string[] | null,
  state: LedgerState,
): KeyValues {
  const { sql, parameters } = sourceOf(
    {
      ...{ fromMs, toMs, time: null, withFeedback: false, isByKey: true },
      ...{ dimensions: ['key_id'], sums: ['cost_nano_usd'] },
      ...(tenants === null ? {} : { tenants }),
    },
    state,
  )
  const summed = `SELECT key_id AS key, sum(cost_nano_usd) AS value FROM (${sql}) WHERE ${IS_LIVE_KEY} GROUP BY key_id`
  return { sql: summed, parameters }
}

/** What these keys spent, in nano-USD as text, by id. */
export async function spendOf(
  db: D1Database,
  { fromMs, toMs }: Stretch,
  keys: readonly KeyOwner[],
  state: LedgerState,
): Promise<ReadonlyMap<string, string>> {
  const { sql, parameters } = sourceOf(
    {
      ...{ fromMs, toMs, time: null, withFeedback: false, isByKey: true, keys },
      ...{ dimensions: ['key_id'], sums: ['cost_nano_usd'] },
    },
    state,
  )
  const found = await db
    .prepare(`SELECT key_id, CAST(sum(cost_nano_usd) AS TEXT) AS nano FROM (${sql}) GROUP BY key_id`)
    .bind(...parameters)
    .all<{ key_id: string; nano: string }>()
  return new Map(found.results.map(({ key_id, nano }) => [key_id, nano]))
}

const WAS_USED = '(requests > 0 OR attempts > 0)'

/** When every key that was used in the last 30 days was used last: the beginning of that hour or day. */
export function usesOfAll(nowMs: number, state: LedgerState): KeyValues {
  const days = state.togetherUntilMs > 0 ? 'usage_daily_keys' : 'usage_daily'
  const sql = `SELECT key, max(value) AS value FROM (
      SELECT key_id AS key, max(hour_ms) AS value FROM usage_hourly
        WHERE hour_ms >= ?1 AND ${WAS_USED} GROUP BY key_id
      UNION ALL
      SELECT key_id, max(day_ms) FROM usage_zones CROSS JOIN ${days} USING (tenant_id)
        WHERE day_ms >= ?2 AND ${WAS_USED} GROUP BY key_id
    ) GROUP BY key`
  return { sql, parameters: [String(hoursFrom(nowMs)), String(nowMs - LOOK_BACK_MS)] }
}

const USES_OF = `WITH own AS MATERIALIZED (
    SELECT value ->> 0 AS own_tenant, value ->> 1 AS own_team, value ->> 2 AS own_key FROM json_each(?1))
  SELECT key, max(from_ms) AS from_ms, to_ms FROM (
    SELECT own_key AS key, max(hour_ms) AS from_ms, max(hour_ms) + ${HOUR_MS} AS to_ms
      FROM own CROSS JOIN json_each(?2) AS h CROSS JOIN usage_hourly
        ON hour_ms = h.value AND tenant_id = own_tenant AND team_id = own_team AND key_id = own_key
      WHERE ${WAS_USED} GROUP BY own_key
    UNION ALL
    SELECT own_key, max(day_ms), max(day_ms) + ${DAY_MS}
      FROM own CROSS JOIN usage_daily ON tenant_id = own_tenant AND team_id = own_team AND key_id = own_key
        AND day_ms IN (SELECT value FROM json_each(?3))
      WHERE ${WAS_USED} GROUP BY own_key
  ) GROUP BY key`

/** The last use of these keys, of those that were used in the last 30 days. */
export async function usesOf(
  db: D1Database,
  keys: readonly KeyOwner[],
  nowMs: number,
  state: LedgerState,
): Promise<readonly LastUse[]> {
  const owners = keys.map((key) => [key.tenant_id, key.team_id, key.key_id])
  const hours: number[] = []
  for (let ms = hoursFrom(nowMs); ms <= nowMs; ms += HOUR_MS) hours.push(ms)
  const found = await db
    .prepare(USES_OF)
    .bind(JSON.stringify(owners), JSON.stringify(hours), JSON.stringify(daysOf(state.zones, nowMs)))
    .all<LastUse>()
  return found.results
}

/** Beginnings of the days of all zones, as far back as uses are told. */
function daysOf(zones: readonly string[], nowMs: number): readonly number[] {
  const days = new Set<number>()
  for (const zone of zones) {
    for (let day = dayAt(zone, nowMs - LOOK_BACK_MS); day.startMs <= nowMs; day = dayAt(zone, day.endMs)) {
      days.add(day.startMs)
    }
  }
  return [...days]
}

function hoursFrom(nowMs: number): number {
  return Math.floor((nowMs - HOURS_MS) / HOUR_MS) * HOUR_MS
}
