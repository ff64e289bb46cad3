// How far each budget is used, with its alert state in words as well as in colour.
import type { ApiOverview } from '../api-types.ts'
import { type BudgetState, type BudgetUse, budgetUses } from '../parts/budget-use.ts'
import type { Feed } from '../live/feed.ts'
import { Money } from '../parts/figures.tsx'
import { formatCount, formatShare } from '../parts/format.ts'
import type { Names } from '../parts/names.ts'
import { Nothing, Panel, Pending } from '../frame/panel.tsx'
import { BASE, Link, pathOf } from '../frame/router.tsx'
import { periodText } from '../routes/rule-draft.ts'

/** More would make the page slow, and nobody reads them. */
const BUDGETS_MAX = 50

const STATE_WORDS: Readonly<Record<BudgetState, string>> = {
  ok: 'OK',
  half: 'Over 50 %',
  high: 'Over 80 %',
  exhausted: 'Exhausted',
  unknown: 'Not reported',
}

export function Budgets({ feed, names }: { feed: Feed<ApiOverview>; names: Names }) {
  const uses = feed.data === null ? null : budgetUses(feed.data)
  const all = feed.data?.budget_counts.all ?? 0
  return (
    <Panel title="Budgets" name="budgets" aside={feed.data !== null && <AlertCount counts={feed.data.budget_counts} />}>
      {uses === null && <Pending feed={feed} lines={3} />}
      {uses?.length === 0 && (
        <Nothing>No budget is set. Give a key, team or tenant one, and its use shows here.</Nothing>
      )}
      {uses !== null && uses.length > 0 && (
        <div class="budgets-scroll" tabIndex={0} role="region" aria-label="Budgets, most used first">
          <ul class="budgets">
            {uses.slice(0, BUDGETS_MAX).map((use) => (
              <Budget
                key={`${use.scope} ${use.id} ${use.model ?? ''} ${JSON.stringify(use.period)}`}
                use={use}
                name={nameOf(use, names)}
              />
            ))}
          </ul>
        </div>
      )}
      {uses !== null && all > Math.min(BUDGETS_MAX, uses.length) && (
        <p class="hint">
          The {Math.min(BUDGETS_MAX, uses.length)} most used of {formatCount(all)}.{' '}
          <Link to={`${BASE}keys?sort=budget`}>All keys by budget</Link>
        </p>
      )}
    </Panel>
  )
}

function AlertCount({ counts: { exhausted, high } }: { counts: ApiOverview['budget_counts'] }) {
  if (exhausted > 0) return <span class="badge bad">{formatCount(exhausted)} exhausted</span>
  return high > 0 ? <span class="badge warn">{formatCount(high)} over 80 %</span> : null
}

function Budget({ use, name }: { use: BudgetUse; name: string }) {
  const percent = Math.min(100, use.percent ?? 0)
  return (
    <li class={`budget ${use.state}`}>
      <div class="budget-line">
        <span class="budget-name">
          <span class="name" title={name}>
            {use.scope === 'key' ? <Link to={pathOf({ page: 'key', id: use.id })}>{name}</Link> : name}
          </span>{' '}
          <span class="context">
            {use.scope}
            {use.model !== null && ` for ${use.model}`}
          </span>
        </span>
        <span class={`badge ${toneOf(use.state)}`}>{STATE_WORDS[use.state]}</span>
      </div>
      <div
        class="budget-track"
        role="meter"
        aria-label={`Budget of ${name}`}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={percent}
        aria-valuetext={use.percent === null ? 'not reported' : `${formatShare(use.percent, 100)} used`}
      >
        <span class="budget-bar" style={{ width: `${percent}%` }} />
      </div>
      <div class="budget-line muted">
        <span>
          {use.spentNanoUsd === null ? '–' : <Money nanoUsd={use.spentNanoUsd} />} of{' '}
          {use.amountNanoUsd === null ? '–' : <Money nanoUsd={use.amountNanoUsd} />} {periodText(use.period)}
        </span>
        <span>{use.percent === null ? '–' : formatShare(use.percent, 100)}</span>
      </div>
    </li>
  )
}

function nameOf(use: BudgetUse, names: Names): string {
  return names.label(use.scope, use.id).text
}

function toneOf(state: BudgetState): string {
  return { ok: 'good', half: 'note', high: 'warn', exhausted: 'bad', unknown: 'plain' }[state]
}
