// Every limit that a key is held to, from its tenant's down to its own: how much is used, when it is there again, at how much
// somebody is told, and what happens at it.
import type { ApiKey } from '../api-types.ts'
import { BudgetBar } from '../parts/budget-bar.tsx'
import { percentOf, readDecimalUsd } from '../parts/format.ts'
import { Instant } from '../parts/figures.tsx'
import type { Feed } from '../live/feed.ts'
import { formatCount, formatInstantExact } from '../parts/format.ts'
import type { ApiKeyLimits, ApiLimitStand, ApiPolicy } from './key-data.ts'
import type { BudgetStand } from './keys-data.ts'
import type { Names } from '../parts/names.ts'
import { Panel, Pending } from '../frame/panel.tsx'

interface KeyLimitsProps {
  readonly apiKey: ApiKey
  readonly feed: Feed<ApiKeyLimits>
  readonly names: Names
  /** Null for who may not. */
  readonly onChange: (() => void) | null
}

export function KeyLimits({ apiKey, feed, names, onChange }: KeyLimitsProps) {
  const stands = feed.data?.data ?? null
  return (
    <Panel title="Limits" name="limits" aside={<span class="muted">all of them hold at once</span>}>
      {stands === null && <Pending feed={feed} lines={4} />}
      {stands?.length === 0 && (
        <div class="teach">
          {apiKey.status === 'revoked' ? (
            <p>A revoked key is held to nothing: it isn’t let in at all.</p>
          ) : (
            <>
              <p>Nothing limits this key: not itself, not its team, not its tenant. It may spend without end.</p>
              {onChange !== null && (
                <button type="button" class="button" onClick={onChange}>
                  Give it a budget
                </button>
              )}
            </>
          )}
        </div>
      )}
      {stands !== null && stands.length > 0 && <LimitLines stands={stands} names={names} />}
    </Panel>
  )
}

function LimitLines({ stands, names }: { stands: readonly ApiLimitStand[]; names: Names }) {
  return (
    <div class="table-scroll" tabIndex={0} role="region" aria-label="Limits">
      <table class="limits-table">
        <thead>
          <tr>
            <th scope="col">Of</th>
            <th scope="col">Limit</th>
            <th scope="col">Used</th>
            <th scope="col">There again</th>
            <th scope="col">Alerts at</th>
            <th scope="col">At the limit</th>
          </tr>
        </thead>
        <tbody>
          {stands.map((stand) => (
            <LimitLine key={idOf(stand)} stand={stand} names={names} />
          ))}
        </tbody>
      </table>
    </div>
  )
}

function LimitLine({ stand, names }: { stand: ApiLimitStand; names: Names }) {
  const { scope, model, increase, resets_at_ms: resetsAtMs } = stand
  const owner = names.label(scope, stand.id).text
  return (
    <tr>
      <th scope="row">
        <span class="context">{scope}</span>
        <span class="name" title={owner}>
          {owner}
        </span>
      </th>
      <td class="cell-what">
        {kindText(stand)}
        {model !== null && <span class="context"> for {model}</span>}
        {increase !== null && (
          <span class="context raised">
            raised by {increase.by_usd === undefined ? formatCount(increase.by ?? 0) : `$${increase.by_usd}`} until{' '}
            {formatInstantExact(increase.until_ms)}
          </span>
        )}
      </td>
      <td class="cell-budget">
        <Use stand={stand} owner={owner} />
      </td>
      <td class="cell-labelled" data-label="There again">
        {/* A rate refills all the time: an instant would be stale at once. */}
        {stand.kind === 'budget' && resetsAtMs !== null ? (
          <Instant atMs={resetsAtMs} nowMs={Date.now()} />
        ) : (
          <span class="muted">{stand.kind === 'rate' ? 'refills all the time' : 'as requests end'}</span>
        )}
      </td>
      <td class="cell-labelled" data-label="Alerts at">
        {stand.kind === 'budget' && stand.alerts_percent.length > 0 ? (
          stand.alerts_percent.map((percent) => `${percent} %`).join(', ')
        ) : (
          <span class="muted">–</span>
        )}
      </td>
      <td class="cell-labelled" data-label="At the limit">
        {policyText(stand.at_limit, stand.kind)}
      </td>
    </tr>
  )
}

function Use({ stand, owner }: { stand: ApiLimitStand; owner: string }) {
  switch (stand.kind) {
    case 'budget': {
      const budget = budgetOf(stand)
      return budget === null ? <span class="muted">–</span> : <BudgetBar of={owner} budget={budget} />
    }
    case 'rate':
      return (
        <span>
          {formatCount(stand.remaining)} of {formatCount(stand.limit)} left
        </span>
      )
    case 'concurrency':
      return (
        <span>
          {formatCount(stand.held)} of {formatCount(stand.limit)} held
        </span>
      )
  }
}

function budgetOf(stand: Extract<ApiLimitStand, { kind: 'budget' }>): BudgetStand | null {
  const limitNanoUsd = readDecimalUsd(stand.limit_usd)
  const usedNanoUsd = readDecimalUsd(stand.used_usd)
  if (limitNanoUsd === null || usedNanoUsd === null) return null
  const percent = limitNanoUsd === 0n ? 100 : percentOf(usedNanoUsd, limitNanoUsd)
  return { period: stand.period, limitNanoUsd, usedNanoUsd, percent }
}

function kindText(stand: ApiLimitStand): string {
  if (stand.kind === 'budget') return 'Budget'
  if (stand.kind === 'concurrency') return 'Requests at once'
  return `${formatCount(stand.per_minute)} ${stand.unit.replace('_', ' ')} per minute`
}

/** Money is never waited for. */
function policyText(policy: ApiPolicy, kind: ApiLimitStand['kind']): string {
  if (policy.action === 'downgrade') return `asks ${policy.model} instead`
  if (policy.action === 'wait' && kind !== 'budget') return `waits ${policy.max_wait_ms / 1_000} s at most`
  return 'refused'
}

function idOf(stand: ApiLimitStand): string {
  const what = stand.kind === 'budget' ? JSON.stringify(stand.period) : stand.kind === 'rate' ? stand.unit : ''
  return [stand.scope, stand.id, stand.model ?? '', stand.kind, what].join(' ')
}
