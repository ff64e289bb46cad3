// Routes: which targets serve a model, in what order, with what shares, at what price and how well; their order changed,
// canaries begun and taken back. Beside them a box in which a request can be tried: what the gateway would do with it, and why.
import { useMemo, useState } from 'preact/hooks'
import { ExplainBox } from '../explain/explain-box.tsx'
import { useFeed } from '../live/feed.ts'
import { mayCall } from '../frame/me.ts'
import type { ApiSwitches } from '../models/models-data.ts'
import { type Desk, PageFrame } from '../frame/page-frame.tsx'
import { Panel, Pending } from '../frame/panel.tsx'
import { type RouteContext, RouteLine, type Served } from './route-line.tsx'

const HOUR_MS = 3_600_000

export function RoutesPage({ desk }: { readonly desk: Desk }) {
  const { overview, me } = desk
  const [said, setSaid] = useState('')
  const { served, switches } = useRoutesData(desk)
  const targets = useMemo(() => new Map(overview.data?.targets.map((target) => [target.id, target])), [overview.data])
  const routes = overview.data?.routes ?? null
  const mayChange = mayCall(me, 'PATCH /routes/:id')
  const context: RouteContext = {
    ...{ desk, targets, served: served.data?.rows ?? null, switches: switches.data?.rows ?? [], mayChange },
    onDone(what) {
      setSaid(what)
      overview.refresh()
    },
  }
  return (
    <PageFrame desk={desk} title="Routes" feeds={[served, switches]}>
      <Panel
        title="Model → targets"
        name="routes"
        aside={!mayChange && me !== null && <span class="muted">read only</span>}
      >
        <p class="said" role="status">
          {said}
        </p>
        {routes === null && <Pending feed={overview} lines={5} />}
        {routes?.length === 0 && (
          <div class="teach">
            <h3>No route yet</h3>
            <p>A route says which targets serve the model that a request names, and in what order they are tried.</p>
            <p class="muted">
              Register a target with <code>POST /admin/targets</code>, then a route with <code>POST /admin/routes</code>
              .
            </p>
          </div>
        )}
        <ul class="routes">
          {routes?.map((route) => (
            <RouteLine key={route.id} route={route} context={context} />
          ))}
        </ul>
      </Panel>
      <ExplainBox exampleModel={routes?.find((route) => !route.model.includes('*'))?.model ?? 'gpt-4o-mini'} />
    </PageFrame>
  )
}

function useRoutesData({ api, isPaused, me }: Desk) {
  const served = useFeed({
    key: 'served',
    load: (signal) => {
      const from = String(Date.now() - HOUR_MS)
      const query = new URLSearchParams({ metrics: 'errors,latency', group_by: 'route,provider,model', from })
      return api.read<{ readonly rows: readonly Served[] }>(`/admin/reports?${query}`, ['rows'], signal)
    },
    isPaused,
    changesWith: ['requests'],
  })
  const mayKnow = mayCall(me, 'GET /switches')
  const switches = useFeed({
    key: `switches ${mayKnow}`,
    load: async (signal): Promise<ApiSwitches> =>
      mayKnow ? api.read<ApiSwitches>('/admin/switches?limit=500', ['rows'], signal) : { rows: [] },
    isPaused,
    isAwaiting: me === null,
    changesWith: ['configuration'],
  })
  return { served, switches }
}
