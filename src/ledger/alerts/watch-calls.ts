// Looks at the latest calls, every minute: who fails too much, which provider does nothing but fail, which model has no
// price. A look reads a bounded number of events, the newest; of providers, counts by the minute.
import { IS_LIVE_KEY } from '../../core/routing/shadow.ts'
import { ROLLUP_SUMS } from '../columns.ts'
import { inOrder } from '../event-times.ts'
import type { AlertScope, NewAlert } from './alert.ts'
import type { RuleBook } from './rules.ts'

/** Events that one look reads at most. */
const EVENTS_MAX = 20_000
/** Groups that one look finds at most: the worst. */
const FOUND_MAX = 500
const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const ERRORS_MS = 5 * MINUTE_MS
/** So far back a provider's last success is looked for: a longer bound can't be set. */
export const DOWN_MINUTES_MAX = 60
/** A provider that hasn't been tried for so long isn't down, as far as anybody knows. */
const TRIED_MS = 15 * MINUTE_MS
/** One or two failures may be chance. */
const DOWN_FAILURES_MIN = 3

const { requests: IS_REQUEST = '0', errors: IS_ERROR = '0' } = ROLLUP_SUMS
/** The provider's own failures, or ours with it: not a client's mistake. */
const HAS_FAILED = `(attempt > 0 AND coalesce(failure IN
  ('connection', 'timeout', 'server', 'overloaded', 'throttled', 'credential', 'stream'), 0))`
const HAS_SUCCEEDED = `(attempt > 0 AND failure IS NULL AND ending = 'finished')`
const IS_UNPRICED = `(is_unpriced AND attempt > 0)`

const RECENT = `WITH recent AS (SELECT tenant_id, key_id, provider, model, started_at_ms,
    ${IS_REQUEST} AS is_request, ${IS_ERROR} AS is_error, ${HAS_FAILED} AS has_failed,
    ${IS_UNPRICED} AS is_unpriced, attempt > 0 AS is_call
  FROM usage_events WHERE ${inOrder('?1', '?2')} AND kind = 'cost' AND ${IS_LIVE_KEY} ORDER BY request_id DESC LIMIT ${EVENTS_MAX})`

// Keys by what their clients got, models and providers by what they answered.
const ERRORS = `${RECENT}
  SELECT * FROM (
    SELECT 'key' AS scope, tenant_id, key_id AS id, sum(is_request) AS calls, sum(is_error) AS errors
      FROM recent GROUP BY tenant_id, key_id
    UNION ALL SELECT 'model', '', model, sum(is_call), sum(has_failed) FROM recent WHERE model IS NOT NULL GROUP BY model
    UNION ALL SELECT 'provider', '', provider, sum(is_call), sum(has_failed)
      FROM recent WHERE provider IS NOT NULL GROUP BY provider
  ) WHERE errors > 0 ORDER BY errors DESC LIMIT ${FOUND_MAX}`

const DOWN = `WITH last AS (
    SELECT provider, max(iif(successes > 0, minute_ms, 0)) AS succeeded_ms FROM provider_minutes
    WHERE minute_ms >= ?1 GROUP BY provider
  )
  SELECT m.provider AS id, sum(m.failures) AS failures, min(m.minute_ms) AS since_ms, max(m.minute_ms) AS last_ms,
    max(m.failure) AS failure
  FROM provider_minutes m JOIN last ON last.provider = m.provider
  WHERE m.minute_ms >= ?1 AND m.minute_ms > last.succeeded_ms AND m.failures > 0
  GROUP BY m.provider LIMIT ${FOUND_MAX}`

/** What of an event is counted. */
export const PROVIDER_COLUMNS = ['kind', 'attempt', 'started_at_ms', 'key_id', 'provider', 'ending', 'failure'] as const

/** To follow the CTE `event`, those columns of a batch of events: counts a provider's calls by the minute from its first failure
 *  on, until it has had none for an hour. Providers that never fail cost no row. */
export const COUNT_PROVIDERS = `INSERT INTO provider_minutes (provider, minute_ms, failures, successes, failure)
  SELECT provider, started_at_ms - started_at_ms % ${MINUTE_MS} AS minute_ms, sum(${HAS_FAILED}) AS failures,
    sum(${HAS_SUCCEEDED}) AS successes, max(iif(${HAS_FAILED}, failure, NULL))
  FROM event WHERE provider IS NOT NULL AND kind = 'cost' AND attempt > 0 AND ${IS_LIVE_KEY} GROUP BY 1, 2
  HAVING provider IN (SELECT f.provider FROM event f WHERE ${HAS_FAILED}) OR EXISTS (SELECT 1 FROM provider_minutes p
    WHERE p.provider = event.provider AND p.minute_ms >= event.started_at_ms - ${DOWN_MINUTES_MAX * MINUTE_MS})
  ON CONFLICT DO UPDATE SET failures = failures + excluded.failures, successes = successes + excluded.successes,
    failure = coalesce(excluded.failure, failure)`

/** Forgets what nobody looks at any more. */
export async function forgetProviders(db: D1Database, nowMs: number): Promise<void> {
  await db
    .prepare(`DELETE FROM provider_minutes WHERE minute_ms < ?1`)
    .bind(nowMs - 2 * HOUR_MS)
    .run()
}

const UNPRICED = `${RECENT}
  SELECT tenant_id, coalesce(provider, '') AS provider, model AS id, count(*) AS calls, min(started_at_ms) AS since_ms
  FROM recent WHERE is_unpriced AND model IS NOT NULL GROUP BY 1, 2, 3 ORDER BY calls DESC LIMIT ${FOUND_MAX}`

interface ErrorRow {
  readonly scope: AlertScope
  readonly tenant_id: string
  readonly id: string
  readonly calls: number
  readonly errors: number
}

interface DownRow {
  readonly id: string
  readonly failures: number
  readonly since_ms: number
  readonly last_ms: number
  readonly failure: string
}

interface UnpricedRow {
  readonly tenant_id: string
  readonly provider: string
  readonly id: string
  readonly calls: number
  readonly since_ms: number
}

/** What is beyond the bounds now. */
export async function findInCalls(db: D1Database, book: RuleBook, nowMs: number): Promise<readonly NewAlert[]> {
  const untilMs = nowMs + MINUTE_MS
  const [errors, down, unpriced] = await Promise.all([
    db
      .prepare(ERRORS)
      .bind(nowMs - ERRORS_MS, untilMs)
      .all<ErrorRow>(),
    db
      .prepare(DOWN)
      .bind(nowMs - (DOWN_MINUTES_MAX + 5) * MINUTE_MS)
      .all<DownRow>(),
    db
      .prepare(UNPRICED)
      .bind(nowMs - ERRORS_MS, untilMs)
      .all<UnpricedRow>(),
  ])
  return [
    ...errors.results.flatMap((row) => errorAlert(row, book, nowMs)),
    ...down.results.flatMap((row) => downAlert(row, book, nowMs)),
    ...unpriced.results.flatMap((row) => unpricedAlert(row, book, nowMs)),
  ]
}

function errorAlert(row: ErrorRow, book: RuleBook, nowMs: number): readonly NewAlert[] {
  const rule = book.of(row.tenant_id).error_rate
  const percent = Math.floor((row.errors * 100) / row.calls)
  if (rule === null || row.calls < rule.min_calls || percent < rule.percent) return []
  return [
    {
      kind: 'error-rate',
      tenantId: row.tenant_id,
      scope: row.scope,
      subjectId: row.id,
      what: ['errors', row.scope, row.id].join(' '),
      ...windowOf(nowMs, HOUR_MS),
      atMs: nowMs,
      facts: { percent, errors: row.errors, calls: row.calls, bound_percent: rule.percent },
    },
  ]
}

function downAlert(row: DownRow, book: RuleBook, nowMs: number): readonly NewAlert[] {
  const rule = book.of('').provider_down
  if (rule === null || row.failures < DOWN_FAILURES_MIN) return []
  if (nowMs - row.since_ms < rule.minutes * MINUTE_MS || nowMs - row.last_ms > TRIED_MS) return []
  return [
    {
      kind: 'provider-down',
      tenantId: '',
      scope: 'provider',
      subjectId: row.id,
      what: ['down', row.id].join(' '),
      ...windowOf(nowMs, HOUR_MS),
      atMs: nowMs,
      facts: { since_ms: row.since_ms, failures: row.failures, failure: row.failure },
    },
  ]
}

function unpricedAlert(row: UnpricedRow, book: RuleBook, nowMs: number): readonly NewAlert[] {
  if (book.of(row.tenant_id).unknown_price === null) return []
  return [
    {
      kind: 'unknown-price',
      tenantId: row.tenant_id,
      scope: 'model',
      subjectId: row.id,
      what: ['unpriced', row.provider, row.id].join(' '),
      ...windowOf(nowMs, DAY_MS),
      atMs: nowMs,
      facts: { provider: row.provider, calls: row.calls, since_ms: row.since_ms },
    },
  ]
}

/** The hour or day, of UTC, that an alert is told once in. */
function windowOf(nowMs: number, ms: number): Pick<NewAlert, 'windowStartMs' | 'windowEndMs'> {
  const windowStartMs = nowMs - (nowMs % ms)
  return { windowStartMs, windowEndMs: windowStartMs + ms }
}
