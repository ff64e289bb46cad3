// What the overview reads besides the configuration, as four feeds: the spend by everything but keys, the spend over time, the
// latest requests; and once these are there the spend by key, which takes longer the more keys there are. One hook, so that
// the page itself is only layout.
import { useCallback, useState } from 'preact/hooks'
import { type AdminApi, type ApiFailure, asFailure } from '../api.ts'
import type { ApiHistory, ApiRequests, ApiSummary } from '../api-types.ts'
import { type Feed, useFeed } from '../live/feed.ts'
import type { View } from '../parts/ranges.ts'
import { EMPTY_LOG, PAGE_ROWS, type RequestLog, withNewest, withOlder } from '../requests/request-log.ts'

export interface OverviewData {
  /** The sums, and who spent most by tenant, team and model. */
  readonly spend: Feed<ApiSummary>
  /** Which keys spent most. */
  readonly keys: Feed<ApiSummary>
  /** By bucket and the dimension of the view. */
  readonly history: Feed<ApiHistory>
  readonly requests: Feed<ApiRequests>
  readonly log: RequestLog
  readonly older: OlderRequests
  /** What the page begins with isn't all there yet: what takes long waits for it. */
  readonly isBeginning: boolean
}

/** Loading of pages before the newest. */
export interface OlderRequests {
  readonly isLoading: boolean
  readonly failure: ApiFailure | null
  load(): void
}

/** Feeds for `view`, resting while `isPaused`. */
export function useOverviewData(api: AdminApi, view: View, isPaused: boolean): OverviewData {
  const { range, dimension } = view
  const spend = useFeed({
    key: range.name,
    load: (signal) => api.summary({ ...windowOf(range.lengthMs), tables: ['model', 'team', 'tenant'] }, signal),
    isPaused,
    changesWith: ['requests'],
  })
  const history = useFeed({
    key: `${range.name} ${dimension}`,
    load: (signal) => api.history({ ...windowOf(range.lengthMs), by: dimension, bucket: range.bucket }, signal),
    isPaused,
    changesWith: ['requests'],
  })
  const { requests, log, older } = useRequestLog(api, isPaused)
  const isBeginning = isComing(spend) || [history, requests].some((feed) => feed.data === null && isComing(feed))
  const keys = useFeed({
    key: range.name,
    load: (signal) => api.summary({ ...windowOf(range.lengthMs), tables: ['key'] }, signal),
    isPaused,
    isAwaiting: isBeginning,
    changesWith: ['requests'],
  })
  return { spend, keys, history, requests, log, older, isBeginning }
}

/** Whether what is asked for isn't there yet, and may soon be. */
function isComing({ data, isStale, failure }: Feed<unknown>): boolean {
  return (data === null || isStale) && failure === null
}

function useRequestLog(api: AdminApi, isPaused: boolean): Pick<OverviewData, 'requests' | 'log' | 'older'> {
  const [log, setLog] = useState<RequestLog>(EMPTY_LOG)
  const [older, setOlder] = useState<{ isLoading: boolean; failure: ApiFailure | null }>({
    isLoading: false,
    failure: null,
  })
  const requests = useFeed({
    key: 'requests',
    load: async (signal) => {
      const page = await api.requests({ limit: PAGE_ROWS, before: null }, signal)
      setLog((before) => withNewest(before, page))
      return page
    },
    isPaused,
    changesWith: ['requests'],
  })
  const load = useCallback(async () => {
    setOlder({ isLoading: true, failure: null })
    try {
      const page = await api.requests({ limit: PAGE_ROWS, before: log.next }, new AbortController().signal)
      setLog((before) => withOlder(before, page))
      setOlder({ isLoading: false, failure: null })
    } catch (thrown) {
      setOlder({ isLoading: false, failure: asFailure(thrown) })
    }
  }, [api, log.next])
  return { requests, log, older: { ...older, load: () => void load() } }
}

/** The range up to and with this millisecond: the API's end is exclusive. */
function windowOf(lengthMs: number): { fromMs: number; toMs: number } {
  const toMs = Date.now() + 1
  return { fromMs: toMs - lengthMs, toMs }
}
