// Two models side by side, metric by metric: which is better is said in words as well as drawn.
import { Count, Money } from '../parts/figures.tsx'
import { SelectField } from '../parts/forms.tsx'
import { formatDuration, formatShare } from '../parts/format.ts'
import { changePercent, type Comparison, compareModels, type ModelLine, REQUESTS_TELLING } from './models-data.ts'
import { Nothing, Panel } from '../frame/panel.tsx'
import type { Range } from '../parts/ranges.ts'

interface ModelComparisonProps {
  readonly lines: readonly ModelLine[]
  /** Ids of two at most. */
  readonly compared: readonly string[]
  readonly isStale: boolean
  readonly range: Range
  readonly onCompare: (compared: readonly string[]) => void
}

export function ModelComparison({ lines, compared, isStale, range, onCompare }: ModelComparisonProps) {
  const [firstId = '', secondId = ''] = compared
  const first = lines.find(({ id }) => id === firstId)
  const second = lines.find(({ id }) => id === secondId)
  const options = [{ value: '', text: 'Choose a model' }, ...lines.map(({ id }) => ({ value: id, text: id }))]
  return (
    <Panel
      title="Side by side"
      name="comparison"
      isStale={isStale}
      aside={<span class="muted">what they did in the last {range.label}</span>}
    >
      <div class="field-row compared">
        <SelectField
          label="First model"
          value={firstId}
          options={options.filter(({ value }) => value === '' || value !== secondId)}
          onValue={(id) => onCompare(id === '' ? compared.slice(1) : [id, ...compared.slice(1)])}
        />
        <SelectField
          label="Second model"
          value={secondId}
          options={options.filter(({ value }) => value === '' || value !== firstId)}
          onValue={(id) => onCompare([...compared.slice(0, 1), id].filter((one) => one !== ''))}
        />
      </div>
      {first === undefined || second === undefined ? (
        <Nothing>
          Choose two, here or by their ticks above: speed, errors, cost and feedback stand beside each other.
        </Nothing>
      ) : (
        <Compared first={first} second={second} />
      )}
    </Panel>
  )
}

function Compared({ first, second }: { readonly first: ModelLine; readonly second: ModelLine }) {
  const isThin = Math.min(first.requests, second.requests) < REQUESTS_TELLING
  return (
    <>
      {isThin && (
        <p class="hint" role="note">
          One of them answered fewer than {REQUESTS_TELLING} requests: what differs may be chance. A longer range says
          more.
        </p>
      )}
      <div class="table-scroll" tabIndex={0} role="region" aria-label="Comparison">
        <table class="comparison-table">
          <thead>
            <tr>
              <th scope="col">
                <span class="visually-hidden">Of what</span>
              </th>
              <th scope="col" class="name">
                {first.id}
              </th>
              <th scope="col" class="name">
                {second.id}
              </th>
              <th scope="col" class="number">
                Second to first
              </th>
            </tr>
          </thead>
          <tbody>
            {compareModels(first, second).map((row) => (
              <Row key={row.name + row.hint} row={row} />
            ))}
          </tbody>
        </table>
      </div>
      <p class="hint">
        They weren’t asked the same: compare models that share a route, or mirror requests to the other, before you
        decide.
      </p>
    </>
  )
}

function Row({ row }: { readonly row: Comparison }) {
  const change = changePercent(row)
  const most = Math.max(Number(row.first ?? 0), Number(row.second ?? 0))
  return (
    <tr>
      <th scope="row">
        {row.name} <span class="context">{row.hint}</span>
      </th>
      <Cell value={row.first} kind={row.kind} most={most} isBetter={row.better === 'first'} />
      <Cell value={row.second} kind={row.kind} most={most} isBetter={row.better === 'second'} />
      <td class="number muted">
        {change === null ? '–' : `${change < 0 ? '−' : '+'}${formatShare(Math.abs(change), 100)}`}
      </td>
    </tr>
  )
}

interface CellProps {
  readonly value: Comparison['first']
  readonly kind: Comparison['kind']
  readonly most: number
  readonly isBetter: boolean
}

function Cell({ value, kind, most, isBetter }: CellProps) {
  const part = value === null || most <= 0 ? 0 : Math.max(0, (100 * Number(value)) / most)
  return (
    <td class={isBetter ? 'cell-compared better' : 'cell-compared'}>
      <span class="compared-value">
        <Value value={value} kind={kind} />
        {isBetter && <span class="badge good">better</span>}
      </span>
      <span class="share-track" aria-hidden="true">
        <span class="share-bar" style={{ width: `${part}%` }} />
      </span>
    </td>
  )
}

function Value({ value, kind }: Pick<CellProps, 'value' | 'kind'>) {
  if (value === null) return <span class="muted">–</span>
  if (typeof value === 'bigint') return <Money nanoUsd={value} />
  switch (kind) {
    case 'share':
      return <span>{formatShare(value, 1)}</span>
    case 'ms':
      return <span>{formatDuration(value)}</span>
    case 'speed':
      return <span>{value.toFixed(1)}</span>
    case 'score':
      return <span>{value.toFixed(2).replace('-', '−')}</span>
    case 'count':
    case 'money':
      return <Count count={value} />
  }
}
