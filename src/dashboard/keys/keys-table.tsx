// The lines of the page of all keys, under headings that sort them.
import { BudgetBar } from '../parts/budget-bar.tsx'
import type { ApiOldSecret } from '../api-types.ts'
import { Instant, Money } from '../parts/figures.tsx'
import { formatInstant, formatInstantExact } from '../parts/format.ts'
import type { KeyLine, KeysView, SortName } from './keys-data.ts'
import { Link, pathOf } from '../frame/router.tsx'

interface KeysTableProps {
  readonly lines: readonly KeyLine[]
  readonly view: KeysView
  readonly onView: (view: KeysView) => void
}

const COLUMNS: readonly { readonly sort: SortName; readonly title: string; readonly kind: string }[] = [
  { sort: 'name', title: 'Key', kind: '' },
  { sort: 'owner', title: 'Tenant, team', kind: '' },
  { sort: 'today', title: 'Today (UTC)', kind: 'number' },
  { sort: 'month', title: 'This month (UTC)', kind: 'number' },
  { sort: 'budget', title: 'Budget', kind: 'cell-budget' },
  { sort: 'used', title: 'Last used', kind: '' },
]

export function KeysTable({ lines, view, onView }: KeysTableProps) {
  return (
    <div class="table-scroll" tabIndex={0} role="region" aria-label="Virtual keys">
      <table class="keys-table">
        <thead>
          <tr>
            {COLUMNS.map(({ sort, title, kind }) => (
              <th key={sort} scope="col" class={kind} aria-sort={sortOf(view, sort)}>
                <button type="button" class="sort-button" onClick={() => onView(sorted(view, sort))}>
                  {title}
                  <span class="sort-mark" aria-hidden="true">
                    {view.sort === sort ? (view.isReversed ? '↑' : '↓') : ''}
                  </span>
                </button>
              </th>
            ))}
            <th scope="col">Limits of its own</th>
          </tr>
        </thead>
        <tbody>
          {lines.map((line) => (
            <Line key={line.key.id} line={line} />
          ))}
        </tbody>
      </table>
    </div>
  )
}

function Line({ line }: { line: KeyLine }) {
  const { key, budget, lastUsed } = line
  const [old] = key.status === 'active' ? (key.old_secrets ?? []) : []
  return (
    <tr>
      <th scope="row" class="cell-name">
        <Link to={pathOf({ page: 'key', id: key.id })} class="name" title={key.name}>
          {key.name}
        </Link>
        <span class="context">
          {key.status !== 'active' && <KeyState status={key.status} />}{' '}
          {old !== undefined && <OldSecretBadge secret={old} />} <span class="mono">{key.kid}</span>
        </span>
      </th>
      <td class="cell-owner">
        <span class="name" title={line.tenant}>
          {line.tenant}
        </span>
        {line.team !== '' && <span class="context">{line.team}</span>}
      </td>
      <td class="number cell-today">
        <Money nanoUsd={line.todayNanoUsd} />
      </td>
      <td class="number strong cell-month">
        <Money nanoUsd={line.monthNanoUsd} />
      </td>
      <td class="cell-budget">
        {budget === null ? <span class="muted">–</span> : <BudgetBar of={key.name} budget={budget} />}
      </td>
      <td class="cell-used">
        <LastUsed lastUsed={lastUsed} />
      </td>
      <td class="cell-limits context" title={line.limits}>
        {line.limits === '' ? 'none' : line.limits}
      </td>
    </tr>
  )
}

/** What became of a key, where it isn't in use as usual. */
export function KeyState({ status }: { status: KeyLine['key']['status'] }) {
  if (status === 'active') return <span class="badge good">active</span>
  return <span class={status === 'revoked' ? 'badge bad' : 'badge warn'}>{status}</span>
}

/** Says that a secret of before still works. */
export function OldSecretBadge({ secret }: { secret: ApiOldSecret }) {
  return <span class="badge warn">old secret works until {<Instant atMs={secret.until_ms} nowMs={Date.now()} />}</span>
}

/** An hour or a day: the ledger's sums know no more. */
function LastUsed({ lastUsed }: Pick<KeyLine, 'lastUsed'>) {
  if (lastUsed === null) return <span class="muted">not in 30 days</span>
  const { fromMs, toMs } = lastUsed
  const title = `between ${formatInstantExact(fromMs)} and ${formatInstantExact(toMs)}`
  const nowMs = Date.now()
  if (toMs > nowMs) return <span title={title}>within the hour</span>
  const hours = Math.ceil((nowMs - toMs) / 3_600_000)
  const text = hours < 48 ? `${hours} h ago` : formatInstant(fromMs, nowMs).replace(/, [^,]*$/, '')
  return <span title={title}>{text}</span>
}

function sortOf(view: KeysView, sort: SortName): 'ascending' | 'descending' | 'none' {
  if (view.sort !== sort) return 'none'
  const isAscending = (sort === 'name' || sort === 'owner') !== view.isReversed
  return isAscending ? 'ascending' : 'descending'
}

function sorted(view: KeysView, sort: SortName): KeysView {
  return { ...view, sort, isReversed: view.sort === sort && !view.isReversed, page: 0 }
}
