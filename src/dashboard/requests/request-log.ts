// The latest requests as the page holds them: attempts gathered into requests, new pages laid over old ones so that a
// refresh never takes away what the reader has loaded. Pure.
import type { ApiRequestRow, ApiRequests } from '../api-types.ts'
import { readNanoUsd } from '../parts/format.ts'

export const PAGE_ROWS = 50
/** Beyond this many attempts a refresh starts over from the newest page. */
export const LOG_ROWS_MAX = 1_000

export interface RequestLog {
  /** Attempts, newest request first. */
  readonly rows: readonly ApiRequestRow[]
  /** Cursor to what is older; null at the end. */
  readonly next: string | null
  /** True once the reader has asked for more than the newest page. */
  readonly isExtended: boolean
}

export interface LoggedRequest {
  readonly id: string
  /** The attempt that answered the client; the last one known where none did. */
  readonly final: ApiRequestRow
  /** In the order they were made. */
  readonly attempts: readonly ApiRequestRow[]
  /** All attempts together. */
  readonly costNanoUsd: bigint
}

export const EMPTY_LOG: RequestLog = { rows: [], next: null, isExtended: false }

/** The log once the newest page has come in again. Keeps older rows, unless a gap opened between them and the page. */
export function withNewest(log: RequestLog, page: ApiRequests): RequestLog {
  const known = new Set(log.rows.map(rowId))
  const isConnected = page.next === null || page.rows.some((row) => known.has(rowId(row)))
  if (!log.isExtended || !isConnected || log.rows.length > LOG_ROWS_MAX) {
    return { rows: page.rows, next: page.next, isExtended: false }
  }
  return { rows: mergedRows(log.rows, page.rows), next: log.next, isExtended: true }
}

/** The log with one more page of older rows. */
export function withOlder(log: RequestLog, page: ApiRequests): RequestLog {
  return { rows: mergedRows(log.rows, page.rows), next: page.next, isExtended: true }
}

/** True when the log misses nothing that started at `fromMs` or later. */
export function coversSince(log: RequestLog, fromMs: number): boolean {
  const oldest = log.rows.at(-1)
  return log.next === null || (oldest !== undefined && oldest.started_at_ms < fromMs)
}

/** Attempts gathered into requests, newest first. */
export function gatherRequests(rows: readonly ApiRequestRow[]): readonly LoggedRequest[] {
  const byId = new Map<string, ApiRequestRow[]>()
  for (const row of rows) {
    const attempts = byId.get(row.request_id)
    if (attempts === undefined) byId.set(row.request_id, [row])
    else attempts.push(row)
  }
  return [...byId].map(([id, attempts]) => loggedRequest(id, attempts))
}

function loggedRequest(id: string, unordered: readonly ApiRequestRow[]): LoggedRequest {
  const attempts = unordered.toSorted((a, b) => a.attempt - b.attempt)
  const final = attempts.find((row) => row.is_final) ?? attempts.at(-1)
  if (final === undefined) throw new Error('a request without attempts')
  const costNanoUsd = attempts.reduce((sum, row) => sum + readNanoUsd(row.cost_nano_usd), 0n)
  return { id, final, attempts, costNanoUsd }
}

/** Both together, each attempt once as it was told last, newest first. */
export function mergedRows(older: readonly ApiRequestRow[], newer: readonly ApiRequestRow[]): readonly ApiRequestRow[] {
  const rows = new Map(older.map((row) => [rowId(row), row]))
  for (const row of newer) rows.set(rowId(row), row)
  return [...rows.values()].sort((a, b) => b.started_at_ms - a.started_at_ms)
}

function rowId(row: ApiRequestRow): string {
  return `${row.request_id}/${row.attempt}`
}
