// The bar at the top: what this is, how fresh it is, and the two things to do about it (pause, sign out).
import { Brand } from './brand.tsx'
import type { ApiOverview } from './api-types.ts'
import type { Feed } from './feed.ts'
import { formatInstant } from './format.ts'

interface PageHeaderProps {
  readonly overview: Feed<ApiOverview>
  readonly feeds: readonly Feed<unknown>[]
  readonly isPaused: boolean
  readonly onPause: (isPaused: boolean) => void
  readonly onSignOut: () => void
}

export function PageHeader({ overview, feeds, isPaused, onPause, onSignOut }: PageHeaderProps) {
  const environment = overview.data?.environment
  return (
    <header class="page-header">
      <Brand />
      {environment !== undefined && (
        <span class="environment" title={`Configuration revision ${overview.data?.revision ?? '–'}`}>
          {environment}
        </span>
      )}
      <span class="spacer" />
      <Freshness feeds={feeds} isPaused={isPaused} />
      <button type="button" class="button quiet" aria-pressed={isPaused} onClick={() => onPause(!isPaused)}>
        {isPaused ? 'Resume' : 'Pause'}
      </button>
      <button type="button" class="button quiet" onClick={onSignOut}>
        Sign out
      </button>
    </header>
  )
}

function Freshness({ feeds, isPaused }: Pick<PageHeaderProps, 'feeds' | 'isPaused'>) {
  const arrivals = feeds.map((feed) => feed.updatedAtMs)
  const oldestMs = arrivals.includes(null) ? null : Math.min(...arrivals.filter((arrival) => arrival !== null))
  const state = isPaused ? 'paused' : feeds.some((feed) => feed.failure !== null) ? 'failing' : 'live'
  const words = { paused: 'Paused', failing: 'Not up to date', live: oldestMs === null ? 'Loading' : 'Live' }[state]
  return (
    <span class={`freshness ${state}`}>
      <span class="dot" aria-hidden="true" />
      <span>{words}</span>
      {oldestMs !== null && <span class="freshness-time">as of {formatInstant(oldestMs, Date.now())}</span>}
    </span>
  )
}

/** One line for whatever fails to refresh, with what is still shown and a way to try at once. */
export function FailureNotice({ feeds }: { feeds: readonly Feed<unknown>[] }) {
  const failing = feeds.filter((feed) => feed.failure !== null)
  const [first] = failing
  if (first?.failure == null) return <div role="alert" />
  const isShowingOld = failing.some((feed) => feed.data !== null)
  return (
    <div role="alert">
      <div class="notice">
        <p>
          <strong>{first.failure.message}</strong> {isShowingOld ? 'The figures below are the last that arrived. ' : ''}
          Trying again automatically.
        </p>
        <button type="button" class="button" onClick={() => failing.forEach((feed) => feed.refresh())}>
          Try now
        </button>
      </div>
    </div>
  )
}
