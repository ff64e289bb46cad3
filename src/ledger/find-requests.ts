// Requests that are looked for by what they were: newest first, page by page. Events have no index but their order of time, so
// a page looks through a bounded number of them: it may have fewer rows than were asked for, or none, and a cursor all the same.
import { IS_STRAY, STRAY_ORDER, orderOf, textAt } from './event-times.ts'
import {
  BEYOND_ALL,
  type RequestCursor,
  type RequestsPage,
  type StoredRow,
  pageOf,
  pageSql,
} from './latest-requests.ts'

/** Events that one page looks through. */
export const LOOKED_THROUGH_MAX = 20_000
/** An id is made at most this long before or after its request starts, or the event is a stray. */
const ID_SLACK_MS = 60_000
/** Digits of the time that an id begins with, and the line between them. */
const TIME_CHARS = 13

/** How an attempt came out. `cut`: an answer began, and its end wasn't reached. */
export const OUTCOME_NAMES = ['ok', 'failed', 'cut', 'cached'] as const
export type Outcome = (typeof OUTCOME_NAMES)[number]

const OUTCOMES: Readonly<Record<Outcome, string>> = {
  ok: `status < 400 AND failure IS NULL AND ending = 'finished'`,
  failed: `(status >= 400 OR failure IS NOT NULL)`,
  cut: `status < 400 AND failure IS NULL AND ending <> 'finished'`,
  cached: `cache = 'hit'`,
}

/** What is looked for; a part that is left out may be anything. */
export interface RequestFilter {
  readonly tenantId?: string | undefined
  readonly teamId?: string | undefined
  readonly keyId?: string | undefined
  /** As it was asked for, or as the provider calls it. */
  readonly model?: string | undefined
  readonly provider?: string | undefined
  readonly requestId?: string | undefined
  readonly tag?: string | undefined
  readonly outcome?: Outcome | undefined
  /** Started then or later; and before then. Epoch ms. */
  readonly fromMs?: number | undefined
  readonly toMs?: number | undefined
}

export interface RequestsQuery {
  readonly filter: RequestFilter
  readonly limit: number
  readonly before: RequestCursor | null
  /** Left out: `LOOKED_THROUGH_MAX`. */
  readonly lookedThroughMax?: number
}

const BOUND = `SELECT request_id FROM usage_events WHERE request_id < ?1 AND NOT ${IS_STRAY}
  ORDER BY request_id DESC LIMIT 1 OFFSET ?2`

/** The newest attempts that the filter lets through, or the newest of those before the cursor. None is told twice or left out. */
export async function findRequests(db: D1Database, query: RequestsQuery): Promise<RequestsPage> {
  const { filter, before, limit } = query
  const start = startOf(filter, before)
  const floor = filter.requestId === undefined ? await floorOf(db, start, query) : ''
  const clauses = clausesOf(filter)
  // What is of the floor's own millisecond is left to the next page: its cursor names nothing but a time.
  const bound = [start, before === null ? 0 : before.attempt, floor, ...clauses.values, limit + 1]
  const where = `kind = 'cost' AND ${clauses.sql}`
  const events = `SELECT * FROM (
      SELECT *, request_id AS place FROM usage_events
      WHERE ${where} AND (request_id, attempt) < (?1, ?2) AND request_id > ?3 AND NOT ${IS_STRAY}
      ORDER BY request_id DESC, attempt DESC LIMIT ?${bound.length})
    UNION ALL
    SELECT * FROM (
      SELECT *, ${STRAY_ORDER} AS place FROM usage_events
      WHERE ${where} AND ${IS_STRAY} AND (${STRAY_ORDER}, attempt) < (?1, ?2) AND ${STRAY_ORDER} > ?3
      ORDER BY started_at_ms DESC, request_id DESC, attempt DESC LIMIT ?${bound.length})
    ORDER BY place DESC, attempt DESC LIMIT ?${bound.length}`
  const found = await db
    .prepare(pageSql(events))
    .bind(...bound)
    .all<StoredRow>()
  const page = pageOf(found.results, limit)
  if (page.next !== null || floor === '' || isBefore(floor, filter.fromMs)) return page
  return { rows: page.rows, next: `${timeOf(floor)}-0-${floor}` }
}

/** Where a page begins: at the cursor, or before everything that is later than wanted. */
function startOf({ toMs }: RequestFilter, before: RequestCursor | null): string {
  const cursor = before === null ? BEYOND_ALL : orderOf(before)
  const latest = toMs === undefined ? BEYOND_ALL : textAt(toMs + ID_SLACK_MS)
  return cursor < latest ? cursor : latest
}

/** Beyond which this page doesn't look; '' where it looks to the end. */
async function floorOf(db: D1Database, start: string, query: RequestsQuery): Promise<string> {
  const bound = await db
    .prepare(BOUND)
    .bind(start, query.lookedThroughMax ?? LOOKED_THROUGH_MAX)
    .first<{ readonly request_id: string }>()
  return bound === null ? '' : `${bound.request_id.slice(0, TIME_CHARS)}${BEYOND_ALL}`
}

/** The instant that an id begins with. */
function timeOf(id: string): number {
  return Number.parseInt(id.slice(0, TIME_CHARS).replace('-', ''), 16)
}

function isBefore(floor: string, fromMs: number | undefined): boolean {
  return fromMs !== undefined && timeOf(floor) < fromMs - ID_SLACK_MS
}

/** SQL of what is asked for, with the values of its parameters, which begin at the fourth. */
function clausesOf(filter: RequestFilter): { readonly sql: string; readonly values: readonly (string | number)[] } {
  const asked: readonly (readonly [value: string | number | undefined, sql: (parameter: string) => string])[] = [
    [filter.requestId, (value) => `request_id = ${value}`],
    [filter.tenantId, (value) => `tenant_id = ${value}`],
    [filter.teamId, (value) => `team_id = ${value}`],
    [filter.keyId, (value) => `key_id = ${value}`],
    [filter.model, (value) => `(model = ${value} OR requested_model = ${value})`],
    [filter.provider, (value) => `provider = ${value}`],
    [filter.tag, (value) => `EXISTS (SELECT 1 FROM json_each(tags) AS tag WHERE tag.value = ${value})`],
    [filter.fromMs, (value) => `started_at_ms >= ${value}`],
    [filter.toMs, (value) => `started_at_ms < ${value}`],
  ]
  const values: (string | number)[] = []
  const clauses = asked.flatMap(([value, sql]) => (value === undefined ? [] : [sql(`?${values.push(value) + 3}`)]))
  if (filter.outcome !== undefined) clauses.push(OUTCOMES[filter.outcome])
  return { sql: ['1', ...clauses].join(' AND '), values }
}
