// What was spent over time, by model: of a key, or of a team.
import { useMemo } from 'preact/hooks'
import type { KeyData } from '../keys/key-data.ts'
import type { Names } from '../parts/names.ts'
import { Nothing, Panel, Pending } from '../frame/panel.tsx'
import { DAY_MS, HOUR_MS } from '../parts/ranges.ts'
import { SpendChart } from '../overview/spend-chart.tsx'
import { pointsFromUsage, spendHistory } from '../overview/usage-data.ts'

interface ModelSpendProps {
  readonly data: Pick<KeyData, 'usage' | 'range'>
  readonly names: Names
}

export function ModelSpend({ data: { usage, range }, names }: ModelSpendProps) {
  const answer = usage.data
  const history = useMemo(() => {
    if (answer === null) return null
    // An answer for another range is drawn as what it is, dimmed.
    const isLong = answer.to - answer.from > 8 * DAY_MS
    const window = { fromMs: answer.from, toMs: answer.to, widthMs: isLong ? DAY_MS : HOUR_MS }
    return spendHistory(pointsFromUsage(answer.rows, 'model', 'hour'), window)
  }, [answer])
  return (
    <Panel title="Spend over time" name="history" isStale={usage.isStale} aside={<span class="muted">by model</span>}>
      {history === null && <Pending feed={usage} lines={6} />}
      {history?.series.length === 0 && <Nothing>Nothing was spent in the last {range.label}.</Nothing>}
      {history !== null && history.series.length > 0 && (
        <SpendChart history={history} dimension="model" names={names} />
      )}
    </Panel>
  )
}
