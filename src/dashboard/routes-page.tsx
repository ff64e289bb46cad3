// Routes as they are: which targets serve a model, in what order, at what price and how well. Nothing is changed here. Beside
// them a box in which a request can be tried: what the gateway would do with it, and why.
import { useMemo } from 'preact/hooks'
import type { ApiGroup, ApiMember, ApiRoute, ApiTarget } from './api-types.ts'
import { ExplainBox } from './explain-box.tsx'
import { useFeed } from './feed.ts'
import { formatDuration, formatShare } from './format.ts'
import { type Desk, PageFrame } from './page-frame.tsx'
import { Panel, Pending } from './panel.tsx'

const HOUR_MS = 3_600_000

/** What a model of a provider did lately. */
interface Served {
  readonly provider: string | null
  readonly model: string | null
  readonly requests: number
  readonly errors: number
  readonly ttft_p50_ms: number | null
  readonly latency_p50_ms: number | null
}

export function RoutesPage({ desk }: { readonly desk: Desk }) {
  const { api, overview, isPaused, names } = desk
  const served = useFeed({
    key: 'served',
    load: (signal) => {
      const from = String(Date.now() - HOUR_MS)
      const query = new URLSearchParams({ metrics: 'errors,latency', group_by: 'provider,model', from })
      return api.read<{ readonly rows: readonly Served[] }>(`/admin/reports?${query}`, ['rows'], signal)
    },
    isPaused,
  })
  const targets = useMemo(() => new Map(overview.data?.targets.map((target) => [target.id, target])), [overview.data])
  const routes = overview.data?.routes ?? null
  return (
    <PageFrame desk={desk} title="Routes" feeds={[served]}>
      <Panel title="Model → targets" name="routes" aside={<span class="muted">read only</span>}>
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
            <Route
              key={route.id}
              route={route}
              owner={route.tenant_id == null ? null : names.tenant(route.tenant_id)}
              targets={targets}
              served={served.data?.rows ?? null}
            />
          ))}
        </ul>
      </Panel>
      <ExplainBox exampleModel={routes?.find((route) => !route.model.includes('*'))?.model ?? 'gpt-4o-mini'} />
    </PageFrame>
  )
}

interface RouteProps {
  readonly route: ApiRoute
  /** Name of the tenant whose route it is; null for everybody's. */
  readonly owner: string | null
  readonly targets: ReadonlyMap<string, ApiTarget>
  readonly served: readonly Served[] | null
}

function Route({ route, owner, targets, served }: RouteProps) {
  const members = route.group == null ? (route.targets ?? []) : route.group.members
  const rules = route.rules?.length ?? 0
  return (
    <li class="route">
      <h3 class="route-head">
        <code>{route.model}</code> <span class="badge">{strategyText(route.group ?? null)}</span>
        {rules > 0 && (
          <span class="badge note">
            {rules} {rules === 1 ? 'rule' : 'rules'} before it
          </span>
        )}
        <span class="context">{owner === null ? 'for every tenant' : `for ${owner}`}</span>
      </h3>
      <Members members={members} targets={targets} served={served} />
    </li>
  )
}

function strategyText(group: ApiGroup | null): string {
  return group?.strategy ?? 'priority'
}

type MembersProps = Pick<RouteProps, 'targets' | 'served'> & { readonly members: readonly ApiMember[] }

function Members({ members, targets, served }: MembersProps) {
  return (
    <ol class="members">
      {members.map((member, at) => {
        const plain = typeof member === 'string' ? { target: member } : member
        const weight = plain.ramp === undefined ? plain.weight : plain.ramp.to
        return (
          <li key={plain.target ?? at}>
            {plain.group !== undefined ? (
              <>
                <span class="badge">{strategyText(plain.group)}</span>
                <Members members={plain.group.members} targets={targets} served={served} />
              </>
            ) : (
              <Member id={plain.target ?? ''} target={targets.get(plain.target ?? '')} served={served} />
            )}
            {weight !== undefined && weight !== 1 && <span class="context">weight {weight}</span>}
          </li>
        )
      })}
    </ol>
  )
}

function Member({
  id,
  target,
  served,
}: {
  id: string
  target: ApiTarget | undefined
  served: readonly Served[] | null
}) {
  if (target === undefined) return <span class="name">{id}</span>
  return (
    <div class="member">
      <span class="member-name">
        <span class="name">{target.name ?? target.id}</span>{' '}
        <span class="context">
          {target.provider}/{target.model === '*' ? 'any model' : target.model}
        </span>
      </span>
      <span class="member-price context">{priceText(target)}</span>
      <Health target={target} served={served} />
    </div>
  )
}

/** Pico-USD a token is as many micro-USD a million. */
function priceText({ price, model }: ApiTarget): string {
  if (price == null) return model === '*' ? 'priced by model' : 'no price known: costs nothing in the ledger'
  return `$${usd(price.input_pico_usd_per_token)} in · $${usd(price.output_pico_usd_per_token)} out per million tokens`
}

function usd(pico: number): string {
  const text = (pico / 1e6).toFixed(6).replace(/0+$/, '')
  const [whole = '0', fraction = ''] = text.split('.')
  return `${whole}.${fraction.padEnd(2, '0')}`
}

/** From what its last probe saw, and from what it did for clients in the last hour. */
function Health({ target, served }: { target: ApiTarget; served: readonly Served[] | null }) {
  const rows = served?.filter((row) => {
    return row.provider === target.provider && (target.model === '*' || row.model === target.model)
  })
  const requests = rows?.reduce((sum, row) => sum + row.requests, 0) ?? 0
  const errors = rows?.reduce((sum, row) => sum + row.errors, 0) ?? 0
  const [only] = rows ?? []
  const ttft = rows?.length === 1 && only !== undefined ? (only.ttft_p50_ms ?? null) : null
  return (
    <span class="member-health">
      {target.probe == null ? (
        <span class="badge">not probed</span>
      ) : (
        <span class={target.probe.ok ? 'badge good' : 'badge bad'} title={target.probe.saw}>
          {target.probe.ok ? 'probe passed' : `probe failed: ${target.probe.status}`}
        </span>
      )}{' '}
      <span class={errors > 0 ? 'context warned' : 'context'}>
        {requests === 0
          ? 'no traffic in the last hour'
          : `last hour: ${requests} requests, ${formatShare(errors, requests)} failed`}
        {ttft !== null && `, first token ${formatDuration(ttft)} (median)`}
      </span>
    </span>
  )
}
