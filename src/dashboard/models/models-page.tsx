// Models and how they do: health, speed and cost of each, two of them side by side, and what is switched off.
import { useMemo, useState } from 'preact/hooks'
import { useFeed } from '../live/feed.ts'
import { mayCall } from '../frame/me.ts'
import { ModelComparison } from './model-comparison.tsx'
import { type ApiBreakers, type ApiModelReport, type ApiSwitches, modelLines } from './models-data.ts'
import { ModelsTable } from './models-table.tsx'
import { type Desk, PageFrame } from '../frame/page-frame.tsx'
import { Panel, Pending } from '../frame/panel.tsx'
import { RANGES, type Range } from '../parts/ranges.ts'
import { Segmented } from '../parts/segmented.tsx'
import { Switches } from './switches.tsx'

const METRICS = 'requests,errors,latency,tokens,spend,feedback'

export function ModelsPage({ desk }: { readonly desk: Desk }) {
  const [view, setView] = useModelsView()
  const { report, breakers, switches } = useModelsData(desk, view.range)
  const lines = useMemo(() => {
    if (report.data === null) return null
    const targets = desk.overview.data?.targets ?? []
    return modelLines({ report: report.data, targets, breakers: breakers.data, switches: switches.data })
  }, [report.data, breakers.data, switches.data, desk.overview.data])
  // Each comes where there is room; a third takes the place of the second.
  function choose(id: string, isChosen: boolean): void {
    const others = view.compared.filter((one) => one !== id)
    setView({ ...view, compared: isChosen ? [...others.slice(0, 1), id] : others })
  }
  const maySwitch = mayCall(desk.me, 'GET /switches')
  return (
    <PageFrame
      desk={desk}
      title="Models"
      feeds={maySwitch ? [report, breakers, switches] : [report]}
      aside={
        <Segmented
          legend="Time range"
          name="range"
          value={view.range.name}
          options={RANGES.map(({ name }) => ({ value: name, text: name }))}
          onChange={(name) => setView({ ...view, range: RANGES.find((range) => range.name === name) ?? view.range })}
        />
      }
    >
      <Panel
        title="Models"
        name="models"
        isStale={report.isStale}
        aside={<span class="muted">tick two to compare them</span>}
      >
        {lines === null && <Pending feed={report} lines={6} />}
        {lines?.length === 0 && <NoModels />}
        {lines !== null && lines.length > 0 && <ModelsTable lines={lines} compared={view.compared} onChoose={choose} />}
      </Panel>
      {lines !== null && lines.length > 1 && (
        <ModelComparison
          lines={lines}
          compared={view.compared}
          isStale={report.isStale}
          range={view.range}
          onCompare={(compared) => setView({ ...view, compared })}
        />
      )}
      {maySwitch && <Switches desk={desk} feed={switches} models={lines?.map(({ model }) => model) ?? []} />}
    </PageFrame>
  )
}

function NoModels() {
  return (
    <div class="teach">
      <h3>No model yet</h3>
      <p>
        A model stands here as soon as a target names it, or a request reached it: how it does, how fast, at what cost.
      </p>
      <p class="muted">
        Register a target with <code>POST /admin/targets</code>, then a route to it with <code>POST /admin/routes</code>
        .
      </p>
    </div>
  )
}

function useModelsData({ api, isPaused, me }: Desk, range: Range) {
  const mayKnow = mayCall(me, 'GET /switches')
  const report = useFeed({
    key: range.name,
    load: (signal) => {
      const to = Date.now() + 1
      const query = new URLSearchParams({
        ...{ metrics: METRICS, group_by: 'provider,model', limit: '1000' },
        ...{ from: String(to - range.lengthMs), to: String(to) },
      })
      return api.read<ApiModelReport>(`/admin/reports?${query}`, ['rows'], signal)
    },
    isPaused,
    changesWith: ['requests'],
  })
  const none = { rows: [] }
  const breakers = useFeed({
    key: `breakers ${mayKnow}`,
    load: async (signal) => (mayKnow ? api.read<ApiBreakers>('/admin/breakers', ['rows'], signal) : none),
    isPaused,
    isAwaiting: me === null,
    changesWith: ['health'],
  })
  const switches = useFeed({
    key: `switches ${mayKnow}`,
    load: async (signal) => (mayKnow ? api.read<ApiSwitches>('/admin/switches?limit=500', ['rows'], signal) : none),
    isPaused,
    isAwaiting: me === null,
    changesWith: ['configuration'],
  })
  return { report, breakers, switches }
}

interface ModelsView {
  readonly range: Range
  /** Two at most, by id. */
  readonly compared: readonly string[]
}

/** The view, kept in the address. */
function useModelsView(): [ModelsView, (view: ModelsView) => void] {
  const [view, setView] = useState(() => readView(location.search))
  function show(next: ModelsView): void {
    const query = new URLSearchParams()
    if (next.range.name !== '24h') query.set('range', next.range.name)
    for (const id of next.compared) query.append('with', id)
    const text = query.toString()
    history.replaceState(null, '', location.pathname + (text === '' ? '' : `?${text}`))
    setView(next)
  }
  return [view, show]
}

function readView(search: string): ModelsView {
  const asked = new URLSearchParams(search)
  const range =
    RANGES.find(({ name }) => name === asked.get('range')) ?? RANGES.find(({ name }) => name === '24h') ?? RANGES[0]
  if (range === undefined) throw new Error('there is no range')
  return { range, compared: [...new Set(asked.getAll('with'))].slice(0, 2) }
}
