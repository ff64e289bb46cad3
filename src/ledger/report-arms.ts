// The columns of a source's selects, which are put one under the other (`report-source.ts`).
import type { SourceQuery, TimeGroup } from './report-source.ts'

const HOUR_MS = 3_600_000

/** SQL: of a key that is looked up. */
export const IS_OWN = 'AND key_id IN (SELECT own_key FROM own WHERE own_tenant = tenant_id)'

interface Arm {
  readonly time: string
  readonly dimensions: readonly string[]
  readonly sums: readonly string[]
}

/** The columns of a select of sums, in the order in which all of a source have them. */
export function arm({ withFeedback, time }: SourceQuery, columns: Arm): string {
  const feedback = withFeedback ? ['0 AS feedback_count', '0 AS feedback_milli'] : []
  const all = [
    ...(time === null ? [] : [`${columns.time} AS time`]),
    ...columns.dimensions,
    ...columns.sums,
    ...feedback,
  ]
  return all.length === 0 ? '1 AS one' : all.join(', ')
}

/** What the scores of a stretch of time add. */
export function feedbackArm({ time, dimensions, sums, keys }: SourceQuery, stretch: string): string {
  const columns = [
    ...(time === null ? [] : [`${timeOf(time, 'started_at_ms')} AS time`]),
    ...dimensions,
    ...sums.map((name) => `0 AS ${name}`),
    '1 AS feedback_count',
    'score_milli AS feedback_milli',
  ]
  return `${columns.join(', ')} FROM feedback JOIN span ON of_tenant = tenant_id
    WHERE started_at_ms >= ${stretch} ->> 0 AND started_at_ms < ${stretch} ->> 1 ${keys === undefined ? '' : IS_OWN}`
}

/** The group of time of a row whose time is `column`; `day` is its day where that is known. */
export function timeOf(time: TimeGroup | null, column: string, day?: string): string {
  if (time === null) return 'NULL'
  if (time === 'hour') return `${column} - ${column} % ${HOUR_MS}`
  const found = day ?? `(SELECT max(d.value) FROM json_each(other_days) AS d WHERE d.value <= ${column})`
  return `strftime('%Y-%m-%d', (${found} + offset_ms) / 1000, 'unixepoch')`
}
