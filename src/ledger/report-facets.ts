// Usage by end user or tag, of which a tenant may have any number. Days of UTC that are over are summed once, by the
// consumer's schedule: those that cost most by name, the others together. What isn't over is read from the events; so is,
// for as long as there are events, what is asked for together with another dimension.
import { err, ok, type Result } from '../core/result.ts'
import { GROUP_DIMENSIONS, ROLLUP_SUMS } from './columns.ts'
import { noteProgress, progress } from './days.ts'
import { astray, inOrder } from './event-times.ts'
import type { LedgerState, Source, SourceQuery } from './report-source.ts'

export type FacetName = 'end_user' | 'tag'

const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000
/** Names that are kept by themselves: of each tenant, facet and day. */
const NAMES_MAX = 200
/** A day is summed when what comes late has come. */
const SUMMED_AFTER_MS = 6 * HOUR_MS
const DAYS_A_RUN_MAX = 3
/** A report that has to read events reads no more than these. */
const RAW_SPAN_MS_MAX = 31 * DAY_MS

/** Sums that aren't kept by end user and tag, but only by what says more of them. */
const NOT_KEPT: ReadonlySet<string> = new Set(['unpriced'])
const SUMS = Object.keys(ROLLUP_SUMS).filter((name) => !NOT_KEPT.has(name))
/** Where a facet's values come from: what is joined to the events, and the value. */
const VALUES: Readonly<Record<FacetName, { readonly joined: string; readonly value: string; readonly has: string }>> = {
  end_user: { joined: '', value: 'end_user', has: 'end_user IS NOT NULL' },
  tag: { joined: 'CROSS JOIN json_each(tags) AS tag', value: 'tag.value', has: `tags <> '[]'` },
}

function rawSums(facet: FacetName, from: string, to: string): string {
  const { joined, value, has } = VALUES[facet]
  const columns = ['tenant_id', `${value} AS value`, ...SUMS.map((sum) => `${ROLLUP_SUMS[sum]} AS ${sum}`)].join(', ')
  return [inOrder(from, to), astray(from, to)]
    .map((where) => `SELECT ${columns} FROM usage_events ${joined} WHERE ${where} AND ${has}`)
    .join(' UNION ALL ')
}

function sumDay(facet: FacetName): string {
  return `WITH one AS (
      SELECT tenant_id, value, ${SUMS.map((sum) => `sum(${sum}) AS ${sum}`).join(', ')}
      FROM (${rawSums(facet, '?1', '?2')}) GROUP BY 1, 2),
    ranked AS (
      SELECT *, row_number() OVER (PARTITION BY tenant_id ORDER BY cost_nano_usd DESC, value) AS place FROM one)
    INSERT INTO usage_facets (facet, day_ms, tenant_id, value, ${SUMS.join(', ')})
    SELECT '${facet}', ?1, tenant_id, iif(place <= ${NAMES_MAX}, value, '') AS name,
      ${SUMS.map((sum) => `sum(${sum})`).join(', ')}
    FROM ranked GROUP BY tenant_id, name`
}

/** Sums the days that are over, some at a time. Throws when D1 fails; what was done stays. */
export async function sumFacets(db: D1Database, nowMs: number): Promise<void> {
  const first = await db.prepare(`SELECT min(hour_ms) AS ms FROM usage_hourly`).first<{ ms: number | null }>()
  if (first?.ms === null || first?.ms === undefined) return
  const begun = Math.max(await progress(db, 'facets'), Math.floor(first.ms / DAY_MS) * DAY_MS)
  const endMs = Math.floor((nowMs - SUMMED_AFTER_MS) / DAY_MS) * DAY_MS
  for (let dayMs = begun; dayMs < Math.min(endMs, begun + DAYS_A_RUN_MAX * DAY_MS); dayMs += DAY_MS) {
    await db.batch([
      db.prepare(`DELETE FROM usage_facets WHERE day_ms = ?1 AND facet IN ('end_user', 'tag')`).bind(dayMs),
      db.prepare(sumDay('end_user')).bind(dayMs, dayMs + DAY_MS),
      db.prepare(sumDay('tag')).bind(dayMs, dayMs + DAY_MS),
      noteProgress(db, 'facets', dayMs + DAY_MS),
    ])
  }
}

/** The source of a report by `facet`, a column of that name in it. `day` is of UTC. */
export function facetSource(query: SourceQuery, facet: FacetName, state: LedgerState): Result<Source, string> {
  const { fromMs, toMs } = query
  const isKept = query.time !== 'hour' && query.dimensions.every((name) => name === 'tenant_id')
  const firstDayMs = Math.ceil(fromMs / DAY_MS) * DAY_MS
  const lastDayMs = Math.floor(Math.min(toMs, state.facetsUntilMs) / DAY_MS) * DAY_MS
  const hasDays = isKept && firstDayMs < lastDayMs
  const ranges = hasDays
    ? [
        [fromMs, firstDayMs],
        [lastDayMs, toMs],
      ]
    : [[fromMs, toMs]]
  const raw = ranges.filter(([from = 0, to = 0]) => from < to)
  const rawMs = raw.reduce((sum, [from = 0, to = 0]) => sum + to - from, 0)
  if (rawMs > RAW_SPAN_MS_MAX) return err('That is read from single events: ask for 31 days at most.')
  if (raw.some(([from = 0]) => from < state.prunedUntilMs)) {
    return err(
      'That is read from single events, and those of this time are gone: ask for whole days, and no other groups.',
    )
  }
  const days = hasDays ? [firstDayMs, lastDayMs] : [0, 0]
  const read = query.withFeedback ? [raw, days, [fromMs, toMs]] : [raw, days]
  const parameters = read.map((value) => JSON.stringify(value))
  return ok({ sql: sqlOf(query, facet), parameters })
}

function sqlOf({ time, dimensions, sums, withFeedback }: SourceQuery, facet: FacetName): string {
  const { joined, value, has } = VALUES[facet]
  const dated = (column: string): readonly string[] => {
    if (time === null) return []
    if (time === 'hour') return [`${column} - ${column} % ${HOUR_MS} AS time`]
    return [`strftime('%Y-%m-%d', ${column} / 1000, 'unixepoch') AS time`]
  }
  const none = withFeedback ? ['0 AS feedback_count', '0 AS feedback_milli'] : []
  const raw = [
    ...dated('started_at_ms'),
    ...dimensions.map((name) => `${GROUP_DIMENSIONS[name]} AS ${name}`),
    `${value} AS facet`,
    ...sums.map((name) => `${ROLLUP_SUMS[name]} AS ${name}`),
    ...none,
  ].join(', ')
  const own = dimensions.map((name) => (name === 'tenant_id' ? name : `'' AS ${name}`))
  const kept = [
    ...dated('day_ms'),
    ...own,
    'value AS facet',
    ...sums.map((name) => (NOT_KEPT.has(name) ? `0 AS ${name}` : name)),
    ...none,
  ].join(', ')
  const [from, to] = ['(r.value ->> 0)', '(r.value ->> 1)']
  const read = `SELECT ${raw} FROM json_each(?1) AS r CROSS JOIN usage_events ${joined} WHERE ${has}`
  const all = `SELECT ${kept} FROM usage_facets WHERE facet = '${facet}' AND day_ms >= ?2 ->> 0 AND day_ms < ?2 ->> 1
    UNION ALL ${read} AND ${inOrder(from, to)} UNION ALL ${read} AND ${astray(from, to)}`
  if (!withFeedback) return all
  const opinions = [
    ...dated('started_at_ms'),
    ...dimensions,
    `${value} AS facet`,
    ...sums.map((name) => `0 AS ${name}`),
    '1 AS feedback_count',
    'score_milli AS feedback_milli',
  ].join(', ')
  return `${all} UNION ALL SELECT ${opinions} FROM feedback ${joined}
    WHERE ${has} AND started_at_ms >= ?3 ->> 0 AND started_at_ms < ?3 ->> 1`
}
