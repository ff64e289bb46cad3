// What the explorer reads: the newest requests that were asked for, again and again while it is open, and older ones when they
// are asked for. A refresh asks for the last minutes alone: what is further back doesn't change.
import { useRef, useState } from 'preact/hooks'
import { type AdminApi, type ApiFailure, asFailure } from '../api.ts'
import type { ApiRequestRow, ApiRequests } from '../api-types.ts'
import { type Feed, useFeed } from '../live/feed.ts'
import { mergedRows, PAGE_ROWS } from './request-log.ts'
import { queryOf, type RequestFilter } from './request-filter.ts'

const TAIL_EVERY_MS = 2_000
/** Events may be this long on their way into the ledger, as long as nothing is wrong. */
const TAIL_MS = 600_000
/** Beyond this many rows a refresh starts over from the newest page. */
const ROWS_MAX = 2_000

export interface Explorer {
  readonly feed: Feed<ApiRequests>
  readonly rows: readonly ApiRequestRow[]
  /** Cursor to what is older; null at the end. */
  readonly next: string | null
  readonly isLoading: boolean
  readonly failure: ApiFailure | null
  loadOlder(): void
}

interface Found extends ApiRequests {
  /** Of which filter. */
  readonly key: string
}

export function useExplorer(api: AdminApi, filter: RequestFilter, isPaused: boolean): Explorer {
  const key = JSON.stringify(filter)
  const [found, setFound] = useState<Found | null>(null)
  const [older, setOlder] = useState<{ isLoading: boolean; failure: ApiFailure | null }>(RESTING)
  const latest = useRef<Found | null>(null)
  function keep(next: Found): void {
    latest.current = next
    setFound(next)
  }
  async function load(before: string | null, sinceMs: number | null, signal: AbortSignal): Promise<ApiRequests> {
    const query = queryOf(filter)
    query.set('limit', String(PAGE_ROWS))
    if (before !== null) query.set('before', before)
    if (sinceMs !== null) query.set('from', String(Math.max(sinceMs, Number(query.get('from') ?? 0))))
    return api.read<ApiRequests>(`/admin/requests?${query}`, ['rows'], signal)
  }
  const feed = useFeed({
    key,
    everyMs: TAIL_EVERY_MS,
    isPaused,
    changesWith: ['requests'],
    async load(signal) {
      const last = latest.current
      const known = last?.key === key && last.rows.length <= ROWS_MAX ? last : null
      const page = await load(null, known === null ? null : Date.now() - TAIL_MS, signal)
      // More than a page has come since: what is between is loaded as older ones are.
      const isGap = known !== null && page.next !== null && page.rows.length > 0 && !overlaps(known.rows, page.rows)
      if (known === null || isGap) keep({ ...page, key })
      else keep({ key, next: known.next, rows: mergedRows(known.rows, page.rows) })
      return page
    },
  })
  const shown = found?.key === key ? found : null
  async function loadOlder(): Promise<void> {
    if (shown === null || shown.next === null || older.isLoading) return
    setOlder({ isLoading: true, failure: null })
    try {
      const page = await load(shown.next, null, new AbortController().signal)
      const known = latest.current
      if (known?.key === key) keep({ key, next: page.next, rows: mergedRows(known.rows, page.rows) })
      setOlder(RESTING)
    } catch (thrown) {
      setOlder({ isLoading: false, failure: asFailure(thrown) })
    }
  }
  return {
    feed,
    rows: shown?.rows ?? [],
    next: shown?.next ?? null,
    ...older,
    loadOlder: () => void loadOlder(),
  }
}

const RESTING = { isLoading: false, failure: null }

function overlaps(known: readonly ApiRequestRow[], rows: readonly ApiRequestRow[]): boolean {
  const ids = new Set(known.map(({ request_id }) => request_id))
  return rows.some(({ request_id }) => ids.has(request_id))
}
