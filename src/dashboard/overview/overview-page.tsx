// The overview: what is read goes to the panels that show it. Holds the view (range, dimension); all else is
// in the parts.
import { useEffect, useMemo, useState } from 'preact/hooks'
import { Budgets } from './budgets.tsx'
import { FirstRequest } from './first-request.tsx'
import { latePart } from '../frame/lazy-page.tsx'
import { type OverviewData, useOverviewData } from './overview-data.ts'
import { type Desk, PageFrame } from '../frame/page-frame.tsx'
import { RANGES, type RangeName, readView, SPEND_DIMENSIONS, type View, writeView } from '../parts/ranges.ts'
import { RequestsTable } from '../requests/requests-table.tsx'
import { Segmented } from '../parts/segmented.tsx'
import { SpendOverTime } from './spend-over-time.tsx'
import { SpendTable } from './spend-table.tsx'
import { Tiles } from '../parts/tiles.tsx'
import { readCounters } from './usage-data.ts'

export function OverviewPage({ desk }: { readonly desk: Desk }) {
  const [view, setView] = useView()
  const data = useOverviewData(desk.api, view, desk.isPaused)
  return (
    <PageFrame
      desk={desk}
      title="Overview"
      feeds={[data.spend, data.keys, data.history, data.requests]}
      aside={
        <Segmented
          legend="Time range"
          name="range"
          value={view.range.name}
          options={RANGES.map(({ name }) => ({ value: name, text: name }))}
          onChange={(name) => setView(withRange(view, name))}
        />
      }
    >
      <OverviewBody data={data} desk={desk} view={view} onView={setView} />
    </PageFrame>
  )
}

const LateOutlook = latePart('outlook', async () => (await import('./outlook.tsx')).Outlook)

interface OverviewBodyProps {
  readonly data: OverviewData
  readonly desk: Desk
  readonly view: View
  readonly onView: (view: View) => void
}

function OverviewBody({ data, desk, view, onView }: OverviewBodyProps) {
  const { overview, names } = desk
  const hasBegun = useOnce(!data.isBeginning)
  const total = useMemo(
    () => (data.spend.data === null ? null : readCounters(data.spend.data.total)),
    [data.spend.data],
  )
  const keyCount = overview.data?.key_counts.reduce((sum, { active }) => sum + active, 0) ?? 0
  const hasNothing = data.requests.data !== null && data.log.rows.length === 0 && total?.requests === 0
  return (
    <>
      <Tiles total={total} isStale={data.spend.isStale} />
      {!hasNothing && (hasBegun ? <LateOutlook desk={desk} /> : <div class="outlook" />)}
      {hasNothing && <FirstRequest overview={overview.data} />}
      <div class="split">
        <SpendOverTime
          view={view}
          feed={data.history}
          log={data.log}
          names={names}
          onDimension={(dimension) => onView({ ...view, dimension })}
        />
        <Budgets feed={overview} names={names} />
      </div>
      {!hasNothing && (
        <>
          <div class="tables">
            {SPEND_DIMENSIONS.map((dimension) => (
              <SpendTable
                key={dimension}
                dimension={dimension}
                feed={dimension === 'key' ? data.keys : data.spend}
                names={names}
                expected={dimension === 'key' ? Math.max(1, keyCount) : 4}
              />
            ))}
          </div>
          <RequestsTable feed={data.requests} log={data.log} older={data.older} names={names} />
        </>
      )}
    </>
  )
}

/** True from the first time on that `is` is. */
function useOnce(is: boolean): boolean {
  const [was, setWas] = useState(is)
  useEffect(() => {
    if (is) setWas(true)
  }, [is])
  return was
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
