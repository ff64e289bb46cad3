// The latest requests, a line each; a line opens its details. The first cell of a line is a button, so that the
// keyboard gets there too.
import { useState } from 'preact/hooks'
import type { ApiRequestRow, ApiRequests } from '../api-types.ts'
import type { Feed } from '../live/feed.ts'
import { Count, Instant, Money } from '../parts/figures.tsx'
import { formatDuration } from '../parts/format.ts'
import type { Names } from '../parts/names.ts'
import type { OlderRequests } from '../overview/overview-data.ts'
import { Nothing, Panel, Pending } from '../frame/panel.tsx'
import { RequestDetail } from './request-detail.tsx'
import { gatherRequests, type LoggedRequest, type RequestLog } from './request-log.ts'
import { CacheBadge, EndingText, StatusBadge } from './request-badges.tsx'

interface RequestsTableProps {
  readonly feed: Feed<ApiRequests>
  readonly log: RequestLog
  readonly older: OlderRequests
  readonly names: Names
}

export function RequestsTable({ feed, log, older, names }: RequestsTableProps) {
  const [openId, setOpenId] = useState<string | null>(null)
  const requests = gatherRequests(log.rows)
  const open = requests.find((request) => request.id === openId) ?? null
  return (
    <Panel title="Latest requests" name="requests" aside={<span class="muted">times in {zoneName()}</span>}>
      {feed.data === null && <Pending feed={feed} lines={6} />}
      {feed.data !== null && requests.length === 0 && <Nothing>No request has been recorded yet.</Nothing>}
      {requests.length > 0 && <RequestLines requests={requests} names={names} onOpen={setOpenId} />}
      {log.next !== null && <OlderButton older={older} />}
      {open !== null && <RequestDetail request={open} names={names} onClose={() => setOpenId(null)} />}
    </Panel>
  )
}

interface RequestLinesProps {
  readonly requests: readonly LoggedRequest[]
  readonly names: Names
  readonly onOpen: (id: string) => void
}

const COLUMNS = [
  { title: 'Time', kind: '' },
  { title: 'Key', kind: '' },
  { title: 'Model', kind: '' },
  { title: 'Status', kind: '' },
  { title: 'Cache', kind: '' },
  { title: 'Tokens in / out', kind: 'number' },
  { title: 'Cost', kind: 'number' },
  { title: 'Latency / TTFT', kind: 'number' },
  { title: 'Trace', kind: 'trace' },
] as const

/** The table itself, without a frame. */
export function RequestLines({ requests, names, onOpen }: RequestLinesProps) {
  return (
    <div class="table-scroll" tabIndex={0} role="region" aria-label="Latest requests">
      <table class="requests-table">
        <thead>
          <tr>
            {COLUMNS.map((column) => (
              <th key={column.title} scope="col" class={column.kind}>
                {column.title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {requests.map((request) => (
            <RequestLine key={request.id} request={request} names={names} onOpen={onOpen} />
          ))}
        </tbody>
      </table>
    </div>
  )
}

function RequestLine({ request, names, onOpen }: { request: LoggedRequest } & Omit<RequestLinesProps, 'requests'>) {
  const { final, attempts, costNanoUsd } = request
  return (
    <tr class="openable" onClick={() => onOpen(request.id)}>
      <td class="cell-time">
        <button type="button" class="row-button">
          <span class="visually-hidden">Details of the request at </span>
          <Instant atMs={final.started_at_ms} nowMs={Date.now()} />
        </button>
      </td>
      <td class="cell-key">
        <span class="name" title={names.key(final.key)}>
          {names.key(final.key)}
        </span>
        <span class="context">
          {names.tenant(final.tenant)} / {names.team(final.team)}
        </span>
      </td>
      <td class="cell-model">
        <span class="name" title={final.requested_model}>
          {final.requested_model}
        </span>
        <ServedBy row={final} attempts={attempts.length} />
      </td>
      <td class="cell-status">
        <StatusBadge status={final.status} /> <EndingText ending={final.ending} failure={final.failure} />
      </td>
      <td class="cell-cache">
        <CacheBadge cache={final.cache} />
      </td>
      <td class="number cell-tokens">
        <Count count={tokensIn(final)} /> / <Count count={tokensOut(final)} />
        {final.is_estimated && <abbr title="The provider reported no usage; these counts are estimated">≈</abbr>}
      </td>
      <td class="number strong cell-cost">
        <Money nanoUsd={costNanoUsd} />
      </td>
      <td class="number cell-latency">
        {formatDuration(final.latency_ms)} <span class="muted">/ {formatDuration(final.ttft_ms)}</span>
      </td>
      <td class="trace cell-trace">
        <span class="mono" title={final.trace_id ?? 'no trace id'}>
          {final.trace_id ?? '–'}
        </span>
      </td>
    </tr>
  )
}

function ServedBy({ row, attempts }: { row: ApiRequestRow; attempts: number }) {
  const by = row.provider === null ? null : `${row.provider}/${row.model ?? '–'}`
  return (
    <span class="context" title={by ?? ''}>
      → {by ?? (row.cache === 'hit' ? 'reply cache' : 'no provider called')}
      {attempts > 1 && ` · ${attempts} attempts`}
    </span>
  )
}

function OlderButton({ older }: { older: OlderRequests }) {
  return (
    <div class="older">
      <button type="button" class="button quiet more" disabled={older.isLoading} onClick={older.load}>
        {older.isLoading ? 'Loading…' : 'Show older requests'}
      </button>
      <span role="status">{older.failure?.message}</span>
    </div>
  )
}

function tokensIn(row: ApiRequestRow): number {
  return row.input_tokens + row.cache_read_tokens + row.cache_write_tokens
}

function tokensOut(row: ApiRequestRow): number {
  return row.output_tokens + row.reasoning_tokens
}

function zoneName(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone
}
