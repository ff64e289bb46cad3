// What every page stands in: the header with the ways to the other pages, a heading that takes the focus when the page is
// gone to, and one line for whatever can't be refreshed.
import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import type { ApiMe } from '../access/access-data.ts'
import type { AdminApi } from '../api.ts'
import type { ApiOverview } from '../api-types.ts'
import type { Feed } from '../live/feed.ts'
import type { Names } from '../parts/names.ts'
import { FailureNotice, PageHeader } from './page-header.tsx'
import type { Place } from './router.tsx'

/** What every page has at hand. */
export interface Desk {
  readonly api: AdminApi
  readonly place: Place
  /** Who is looking; null until that is known. */
  readonly me: ApiMe | null
  readonly meFeed: Feed<ApiMe>
  /** The configuration, with the live spend of budgets. */
  readonly overview: Feed<ApiOverview>
  readonly names: Names
  readonly isPaused: boolean
  /** False for the page that was loaded: the browser has the focus then. */
  readonly isGoneTo: boolean
  onPause(isPaused: boolean): void
  /** Called with a reason when the token or session is no longer accepted, with null when the reader leaves. */
  onSignOut(reason: string | null): void
}

interface PageFrameProps {
  readonly desk: Desk
  readonly title: string
  /** Before the heading: where one is. */
  readonly trail?: ComponentChildren
  /** Beside the heading. */
  readonly aside?: ComponentChildren
  /** What the page reads besides the overview. */
  readonly feeds?: readonly Feed<unknown>[]
  readonly children: ComponentChildren
}

export function PageFrame({ desk, title, trail, aside, feeds = [], children }: PageFrameProps) {
  const heading = useRef<HTMLHeadingElement>(null)
  const all = [desk.meFeed, desk.overview, ...feeds]
  const isRefused = all.some((feed) => feed.failure?.kind === 'signed-out')
  useEffect(() => {
    if (isRefused) desk.onSignOut('Your token or session is no longer accepted. Sign in again.')
  }, [isRefused])
  useEffect(() => {
    document.title = `${title} · Tidegate`
  }, [title])
  useEffect(() => {
    if (desk.isGoneTo) heading.current?.focus()
  }, [])
  return (
    <div class="page">
      <PageHeader desk={desk} feeds={all} />
      <main class="page-main">
        <div class="toolbar">
          <div class="toolbar-title">
            {trail}
            <h1 ref={heading} tabIndex={-1}>
              {title}
            </h1>
          </div>
          {aside}
        </div>
        <FailureNotice feeds={all} />
        {children}
      </main>
    </div>
  )
}
