// One table of spend: by key, by model, by team or by tenant; dearest first, with each line's share as a bar.
import { useState } from 'preact/hooks'
import type { ApiSummary } from '../api-types.ts'
import type { Feed } from '../live/feed.ts'
import { Count, Money } from '../parts/figures.tsx'
import { formatCount, formatShare, percentOf, readNanoUsd } from '../parts/format.ts'
import type { Names } from '../parts/names.ts'
import { Nothing, Panel, Pending } from '../frame/panel.tsx'
import type { SpendDimension } from '../parts/ranges.ts'
import { type SpendGroup, spendGroups } from './usage-data.ts'

const ROWS_AT_FIRST = 8

interface SpendTableProps {
  readonly dimension: SpendDimension
  readonly feed: Feed<ApiSummary>
  readonly names: Names
  /** How many lines there will probably be, so that what stands below stays where it is. */
  readonly expected?: number
}

export function SpendTable({ dimension, feed, names, expected = 4 }: SpendTableProps) {
  const [isWhole, setIsWhole] = useState(false)
  const table = feed.data?.tables[dimension]
  const groups = table === undefined ? null : spendGroups(table.rows)
  const shown = isWhole ? groups : (groups?.slice(0, ROWS_AT_FIRST) ?? null)
  const hidden = (groups?.length ?? 0) - ROWS_AT_FIRST
  return (
    <Panel title={`Spend by ${dimension}`} name={`by-${dimension}`} isStale={feed.isStale}>
      {groups === null && <Pending feed={feed} lines={Math.min(expected, ROWS_AT_FIRST)} />}
      {groups?.length === 0 && <Nothing>No requests in this range.</Nothing>}
      {shown !== null && shown.length > 0 && (
        <SpendLines
          dimension={dimension}
          groups={shown}
          total={readNanoUsd(feed.data?.total.cost_nano_usd ?? '0')}
          names={names}
        />
      )}
      {hidden > 0 && (
        <button type="button" class="button quiet more" aria-expanded={isWhole} onClick={() => setIsWhole(!isWhole)}>
          {isWhole ? 'Show fewer' : `Show ${hidden} more`}
        </button>
      )}
      {isWhole && table !== undefined && table.count > table.rows.length && (
        <p class="hint">
          The {table.rows.length} dearest of {formatCount(table.count)}.
        </p>
      )}
    </Panel>
  )
}

interface SpendLinesProps {
  readonly dimension: SpendDimension
  readonly groups: readonly SpendGroup[]
  readonly total: bigint
  readonly names: Names
}

export function SpendLines({ dimension, groups, total, names }: SpendLinesProps) {
  return (
    <div class="table-scroll" tabIndex={0} role="region" aria-label={`Spend by ${dimension}`}>
      <table class="spend-table">
        <thead>
          <tr>
            <th scope="col" class="capital">
              {dimension}
            </th>
            <th scope="col" class="number">
              Requests
            </th>
            <th scope="col" class="number">
              Tokens
            </th>
            <th scope="col" class="number">
              Spend
            </th>
            <th scope="col" class="number">
              Share
            </th>
          </tr>
        </thead>
        <tbody>
          {groups.map((group) => (
            <SpendLine key={group.id ?? ''} dimension={dimension} group={group} total={total} names={names} />
          ))}
        </tbody>
      </table>
    </div>
  )
}

function SpendLine({ dimension, group, total, names }: Omit<SpendLinesProps, 'groups'> & { group: SpendGroup }) {
  const label = names.label(dimension, group.id)
  const percent = percentOf(group.costNanoUsd, total)
  return (
    <tr>
      <th scope="row">
        <span class="name" title={label.text}>
          {label.text}
        </span>
        {label.context !== null && <span class="context">{label.context}</span>}
        <span class="share-track" aria-hidden="true">
          <span class="share-bar" style={{ width: `${percent}%` }} />
        </span>
      </th>
      <td class="number">
        <Count count={group.requests} />
      </td>
      <td class="number">
        <Count count={group.tokens} />
      </td>
      <td class="number strong">
        <Money nanoUsd={group.costNanoUsd} />
      </td>
      <td class="number muted">{formatShare(Number(group.costNanoUsd), Number(total))}</td>
    </tr>
  )
}
