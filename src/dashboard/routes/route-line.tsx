// One route: its targets in order with their shares, price and health; its canary; and the ways to change it.
import { useState } from 'preact/hooks'
import type { ApiGroup, ApiRoute, ApiTarget } from '../api-types.ts'
import { CanaryDialog } from './canary-dialog.tsx'
import { formatDuration, formatRequests, formatShare } from '../parts/format.ts'
import type { ApiSwitch } from '../models/models-data.ts'
import type { Desk } from '../frame/page-frame.tsx'
import { RouteCanary } from './route-canary.tsx'
import { canaryOf, groupOf, memberOf, sharesOf } from './route-edit.ts'
import { RouteOrder } from './route-order.tsx'

/** What a model of a provider did lately, by route. */
export interface Served {
  readonly route: string | null
  readonly provider: string | null
  readonly model: string | null
  readonly requests: number
  readonly errors: number
  readonly ttft_p50_ms: number | null
}

export interface RouteContext {
  readonly desk: Desk
  readonly targets: ReadonlyMap<string, ApiTarget>
  readonly served: readonly Served[] | null
  readonly switches: readonly ApiSwitch[]
  readonly mayChange: boolean
  readonly onDone: (said: string) => void
}

interface RouteProps {
  readonly route: ApiRoute
  readonly context: RouteContext
}

export function RouteLine({ route, context }: RouteProps) {
  const [open, setOpen] = useState<'order' | 'canary' | null>(null)
  const { desk, targets, served, mayChange } = context
  const group = groupOf(route)
  const rules = route.rules?.length ?? 0
  const canary = canaryOf(route, Date.now())
  const owner = route.tenant_id == null ? null : desk.names.tenant(route.tenant_id)
  const nameOf = (id: string): string => targets.get(id)?.name ?? id
  function onDone(said: string): void {
    setOpen(null)
    context.onDone(said)
  }
  return (
    <li class="route">
      <div class="route-top">
        <h3 class="route-head">
          <code>{route.model}</code> <span class="badge">{strategyText(group)}</span>
          {rules > 0 && (
            <span class="badge note">
              {rules} {rules === 1 ? 'rule' : 'rules'} before it
            </span>
          )}
          <span class="context">{owner === null ? 'for every tenant' : `for ${owner}`}</span>
        </h3>
        {mayChange && open !== 'order' && <RouteActions route={route} hasCanary={canary !== null} onOpen={setOpen} />}
      </div>
      {canary !== null && open !== 'order' && (
        <RouteCanary
          desk={desk}
          route={route}
          canary={canary}
          name={nameOf(canary.target)}
          lately={latelyText(targets.get(canary.target), served, route.id)}
          mayChange={mayChange}
          onDone={onDone}
        />
      )}
      {open === 'order' ? (
        <RouteOrder desk={desk} route={route} nameOf={nameOf} onClose={() => setOpen(null)} onDone={onDone} />
      ) : (
        <Members group={group} context={context} />
      )}
      {open === 'canary' && <CanaryDialog desk={desk} route={route} onClose={() => setOpen(null)} onDone={onDone} />}
    </li>
  )
}

interface RouteActionsProps {
  readonly route: ApiRoute
  readonly hasCanary: boolean
  readonly onOpen: (name: 'order' | 'canary') => void
}

function RouteActions({ route, hasCanary, onOpen }: RouteActionsProps) {
  const of = <span class="visually-hidden"> of {route.model}</span>
  return (
    <div class="actions">
      <button type="button" class="button quiet small" onClick={() => onOpen('order')}>
        Change the targets{of}
      </button>
      {!hasCanary && (
        <button type="button" class="button quiet small" onClick={() => onOpen('canary')}>
          Start a canary{of}
        </button>
      )}
    </div>
  )
}

function strategyText({ strategy }: ApiGroup): string {
  return strategy ?? 'priority'
}

function Members({ group, context }: { readonly group: ApiGroup; readonly context: RouteContext }) {
  const shares = sharesOf(group, Date.now())
  return (
    <ol class="members">
      {group.members.map((one, at) => {
        const member = memberOf(one)
        const share = shares?.[at]
        return (
          <li key={member.target ?? at}>
            {member.group !== undefined ? (
              <>
                <span>
                  <span class="badge">{strategyText(member.group)}</span>
                  {share !== undefined && <span class="context"> {formatShare(share, 1)} of requests</span>}
                </span>
                <Members group={member.group} context={context} />
              </>
            ) : (
              <Member id={member.target ?? ''} share={share ?? null} context={context} />
            )}
          </li>
        )
      })}
    </ol>
  )
}

interface MemberProps {
  readonly id: string
  readonly share: number | null
  readonly context: RouteContext
}

function Member({ id, share, context: { targets, served, switches } }: MemberProps) {
  const target = targets.get(id)
  if (target === undefined) return <span class="name">{id}</span>
  const off = switches.find((one) => {
    if (one.kind === 'target') return one.id === id
    return (one.kind === 'provider' && one.id === target.provider) || (one.kind === 'model' && one.id === target.model)
  })
  return (
    <div class="member">
      <span class="member-name">
        <span class="name">{target.name ?? target.id}</span>{' '}
        <span class="context">
          {target.provider}/{target.model === '*' ? 'any model' : target.model}
          {share !== null && ` · ${formatShare(share, 1)} of requests`}
        </span>
      </span>
      <span class="member-price context">{priceText(target)}</span>
      <Health target={target} served={served} off={off ?? null} />
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

interface HealthProps {
  readonly target: ApiTarget
  readonly served: readonly Served[] | null
  readonly off: ApiSwitch | null
}

/** From what its last probe saw, and from what it did for clients in the last hour, once that is known. */
function Health({ target, served, off }: HealthProps) {
  const rows = servedBy(target, served)
  const { requests, errors } = sumOf(rows)
  const [only] = rows
  const ttft = rows.length === 1 && only !== undefined ? only.ttft_p50_ms : null
  return (
    <span class="member-health">
      {off !== null && (
        <span class="badge bad" title={off.reason}>
          switched off
        </span>
      )}{' '}
      {target.probe == null ? (
        <span class="badge">not probed</span>
      ) : (
        <span class={target.probe.ok ? 'badge good' : 'badge bad'} title={target.probe.saw}>
          {target.probe.ok ? 'probe passed' : `probe failed: ${target.probe.status}`}
        </span>
      )}{' '}
      {served !== null && (
        <span class={errors > 0 ? 'context warned' : 'context'}>
          {requests === 0
            ? 'no traffic in the last hour'
            : `last hour: ${formatRequests(requests)}, ${formatShare(errors, requests)} failed`}
          {ttft !== null && `, first token ${formatDuration(ttft)} (median)`}
        </span>
      )}
    </span>
  )
}

/** What a canary did for its route. */
function latelyText(target: ApiTarget | undefined, served: readonly Served[] | null, route: string): string {
  if (target === undefined || served === null) return ''
  const { requests, errors } = sumOf(servedBy(target, served).filter((row) => row.route === route))
  if (requests === 0) return 'It answered nothing on this route in the last hour.'
  return `It answered ${formatRequests(requests)} on this route in the last hour; ${formatShare(errors, requests)} failed.`
}

function servedBy(target: ApiTarget, served: readonly Served[] | null): readonly Served[] {
  return (served ?? []).filter((row) => {
    return row.provider === target.provider && (target.model === '*' || row.model === target.model)
  })
}

function sumOf(rows: readonly Served[]): { readonly requests: number; readonly errors: number } {
  return rows.reduce((sum, row) => ({ requests: sum.requests + row.requests, errors: sum.errors + row.errors }), {
    requests: 0,
    errors: 0,
  })
}
