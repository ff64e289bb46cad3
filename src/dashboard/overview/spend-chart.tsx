// Spend over time: the plot, its legend, what a column says when pointed at or reached by arrow keys, and the same
// figures as a table for who can't see columns.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { Money } from '../parts/figures.tsx'
import { formatUsd } from '../parts/format.ts'
import type { Names } from '../parts/names.ts'
import { Nothing } from '../frame/panel.tsx'
import { DAY_MS, HOUR_MS, type SpendDimension } from '../parts/ranges.ts'
import type { ColumnPlace, SpendPlot } from './spend-plot.ts'
import { assignSlots, type SpendHistory, type SpendSeries } from './usage-data.ts'

interface SpendChartProps {
  readonly history: SpendHistory
  readonly dimension: SpendDimension
  readonly names: Names
}

/** A series with what it is called and its colour. */
interface DrawnSeries extends SpendSeries {
  readonly text: string
  /** Name of a CSS variable. */
  readonly colour: string
}

interface Pointed {
  readonly index: number
  readonly place: ColumnPlace
}

export function SpendChart({ history, dimension, names }: SpendChartProps) {
  const drawn = useDrawnSeries(history, dimension, names)
  const { host, isDrawable, pointed, point } = usePlot(history, drawn)

  function onKeyDown(event: KeyboardEvent): void {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key]
    if (event.key === 'Escape') point(null)
    if (step === undefined) return
    event.preventDefault()
    const last = history.starts.length - 1
    point(Math.min(last, Math.max(0, (pointed?.index ?? last + (step < 0 ? 1 : 0)) + step)))
  }

  return (
    <div class="chart">
      <div
        class="chart-plot"
        tabIndex={0}
        role="group"
        aria-label={`Spend over time by ${dimension}. Arrow keys read the columns.`}
        onKeyDown={onKeyDown}
        onBlur={() => point(null)}
      >
        <div ref={host} class="chart-host" aria-hidden="true">
          {!isDrawable && <Nothing>This browser can’t draw the chart; its figures are in the table below.</Nothing>}
        </div>
        {pointed !== null && <Reading pointed={pointed} history={history} drawn={drawn} />}
      </div>
      <ul class="legend">
        {drawn.map((series) => (
          <li key={seriesId(series)}>
            <Swatch colour={series.colour} />
            <span class="name" title={series.text}>
              {series.text}
            </span>
            <Money nanoUsd={series.totalNanoUsd} />
          </li>
        ))}
      </ul>
      <HistoryTable history={history} drawn={drawn} />
    </div>
  )
}

function Reading({
  pointed,
  history,
  drawn,
}: {
  pointed: Pointed
  history: SpendHistory
  drawn: readonly DrawnSeries[]
}) {
  const { index, place } = pointed
  const lines = drawn.filter((series) => (series.costs[index] ?? 0n) !== 0n)
  const isRight = index > history.starts.length / 2
  return (
    <>
      <div class="chart-column" style={{ left: `${place.leftPx}px`, width: `${place.widthPx}px` }} />
      <div
        class={isRight ? 'chart-reading right' : 'chart-reading'}
        style={{ left: `${isRight ? place.leftPx : place.leftPx + place.widthPx}px` }}
        role="status"
      >
        <div class="chart-reading-head">
          <span>{bucketText(history.starts[index] ?? 0, history.widthMs)}</span>
          <strong>{formatUsd(lines.reduce((sum, series) => sum + (series.costs[index] ?? 0n), 0n))}</strong>
        </div>
        {lines.map((series) => (
          <div key={seriesId(series)} class="chart-reading-line">
            <Swatch colour={series.colour} />
            <span class="name">{series.text}</span>
            <span class="number">{formatUsd(series.costs[index] ?? 0n)}</span>
          </div>
        ))}
      </div>
    </>
  )
}

function HistoryTable({ history, drawn }: { history: SpendHistory; drawn: readonly DrawnSeries[] }) {
  const [isOpen, setIsOpen] = useState(false)
  return (
    <details class="chart-table" open={isOpen} onToggle={(event) => setIsOpen(event.currentTarget.open)}>
      <summary>Figures as a table</summary>
      {isOpen && (
        <div class="table-scroll tall" tabIndex={0} role="region" aria-label="Spend over time">
          <table>
            <thead>
              <tr>
                <th scope="col">Time</th>
                {drawn.map((series) => (
                  <th key={seriesId(series)} scope="col" class="number">
                    {series.text}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {history.starts.map((start, index) => (
                <tr key={start}>
                  <th scope="row">{bucketText(start, history.widthMs)}</th>
                  {drawn.map((series) => (
                    <td key={seriesId(series)} class="number">
                      <Money nanoUsd={series.costs[index] ?? 0n} />
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </details>
  )
}

function Swatch({ colour }: { colour: string }) {
  return <span class="swatch" style={{ background: `var(${colour})` }} aria-hidden="true" />
}

/** Names and colours for the series; a series keeps its colour from refresh to refresh. */
function useDrawnSeries(history: SpendHistory, dimension: SpendDimension, names: Names): readonly DrawnSeries[] {
  const slots = useRef<{ dimension: SpendDimension; map: ReadonlyMap<string, number> }>({ dimension, map: new Map() })
  return useMemo(() => {
    const before = slots.current.dimension === dimension ? slots.current.map : new Map<string, number>()
    const map = assignSlots(before, history.series.filter((series) => !series.isRest).map(seriesId))
    slots.current = { dimension, map }
    return history.series.map((series) => ({
      ...series,
      text: series.isRest ? 'Everything else' : names.label(dimension, series.id).text,
      colour: series.isRest ? '--series-rest' : `--series-${map.get(seriesId(series)) ?? 0}`,
    }))
  }, [history, dimension, names])
}

/**
 * Keeps one plot in step with the data; it is made anew only when the series or their colours change. The drawing is
 * loaded apart from the page, so that what keeps it from running (it needs a browser language that is one) costs the
 * columns and nothing else.
 */
function usePlot(history: SpendHistory, drawn: readonly DrawnSeries[]) {
  const host = useRef<HTMLDivElement>(null)
  const plot = useRef<SpendPlot | null>(null)
  const latest = useRef(history)
  latest.current = history
  const [pointed, setPointed] = useState<Pointed | null>(null)
  const [isDrawable, setIsDrawable] = useState(true)
  const colours = drawn.map((series) => series.colour)
  const shape = `${history.widthMs} ${colours.join(' ')}`

  function point(index: number | null): void {
    setPointed(index === null || plot.current === null ? null : { index, place: plot.current.place(index) })
  }
  useEffect(() => {
    let isGone = false
    async function draw(): Promise<void> {
      const { spendPlot } = await loadPlot()
      if (isGone || host.current === null) return
      plot.current = spendPlot({ host: host.current, history: latest.current, colours, onPoint: point })
    }
    draw().catch(() => setIsDrawable(false))
    return () => {
      isGone = true
      setPointed(null)
      plot.current?.destroy()
      plot.current = null
    }
  }, [shape])
  useEffect(() => plot.current?.show(history), [history])
  const isInside = pointed !== null && pointed.index < history.starts.length
  return { host, isDrawable, pointed: isInside ? pointed : null, point }
}

/** What draws the columns. It may be called ahead, so that they are there with their data: a language that is none would keep it
 *  from running for as long as the page is open, and is seen to first. */
export async function loadPlot() {
  giveLanguage()
  return import('./spend-plot.ts')
}

/** A browser may name its language in a way that isn't one (`en-US@posix`), and the drawing asks for its words: then it gets
 *  the page's. */
function giveLanguage(): void {
  try {
    Intl.NumberFormat(navigator.language)
  } catch {
    Object.defineProperty(navigator, 'language', { value: document.documentElement.lang, configurable: true })
  }
}

function seriesId(series: SpendSeries): string {
  return series.isRest ? ' rest' : `=${series.id ?? ''}`
}

/** A bucket in words: a day is a day in UTC, as the ledger counts it; the rest is in the viewer's zone. */
function bucketText(startMs: number, widthMs: number): string {
  const day = { weekday: 'short', month: 'short', day: 'numeric' } as const
  if (widthMs === DAY_MS)
    return `${new Intl.DateTimeFormat(undefined, { ...day, timeZone: 'UTC' }).format(startMs)} (UTC)`
  const time = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', hour12: false })
  const span = widthMs === HOUR_MS ? `${time.format(startMs)}–${time.format(startMs + widthMs)}` : time.format(startMs)
  return `${new Intl.DateTimeFormat(undefined, day).format(startMs)}, ${span}`
}
