// What the overview says of money and providers at any range: spent today and this month, what the month will have cost, and
// whether providers answer. Loaded after the first figures.
import type { ComponentChildren } from 'preact'
import { useMemo } from 'preact/hooks'
import { type Feed, useFeed } from '../live/feed.ts'
import { Money } from '../parts/figures.tsx'
import { formatRequests, formatShare, formatUsd, readNanoUsd } from '../parts/format.ts'
import { dayStart } from '../keys/keys-data.ts'
import { mayCall } from '../frame/me.ts'
import { type ApiBreakers, type ApiSwitches } from '../models/models-data.ts'
import { type ApiForecast, type ApiProviderRow, providerHealth } from './outlook-data.ts'
import type { Desk } from '../frame/page-frame.tsx'
import { BASE, Link } from '../frame/router.tsx'

const HOUR_MS = 3_600_000
const EVERY_MS = 30_000

export function Outlook({ desk }: { readonly desk: Desk }) {
  const { today, forecast, providers, breakers, switches } = useOutlookData(desk)
  const health = useMemo(() => {
    // Nothing is well until everybody has said so, or can't.
    if (providers.data === null || [breakers, switches].some(isComing)) return null
    const known = { rows: providers.data.rows, breakers: breakers.data, switches: switches.data }
    return providerHealth({ ...known, targets: desk.overview.data?.targets ?? [] })
  }, [providers.data, breakers, switches, desk.overview.data])
  const month = forecast.data
  return (
    <dl class="outlook" aria-label="Outlook">
      <div class="card tile tile-today">
        <dt>Today (UTC)</dt>
        <Figure feed={today}>{today.data && <Money nanoUsd={readNanoUsd(today.data.total.cost_nano_usd)} />}</Figure>
        <dd class="tile-note">{today.data === null ? ' ' : formatRequests(today.data.total.requests)}</dd>
      </div>
      <div class="card tile tile-month">
        <dt>This month ({month?.time_zone ?? 'UTC'})</dt>
        <Figure feed={forecast}>{month && <Money nanoUsd={readNanoUsd(month.spent_nano_usd)} />}</Figure>
        <dd class="tile-note">{month === null ? ' ' : goneText(month)}</dd>
      </div>
      <div class="card tile tile-forecast">
        <dt>The month will have cost</dt>
        <Figure feed={forecast}>
          {month && (month.expected_nano_usd === null ? '–' : <Money nanoUsd={readNanoUsd(month.expected_nano_usd)} />)}
        </Figure>
        <dd class="tile-note">{month === null ? ' ' : bandText(month)}</dd>
      </div>
      <div class={`card tile tile-providers ${health !== null && health.ailing.length > 0 ? 'bad' : 'plain'}`}>
        <dt>Providers</dt>
        <Figure feed={providers}>
          {health && (
            <Link to={`${BASE}models`}>
              {health.ailing.length === 0 ? 'All well' : `${health.ailing.length} ailing`}
            </Link>
          )}
        </Figure>
        <dd class="tile-note">
          {health === null ? ' ' : health.ailing.length === 0 ? `${health.count} known` : health.ailing.join('; ')}
        </dd>
      </div>
    </dl>
  )
}

function isComing({ data, failure }: Feed<unknown>): boolean {
  return data === null && failure === null
}

interface FigureProps {
  readonly feed: Feed<unknown>
  readonly children: ComponentChildren
}

/** A figure, or a wait for it; one that can't be had says so, and the others stay. */
function Figure({ feed, children }: FigureProps) {
  if (feed.data === null && feed.failure !== null) {
    return (
      <dd class="tile-value muted" title={feed.failure.message}>
        –
      </dd>
    )
  }
  return <dd class="tile-value">{feed.data === null ? <span class="skeleton-line short" /> : children}</dd>
}

function goneText({ from, to }: ApiForecast): string {
  return `${formatShare(Date.now() - from, to - from)} of the month is over`
}

function bandText(month: ApiForecast): string {
  const { low_nano_usd: low, high_nano_usd: high, likelihood, days_known: days } = month
  if (low === null || high === null) return days === 0 ? 'after the first day' : 'too little is known yet'
  return `${Math.round(100 * likelihood)} % likely: ${formatUsd(readNanoUsd(low))} to ${formatUsd(readNanoUsd(high))}`
}

function useOutlookData({ api, me, isPaused }: Desk) {
  const mayKnow = mayCall(me, 'GET /switches')
  const today = useFeed({
    ...{ key: 'today', isPaused, everyMs: EVERY_MS, changesWith: ['requests'] as const },
    load: (signal) => api.summary({ fromMs: dayStart(Date.now()), toMs: Date.now() + 1, tables: [] }, signal),
  })
  const providers = useFeed({
    ...{ key: 'providers', isPaused, everyMs: EVERY_MS, changesWith: ['requests'] as const },
    load: (signal) => {
      const from = String(Date.now() - HOUR_MS)
      const query = new URLSearchParams({ metrics: 'requests,errors', group_by: 'provider', from })
      return api.read<{ readonly rows: readonly ApiProviderRow[] }>(`/admin/reports?${query}`, ['rows'], signal)
    },
  })
  const forecast = useFeed({
    ...{ key: 'forecast', isPaused, everyMs: EVERY_MS, changesWith: ['requests'] as const },
    load: (signal) => api.read<ApiForecast>('/admin/forecast', [], signal),
  })
  const none = { rows: [] }
  const isAwaiting = me === null
  const breakers = useFeed<ApiBreakers>({
    ...{ key: `breakers ${mayKnow}`, isPaused, isAwaiting, everyMs: EVERY_MS, changesWith: ['health'] as const },
    load: async (signal) => (mayKnow ? api.read('/admin/breakers', ['rows'], signal) : none),
  })
  const switches = useFeed<ApiSwitches>({
    ...{ key: `switches ${mayKnow}`, isPaused, isAwaiting, everyMs: EVERY_MS, changesWith: ['configuration'] as const },
    load: async (signal) => (mayKnow ? api.read('/admin/switches?limit=500', ['rows'], signal) : none),
  })
  return { today, forecast, providers, breakers, switches }
}
