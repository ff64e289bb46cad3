// The latest requests, page by page, newest first. A cursor names the last row of a page, so that pages neither repeat nor
// skip a row while new ones arrive. A correction is added to the attempt it corrects, not shown by itself.
import { parseJson } from '../core/json.ts'
import { IS_STRAY, STRAY_ORDER, orderOf } from './event-times.ts'
import { CORRECTED_NANO_USD } from './rerate.ts'

/** One attempt. A request with retries or a fallback has several, with the same `request_id`. */
export interface RequestRow {
  readonly request_id: string
  readonly attempt: number
  readonly started_at_ms: number
  readonly tenant: string
  readonly team: string | null
  readonly key: string
  readonly cost_center: string | null
  readonly tags: readonly string[]
  readonly trace_id: string | null
  readonly protocol: string
  readonly streamed: boolean
  readonly requested_model: string
  readonly route: string
  readonly target: string | null
  readonly provider: string | null
  readonly model: string | null
  readonly status: number
  readonly ending: string
  readonly failure: string | null
  readonly cache: string
  readonly is_final: boolean
  readonly input_tokens: number
  readonly cache_read_tokens: number
  readonly cache_write_tokens: number
  readonly output_tokens: number
  readonly reasoning_tokens: number
  readonly is_estimated: boolean
  readonly cost_nano_usd: string
  readonly saved_nano_usd: string
  readonly price_version: string | null
  /** Nobody knew the model's price: it was charged nothing. */
  readonly is_unpriced: boolean
  /** JSON object of what was counted besides tokens; null for nothing. */
  readonly units: string | null
  readonly service_tier: string | null
  /** When this attempt began, had its first content, was over: all from the request's beginning. */
  readonly after_ms: number | null
  readonly ttft_ms: number | null
  readonly latency_ms: number
  /** Which credential paid, where there are several. */
  readonly credential: string | null
  /** The plan in one line; null where there was no choice. */
  readonly plan: string | null
}

/** Where a page ended. */
export interface RequestCursor {
  readonly startedAtMs: number
  readonly requestId: string
  readonly attempt: number
}

export interface RequestsPage {
  readonly rows: readonly RequestRow[]
  /** To be passed as `before`; null when there is nothing older. */
  readonly next: string | null
}

export interface StoredRow extends Omit<RequestRow, 'tags' | 'streamed' | 'is_final' | 'is_estimated' | 'is_unpriced'> {
  readonly tags: string
  readonly streamed: number
  readonly is_final: number
  readonly is_estimated: number
  readonly is_unpriced: number
}

const corrected = (...columns: readonly string[]): string =>
  columns.map((column) => `e.${column} + coalesce(a.${column}, 0)`).join(' + ')

/** SQL: attempts as they are told. `events`: SQL of those that are wanted, in their order of `place`. */
export const pageSql = (
  events: string,
): string => `SELECT e.request_id, e.attempt, e.started_at_ms, e.tenant_id AS tenant, e.team_id AS team, e.key_id AS key,
    e.cost_center, e.tags, e.trace_id, e.protocol, e.streamed, e.requested_model, e.route, e.target_id AS target,
    e.provider, e.model, e.status, e.ending, e.failure, e.cache, e.is_final, e.is_estimated,
    ${corrected('input_tokens', 'audio_input_tokens')} AS input_tokens,
    ${corrected('cache_read_tokens')} AS cache_read_tokens,
    ${corrected('cache_write_tokens', 'cache_write_long_tokens')} AS cache_write_tokens,
    ${corrected('output_tokens', 'audio_output_tokens')} AS output_tokens,
    ${corrected('reasoning_tokens')} AS reasoning_tokens,
    CAST(${corrected('cost_nano_usd')} + ${CORRECTED_NANO_USD} AS TEXT) AS cost_nano_usd,
    CAST(${corrected('saved_nano_usd')} AS TEXT) AS saved_nano_usd,
    e.price_version, e.is_unpriced, e.units, e.service_tier, e.after_ms, e.ttft_ms, e.latency_ms, e.credential, e.plan
  FROM (${events}) e
  LEFT JOIN usage_events a ON a.request_id = e.request_id AND a.attempt = e.attempt AND a.kind = 'adj'
  ORDER BY e.place DESC, e.attempt DESC`

const PAGE = pageSql(`SELECT * FROM (
      SELECT *, request_id AS place FROM usage_events
      WHERE kind = 'cost' AND (request_id, attempt) < (?1, ?2) AND NOT ${IS_STRAY}
      ORDER BY request_id DESC, attempt DESC LIMIT ?3)
    UNION ALL
    SELECT * FROM (
      SELECT *, ${STRAY_ORDER} AS place FROM usage_events
      WHERE kind = 'cost' AND ${IS_STRAY} AND (${STRAY_ORDER}, attempt) < (?1, ?2)
      ORDER BY started_at_ms DESC, request_id DESC, attempt DESC LIMIT ?3)
    ORDER BY place DESC, attempt DESC LIMIT ?3`)

/** The `limit` newest attempts, or the newest of those before the cursor. */
export async function latestRequests(
  db: D1Database,
  query: { readonly limit: number; readonly before: RequestCursor | null },
): Promise<RequestsPage> {
  const { before, limit } = query
  const found = await db
    .prepare(PAGE)
    .bind(before === null ? BEYOND_ALL : orderOf(before), before?.attempt ?? 0, limit + 1)
    .all<StoredRow>()
  return pageOf(found.results, limit)
}

/** A page of `limit` rows, where one more was asked for than that. */
export function pageOf(found: readonly StoredRow[], limit: number): RequestsPage {
  const rows = found.slice(0, limit).map(fromStored)
  const last = rows.at(-1)
  const hasMore = found.length > limit && last !== undefined
  return { rows, next: hasMore ? writeCursor(last) : null }
}

/** Reads a cursor as `latestRequests` wrote it; null for anything else. */
export function readCursor(text: string): RequestCursor | null {
  const found = /^([0-9]{1,16})-([0-9]{1,9})-(.{1,200})$/.exec(text)
  if (found === null) return null
  const [, startedAtMs, attempt, requestId = ''] = found
  return { startedAtMs: Number(startedAtMs), attempt: Number(attempt), requestId }
}

/** In the order of ids and times, which begin with a digit or a letter up to f. */
export const BEYOND_ALL = 'g'

function writeCursor(row: RequestRow): string {
  return `${row.started_at_ms}-${row.attempt}-${row.request_id}`
}

/** A row as it is told. */
function fromStored(row: StoredRow): RequestRow {
  return {
    ...row,
    tags: readTags(row.tags),
    streamed: row.streamed === 1,
    is_final: row.is_final === 1,
    is_estimated: row.is_estimated === 1,
    is_unpriced: row.is_unpriced === 1,
  }
}

function readTags(text: string): readonly string[] {
  const tags = parseJson(text)
  return Array.isArray(tags) ? tags.filter((tag) => typeof tag === 'string') : []
}
