// What the page of one key reads: how its limits stand at every level, what it spent over time, its latest requests.
import { useMemo, useState } from 'preact/hooks'
import type { ApiRequests, ApiUsageRow, ApiUsageCounters, BudgetPeriod, EveryDays } from '../api-types.ts'
import { type Feed, useFeed } from '../live/feed.ts'
import type { Desk } from '../frame/page-frame.tsx'
import { RANGES, type Range } from '../parts/ranges.ts'

/** What becomes of a request that a limit refuses. */
export type ApiPolicy =
  | { readonly action: 'refuse' }
  | { readonly action: 'wait'; readonly max_wait_ms: number }
  | { readonly action: 'downgrade'; readonly model: string }

interface StandCommon {
  readonly scope: 'tenant' | 'team' | 'key'
  readonly id: string
  readonly model: string | null
  /** Null where nobody knows. */
  readonly resets_at_ms: number | null
  readonly at_limit: ApiPolicy
  readonly increase: { readonly by?: number; readonly by_usd?: string; readonly until_ms: number } | null
}

/** One limit that a key is held to, as it stands. */
export type ApiLimitStand = StandCommon &
  (
    | {
        readonly kind: 'rate'
        readonly unit: 'requests' | 'tokens' | 'input_tokens' | 'output_tokens'
        readonly per_minute: number
        readonly limit: number
        readonly remaining: number
      }
    | { readonly kind: 'concurrency'; readonly limit: number; readonly held: number; readonly remaining: number }
    | {
        readonly kind: 'budget'
        readonly period: BudgetPeriod | EveryDays
        readonly limit_usd: string
        readonly used_usd: string
        readonly held_usd: string
        readonly alerts_percent: readonly number[]
      }
  )

/** `GET /admin/keys/:id/limits` */
export interface ApiKeyLimits {
  readonly data: readonly ApiLimitStand[]
}

/** `GET /admin/reports` by hour and model. */
export interface ApiKeyUsage {
  readonly from: number
  readonly to: number
  readonly rows: readonly ApiUsageRow[]
  readonly total: ApiUsageCounters
}

export interface KeyData {
  readonly range: Range
  readonly setRange: (range: Range) => void
  readonly limits: Feed<ApiKeyLimits>
  readonly usage: Feed<ApiKeyUsage>
  readonly requests: Feed<ApiRequests>
  readonly feeds: readonly Feed<unknown>[]
}

/** Hours are what the ledger sums by: no shorter range for a single key. */
export const KEY_RANGES = RANGES.filter(({ name }) => name !== '1h')

/** Feeds about the key with this id. */
export function useKeyData({ api, isPaused }: Desk, id: string): KeyData {
  const [range, setRange] = useState<Range>(() => KEY_RANGES.find(({ name }) => name === '7d') ?? firstRange())
  const path = `/admin/keys/${encodeURIComponent(id)}`
  const limits = useFeed({
    key: 'limits',
    load: (signal) => api.read<ApiKeyLimits>(`${path}/limits`, ['data'], signal),
    isPaused,
    changesWith: ['requests', 'configuration'],
  })
  const usage = useFeed({
    key: range.name,
    load: (signal) => {
      const to = Date.now() + 1
      const query = new URLSearchParams({
        ...{ metrics: 'spend,requests,errors,tokens,savings', group_by: 'hour,model', key: id, limit: '20000' },
        ...{ from: String(to - range.lengthMs), to: String(to) },
      })
      return api.read<ApiKeyUsage>(`/admin/reports?${query}`, ['rows'], signal)
    },
    isPaused,
    changesWith: ['requests'],
  })
  const requests = useFeed({
    key: 'requests',
    load: (signal) => api.read<ApiRequests>(`${path}/requests`, ['rows'], signal),
    isPaused,
    changesWith: ['requests'],
  })
  const feeds = useMemo(() => [limits, usage, requests], [limits, usage, requests])
  return { range, setRange, limits, usage, requests, feeds }
}

function firstRange(): Range {
  const [range] = RANGES
  if (range === undefined) throw new Error('there is no range')
  return range
}
