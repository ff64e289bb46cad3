// The panel around the chart: which dimension, from which data, and what to say when there is nothing to draw.
import { useEffect, useMemo } from 'preact/hooks'
import type { ApiHistory } from '../api-types.ts'
import type { Feed } from '../live/feed.ts'
import type { Names } from '../parts/names.ts'
import { Nothing, Panel, Pending } from '../frame/panel.tsx'
import { SPEND_DIMENSIONS, type SpendDimension, type View } from '../parts/ranges.ts'
import { coversSince, type RequestLog } from '../requests/request-log.ts'
import { Segmented } from '../parts/segmented.tsx'
import { loadPlot, SpendChart } from './spend-chart.tsx'
import { pointsFromHistory, pointsFromRequests, type SpendHistory, spendHistory, usageWindow } from './usage-data.ts'

const MINUTE_MS = 60_000

interface SpendOverTimeProps {
  readonly view: View
  readonly feed: Feed<ApiHistory>
  readonly log: RequestLog
  readonly names: Names
  readonly onDimension: (dimension: SpendDimension) => void
}

export function SpendOverTime({ view, feed, log, names, onDimension }: SpendOverTimeProps) {
  const answer = feed.data
  // An answer for another dimension can't be drawn under this one's name; one for another range can, dimmed.
  const isFitting = answer !== null && answer.by === view.dimension
  useEffect(() => {
    // What draws it is loaded while its data is on the way; where that fails, the chart tries again.
    loadPlot().catch(() => undefined)
  }, [])
  const history = useMemo(() => (isFitting ? historyOf(answer, view, log) : null), [answer, isFitting, log, view])
  return (
    <Panel
      title="Spend over time"
      name="history"
      isStale={feed.isStale}
      aside={
        <Segmented
          legend="Split the chart by"
          name="dimension"
          value={view.dimension}
          options={SPEND_DIMENSIONS.map((value) => ({ value, text: value }))}
          onChange={onDimension}
        />
      }
    >
      {history === null && <Pending feed={feed} lines={6} />}
      {history?.series.length === 0 && <Nothing>Nothing was spent in the last {view.range.label}.</Nothing>}
      {history !== null && history.series.length > 0 && (
        <SpendChart history={history} dimension={view.dimension} names={names} />
      )}
    </Panel>
  )
}

/** By minutes where the range is an hour and the requests at hand cover it, else by the history's buckets. */
function historyOf(answer: ApiHistory, { range, dimension }: View, log: RequestLog): SpendHistory {
  const isMinutes = range.name === '1h' && answer.to - answer.from <= range.lengthMs && coversSince(log, answer.from)
  if (isMinutes) {
    const rows = log.rows.filter((row) => row.started_at_ms >= answer.from)
    const window = { fromMs: answer.from, toMs: answer.to, widthMs: MINUTE_MS }
    return spendHistory(pointsFromRequests(rows, dimension), window)
  }
  return spendHistory(pointsFromHistory(answer), usageWindow(answer.from, answer.to, answer.bucket))
}
