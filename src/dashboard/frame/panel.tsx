// The frame that every part of the page stands in: a titled region that knows how to wait, to say what went wrong, and
// to keep showing what it has.
import type { ComponentChildren } from 'preact'
import { useId } from 'preact/hooks'
import type { Feed } from '../live/feed.ts'

interface PanelProps {
  readonly title: string
  readonly name: string
  /** Controls or a remark at the right of the title. */
  readonly aside?: ComponentChildren
  /** True while what is shown belongs to an earlier choice. */
  readonly isStale?: boolean
  readonly children: ComponentChildren
}

export function Panel({ title, name, aside, isStale = false, children }: PanelProps) {
  const titleId = useId()
  return (
    <section class={`card panel panel-${name}`} aria-labelledby={titleId} aria-busy={isStale}>
      <header class="panel-head">
        <h2 id={titleId}>{title}</h2>
        {aside}
      </header>
      <div class={isStale ? 'panel-body stale' : 'panel-body'}>{children}</div>
    </section>
  )
}

/** What stands in a panel whose feed has brought nothing yet: a wait, or the reason and a way to try again. */
export function Pending({ feed, lines = 3 }: { feed: Feed<unknown>; lines?: number }) {
  if (feed.failure !== null && !feed.isLoading) {
    return (
      <div class="pending-failure">
        <p>{feed.failure.message}</p>
        <button type="button" class="button" onClick={feed.refresh}>
          Try again
        </button>
      </div>
    )
  }
  return (
    <div class="skeleton" role="status">
      <span class="visually-hidden">Loading…</span>
      {Array.from({ length: lines }, (_, index) => (
        <div key={index} class="skeleton-line" />
      ))}
    </div>
  )
}

/** A quiet sentence where a list has nothing in it. */
export function Nothing({ children }: { children: ComponentChildren }) {
  return <p class="nothing">{children}</p>
}
