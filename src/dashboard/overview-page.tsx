// The overview: what is read goes to the panels that show it. Holds the view (range, dimension) and the pause; all else
// is in the parts.
import { useEffect, useMemo, useState } from 'preact/hooks'
import type { AdminApi } from './api.ts'
import { Budgets } from './budgets.tsx'
import type { Feed } from './feed.ts'
import { FirstRequest } from './first-request.tsx'
import { type Names, namesFrom } from './names.ts'
import { type OverviewData, useOverviewData } from './overview-data.ts'
import { FailureNotice, PageHeader } from './page-header.tsx'
import { RANGES, type RangeName, readView, SPEND_DIMENSIONS, type View, writeView } from './ranges.ts'
import { RequestsTable } from './requests-table.tsx'
import { Segmented } from './segmented.tsx'
import { SpendOverTime } from './spend-over-time.tsx'
import { SpendTable } from './spend-table.tsx'
import { Tiles } from './tiles.tsx'
import { readCounters } from './usage-data.ts'

interface OverviewPageProps {
  readonly api: AdminApi
  /** Called with a reason when the token is no longer accepted, with null when the reader leaves. */
  readonly onSignOut: (reason: string | null) => void
}

export function OverviewPage({ api, onSignOut }: OverviewPageProps) {
  const [view, setView] = useView()
  const [isPaused, setIsPaused] = useState(false)
  const data = useOverviewData(api, view, isPaused)
  const names = useMemo(() => namesFrom(data.overview.data), [data.overview.data])
  const feeds: readonly Feed<unknown>[] = [data.overview, data.spend, data.history, data.requests]

  const isRefused = feeds.some((feed) => feed.failure?.kind === 'signed-out')
  useEffect(() => {
    if (isRefused) onSignOut('The admin token is no longer accepted. Sign in again.')
  }, [isRefused])

  return (
    <div class="page">
      <PageHeader
        overview={data.overview}
        feeds={feeds}
        isPaused={isPaused}
        onPause={setIsPaused}
        onSignOut={() => onSignOut(null)}
      />
      <main class="page-main">
        <div class="toolbar">
          <h1>Overview</h1>
          <Segmented
            legend="Time range"
            name="range"
            value={view.range.name}
            options={RANGES.map(({ name }) => ({ value: name, text: name }))}
            onChange={(name) => setView(withRange(view, name))}
          />
        </div>
        <FailureNotice feeds={feeds} />
        <OverviewBody data={data} names={names} view={view} onView={setView} />
      </main>
    </div>
  )
}

interface OverviewBodyProps {
  readonly data: OverviewData
  readonly names: Names
  readonly view: View
  readonly onView: (view: View) => void
}

function OverviewBody({ data, names, view, onView }: OverviewBodyProps) {
  const total = useMemo(
    () => (data.spend.data === null ? null : readCounters(data.spend.data.total)),
    [data.spend.data],
  )
  const hasNothing = data.requests.data !== null && data.log.rows.length === 0 && total?.requests === 0
  return (
    <>
      <Tiles total={total} isStale={data.spend.isStale} />
      {hasNothing && <FirstRequest overview={data.overview.data} />}
      <div class="split">
        <SpendOverTime
          view={view}
          feed={data.history}
          log={data.log}
          names={names}
          onDimension={(dimension) => onView({ ...view, dimension })}
        />
        <Budgets feed={data.overview} names={names} />
      </div>
      {!hasNothing && (
        <>
          <div class="tables">
            {SPEND_DIMENSIONS.map((dimension) => (
              <SpendTable key={dimension} dimension={dimension} feed={data.spend} names={names} />
            ))}
          </div>
          <RequestsTable feed={data.requests} log={data.log} older={data.older} names={names} />
        </>
      )}
    </>
  )
}

/** The view, kept in the address. */
function useView(): [View, (view: View) => void] {
  const [view, setView] = useState(() => readView(location.hash))
  useEffect(() => {
    const follow = (): void => setView(readView(location.hash))
    addEventListener('hashchange', follow)
    return () => removeEventListener('hashchange', follow)
  }, [])
  function show(next: View): void {
    history.replaceState(null, '', writeView(next))
    setView(next)
  }
  return [view, show]
}

function withRange(view: View, name: RangeName): View {
  return { ...view, range: RANGES.find((range) => range.name === name) ?? view.range }
}
