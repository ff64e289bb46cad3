// The bar at the top: what this is, the ways to its pages, how fresh it is, and the two things to do about it (pause, sign
// out).
import { useEffect, useRef } from 'preact/hooks'
import { ROLE_TEXTS } from '../access/access-data.ts'
import { Brand } from './brand.tsx'
import type { Feed } from '../live/feed.ts'
import { formatInstant } from '../parts/format.ts'
import { grantText } from './me.ts'
import type { Desk } from './page-frame.tsx'
import { Link, type PageName, pathOf } from './router.tsx'

interface PageHeaderProps {
  readonly desk: Desk
  readonly feeds: readonly Feed<unknown>[]
}

const WAYS: readonly { readonly page: PageName; readonly text: string; readonly of: readonly PageName[] }[] = [
  { page: 'overview', text: 'Overview', of: ['overview'] },
  { page: 'requests', text: 'Requests', of: ['requests'] },
  { page: 'keys', text: 'Keys', of: ['keys', 'key'] },
  { page: 'teams', text: 'Teams', of: ['teams', 'team'] },
  { page: 'alerts', text: 'Alerts', of: ['alerts'] },
  { page: 'models', text: 'Models', of: ['models'] },
  { page: 'routes', text: 'Routes', of: ['routes'] },
  { page: 'playground', text: 'Playground', of: ['playground'] },
  { page: 'audit', text: 'Audit', of: ['audit', 'configuration'] },
  { page: 'access', text: 'Access', of: ['access'] },
]

export function PageHeader({ desk, feeds }: PageHeaderProps) {
  const { isPaused, overview, place } = desk
  const environment = overview.data?.environment
  const ways = useRef<HTMLElement>(null)
  // Where the screen is too narrow for all of them.
  useEffect(
    () => ways.current?.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' }),
    [],
  )
  return (
    <header class="page-header">
      <Brand />
      {environment !== undefined && (
        <span class="environment" title={`Configuration revision ${overview.data?.revision ?? '–'}`}>
          {environment}
        </span>
      )}
      <nav ref={ways} class="ways" aria-label="Pages">
        {WAYS.map(({ page, text, of }) => (
          <Link key={page} class="way" to={pathOf({ page, id: '' })} isCurrent={of.includes(place.page)}>
            {text}
          </Link>
        ))}
      </nav>
      <span class="spacer" />
      <Freshness feeds={feeds} isPaused={isPaused} />
      <button type="button" class="button quiet" aria-pressed={isPaused} onClick={() => desk.onPause(!isPaused)}>
        {isPaused ? 'Resume' : 'Pause'}
      </button>
      <Who desk={desk} />
      <button type="button" class="button quiet" onClick={() => void signOut(desk)}>
        Sign out
      </button>
    </header>
  )
}

/** A session ends on both sides; should the gateway not hear of it, it ends by itself. */
async function signOut({ api, me, onSignOut }: Desk): Promise<void> {
  if (me?.by === 'session') await api.send('POST', '/admin/sign-out').catch(() => undefined)
  onSignOut(null)
}

function Who({ desk: { me, names } }: { readonly desk: Desk }) {
  if (me === null) return null
  return (
    <span class="who" title={`${me.who}, ${grantText(me, names)}`}>
      <span class="who-name">{me.who}</span> <span class="badge">{ROLE_TEXTS[me.role]}</span>
    </span>
  )
}

function Freshness({ feeds, isPaused }: { feeds: readonly Feed<unknown>[]; isPaused: boolean }) {
  const arrivals = feeds.map((feed) => feed.updatedAtMs)
  const oldestMs = arrivals.includes(null) ? null : Math.min(...arrivals.filter((arrival) => arrival !== null))
  const state = isPaused ? 'paused' : freshnessOf(feeds)
  const words = { paused: 'Paused', failing: 'Not up to date', live: 'Live', polled: `Every ${paceOf(feeds)} s` }[state]
  return (
    <span class={`freshness ${state}`}>
      <span class="dot" aria-hidden="true" />
      <span role="status" title={state === 'live' ? TOLD : undefined}>
        {oldestMs === null && state !== 'paused' && state !== 'failing' ? 'Loading' : words}
      </span>
      {oldestMs !== null && <span class="freshness-time">as of {formatInstant(oldestMs, Date.now())}</span>}
    </span>
  )
}

/** What is read as seldom as this hardly ever changes: no page is out of date by it. */
const SELDOM_MS = 600_000

const TOLD = 'The gateway says when there is something new.'

function freshnessOf(feeds: readonly Feed<unknown>[]): 'failing' | 'live' | 'polled' {
  if (feeds.some((feed) => feed.failure !== null)) return 'failing'
  return feeds.every((feed) => feed.isLive || feed.everyMs >= SELDOM_MS) ? 'live' : 'polled'
}

/** In seconds, of what is read most often. */
function paceOf(feeds: readonly Feed<unknown>[]): number {
  const polled = feeds.filter((feed) => !feed.isLive)
  return Math.round(Math.min(...polled.map((feed) => feed.everyMs)) / 1_000)
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
