// The drawing of spend over time with uPlot: stacked columns on a time axis. Knows nothing of preact or of the API; the
// amounts are dollars as numbers here, since a pixel is far coarser than what is lost.
import uPlot from 'uplot'
import { formatUsdAxis } from '../parts/format.ts'
import { DAY_MS } from '../parts/ranges.ts'
import type { SpendHistory } from './usage-data.ts'

const HEIGHT_PX = 260
const AXIS_LABEL_PX = 7
const TIME_AXIS_PX = 32
const COLUMN_FILL = 0.82
const COLUMN_MAX_PX = 56

/** Where a bucket lies in the drawing, in CSS px from the left of the plot's root. */
export interface ColumnPlace {
  readonly leftPx: number
  readonly widthPx: number
}

export interface SpendPlot {
  /** Shows `history`; the number of series and their colours are those given at creation. */
  show(history: SpendHistory): void
  place(index: number): ColumnPlace
  destroy(): void
}

export interface SpendPlotOptions {
  readonly host: HTMLElement
  readonly history: SpendHistory
  /** CSS variable of each series' colour, in the order of the series. */
  readonly colours: readonly string[]
  /** The bucket under the pointer; null when it leaves. */
  readonly onPoint: (index: number | null) => void
}

/** Draws into `host` and follows its width and the colour scheme. */
export function spendPlot({ host, history, colours, onPoint }: SpendPlotOptions): SpendPlot {
  let shown = history
  const hooks = {
    setCursor: [(plot: uPlot) => onPoint(indexAt(plot, shown))],
  }
  const plot = new uPlot({ ...optionsFor(() => shown, colours), width: widthOf(host), hooks }, stacked(history), host)

  const sizes = new ResizeObserver(() => plot.setSize({ width: widthOf(host), height: HEIGHT_PX }))
  sizes.observe(host)
  const scheme = matchMedia('(prefers-color-scheme: dark)')
  const recolour = (): void => plot.redraw(false)
  scheme.addEventListener('change', recolour)

  return {
    show(next) {
      shown = next
      plot.setData(stacked(next))
    },
    place(index) {
      const start = shown.starts[index] ?? 0
      const leftPx = plot.valToPos(start, 'x')
      return { leftPx: leftPx + plot.over.offsetLeft, widthPx: plot.valToPos(start + shown.widthMs, 'x') - leftPx }
    },
    destroy() {
      sizes.disconnect()
      scheme.removeEventListener('change', recolour)
      plot.destroy()
    },
  }
}

function optionsFor(shown: () => SpendHistory, colours: readonly string[]): Omit<uPlot.Options, 'width'> {
  const columns = uPlot.paths.bars?.({ size: [COLUMN_FILL, COLUMN_MAX_PX], align: 1, radius: 0 })
  if (columns === undefined) throw new Error('uPlot has no columns')
  // The tallest sum is drawn first and the lower ones over it, so the series run from the last to the first.
  const series = colours.toReversed().map((colour) => ({
    paths: columns,
    points: { show: false },
    width: 0,
    fill: () => cssValue(colour),
    stroke: () => cssValue(colour),
  }))
  return {
    height: HEIGHT_PX,
    ms: 1,
    padding: [12, 22, 0, 0],
    legend: { show: false },
    cursor: { drag: { x: false, y: false, setScale: false }, x: false, y: false, points: { show: false } },
    ...(shown().widthMs === DAY_MS ? { tzDate: (ms: number) => uPlot.tzDate(new Date(ms), 'Etc/UTC') } : {}),
    scales: {
      x: { time: true, range: () => edges(shown()) },
      y: { range: (_plot, _min, max) => [0, max > 0 ? max * 1.08 : 1] },
    },
    series: [{}, ...series],
    axes: [timeAxis(shown), moneyAxis()],
  }
}

function timeAxis(shown: () => SpendHistory): uPlot.Axis {
  return {
    ...axisLook(),
    grid: { show: false },
    size: TIME_AXIS_PX,
    space: 68,
    values: (_plot, splits) => splits.map((ms) => tickText(ms, shown().widthMs)),
  }
}

function moneyAxis(): uPlot.Axis {
  return {
    ...axisLook(),
    size: (_plot, values) => 18 + AXIS_LABEL_PX * Math.max(3, ...(values ?? []).map((value) => value.length)),
    grid: { stroke: () => cssValue('--line'), width: 1 },
    values: (_plot, splits, _axis, _space, step) => splits.map((usd) => formatUsdAxis(usd, step)),
  }
}

function axisLook(): uPlot.Axis {
  return {
    stroke: () => cssValue('--ink-soft'),
    font: '12px system-ui, sans-serif',
    ticks: { show: false },
  }
}

/** Sums from the bottom up, as uPlot draws them: the full height first. A bucket without spend has no column. */
function stacked({ starts, series }: SpendHistory): uPlot.AlignedData {
  const sums = starts.map(() => 0)
  const lines = series.map(({ costs }) =>
    costs.map((cost, index) => {
      sums[index] = (sums[index] ?? 0) + Number(cost) / 1e9
      return sums[index]
    }),
  )
  const drawn = lines.map((line) => line.map((sum, index) => (sums[index] === 0 ? null : sum)))
  return [[...starts], ...drawn.toReversed()]
}

function edges({ starts, widthMs }: SpendHistory): [number, number] {
  return [starts[0] ?? 0, (starts.at(-1) ?? 0) + widthMs]
}

function indexAt(plot: uPlot, { starts, widthMs }: SpendHistory): number | null {
  const left = plot.cursor.left ?? -1
  if (left < 0) return null
  const index = Math.floor((plot.posToVal(left, 'x') - (starts[0] ?? 0)) / widthMs)
  return index >= 0 && index < starts.length ? index : null
}

function tickText(ms: number, widthMs: number): string {
  const at = new Date(ms)
  if (widthMs === DAY_MS) return dayText(at, 'UTC')
  if (at.getHours() === 0 && at.getMinutes() === 0) return dayText(at)
  return new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', hour12: false }).format(at)
}

function dayText(at: Date, timeZone?: string): string {
  const zone = timeZone === undefined ? {} : { timeZone }
  return new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric', ...zone }).format(at)
}

function widthOf(host: HTMLElement): number {
  return Math.max(200, Math.floor(host.clientWidth))
}

function cssValue(variable: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(variable).trim()
}
