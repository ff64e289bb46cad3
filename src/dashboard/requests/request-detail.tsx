// Everything about one request: the attempt that answered field by field, and the attempts in their order. A native
// dialog: focus is held inside, Escape closes it, and focus goes back to the line it came from.
import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import type { ApiRequestRow } from '../api-types.ts'
import { Money } from '../parts/figures.tsx'
import { formatCount, formatDuration, formatInstantExact, formatUsdExact, readNanoUsd } from '../parts/format.ts'
import type { Names } from '../parts/names.ts'
import { EndingText, StatusBadge } from './request-badges.tsx'
import type { LoggedRequest } from './request-log.ts'
import { Waterfall } from './waterfall.tsx'

interface RequestDetailProps {
  readonly request: LoggedRequest
  readonly names: Names
  readonly onClose: () => void
  /** What there is besides the ledger's own fields. */
  readonly children?: ComponentChildren
}

export function RequestDetail({ request, names, onClose, children }: RequestDetailProps) {
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => dialog.current?.showModal(), [])
  function onClick(event: MouseEvent): void {
    // A click on the dialog element itself is one on its backdrop: the content lies in a child.
    if (event.target === dialog.current) dialog.current?.close()
  }
  return (
    <dialog ref={dialog} class="detail" aria-labelledby="detail-title" onClose={onClose} onClick={onClick}>
      <div class="detail-body">
        <header class="panel-head">
          <h2 id="detail-title">Request</h2>
          <button type="button" class="button quiet" onClick={() => dialog.current?.close()}>
            Close
          </button>
        </header>
        <p class="detail-summary">
          <StatusBadge status={request.final.status} />{' '}
          <EndingText ending={request.final.ending} failure={request.final.failure} />
          <span class="spacer" />
          <span class="detail-cost">{formatUsdExact(request.costNanoUsd)}</span>
        </p>
        {request.attempts.length > 1 && <Attempts attempts={request.attempts} />}
        <Waterfall attempts={request.attempts} />
        {children}
        <Fields title="Identity" rows={identity(request.final, names)} />
        <Fields title="Routing" rows={routing(request.final)} />
        <Fields title="Usage and cost" rows={usage(request.final)} />
        <Fields title="Outcome" rows={outcome(request.final)} />
        <Fields title="More" rows={furtherFields(request.final)} />
      </div>
    </dialog>
  )
}

type FieldRow = readonly [name: string, value: ComponentChildren]

function Fields({ title, rows }: { title: string; rows: readonly FieldRow[] }) {
  if (rows.length === 0) return null
  return (
    <section>
      <h3>{title}</h3>
      <dl class="fields">
        {rows.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value ?? '–'}</dd>
          </div>
        ))}
      </dl>
    </section>
  )
}

function Attempts({ attempts }: { attempts: readonly ApiRequestRow[] }) {
  return (
    <section>
      <h3>Attempts</h3>
      <ol class="attempts">
        {attempts.map((row) => (
          <li key={row.attempt} class={row.is_final ? 'final' : ''}>
            <span class="attempt-number">{row.attempt}</span>
            <span class="attempt-what">
              <span class="name">{row.target ?? `${row.provider ?? '–'}/${row.model ?? '–'}`}</span>
              <span class="context">
                <EndingText ending={row.ending} failure={row.failure} /> · {formatDuration(row.latency_ms)}
                {row.is_final && ' · answered the client'}
              </span>
            </span>
            <StatusBadge status={row.status} />
            <Money nanoUsd={readNanoUsd(row.cost_nano_usd)} />
          </li>
        ))}
      </ol>
    </section>
  )
}

function identity(row: ApiRequestRow, names: Names): readonly FieldRow[] {
  return [
    ['Request id', code(row.request_id)],
    ['Trace id', code(row.trace_id)],
    ['Started', formatInstantExact(row.started_at_ms)],
    ['Tenant', named(names.tenant(row.tenant), row.tenant)],
    ['Team', row.team === null ? null : named(names.team(row.team), row.team)],
    ['Key', named(names.key(row.key), row.key)],
    ['Cost center', row.cost_center],
    ['Tags', row.tags.length === 0 ? null : row.tags.join(', ')],
  ]
}

function routing(row: ApiRequestRow): readonly FieldRow[] {
  return [
    ['Protocol', `${row.protocol}, ${row.streamed ? 'streamed' : 'whole'}`],
    ['Requested model', row.requested_model],
    ['Route', row.route],
    ['Target', row.target],
    ['Provider', row.provider],
    ['Model', row.model],
    ['Cache', row.cache],
  ]
}

function usage(row: ApiRequestRow): readonly FieldRow[] {
  return [
    ['Input tokens', formatCount(row.input_tokens)],
    ['Cache read tokens', formatCount(row.cache_read_tokens)],
    ['Cache write tokens', formatCount(row.cache_write_tokens)],
    ['Output tokens', formatCount(row.output_tokens)],
    ['Reasoning tokens', formatCount(row.reasoning_tokens)],
    ['Counted by', row.is_estimated ? 'estimate (provider reported none)' : 'provider'],
    ['Cost', formatUsdExact(readNanoUsd(row.cost_nano_usd))],
    ['Saved', formatUsdExact(readNanoUsd(row.saved_nano_usd))],
    ['Price version', row.price_version],
  ]
}

function outcome(row: ApiRequestRow): readonly FieldRow[] {
  return [
    ['Status', row.status === 0 ? null : String(row.status)],
    ['Ending', row.ending],
    ['Failure', row.failure],
    ['Attempt', `${row.attempt}${row.is_final ? ', final' : ''}`],
    ['Began after', row.attempt === 0 ? null : formatDuration(row.after_ms)],
    ['Latency', formatDuration(row.latency_ms)],
    ['Time to first token', formatDuration(row.ttft_ms)],
    ['Plan', row.plan],
  ]
}

const SHOWN_FIELDS: ReadonlySet<string> = new Set([
  ...['request_id', 'attempt', 'started_at_ms', 'tenant', 'team', 'key', 'cost_center', 'tags', 'trace_id', 'protocol'],
  ...['streamed', 'requested_model', 'route', 'target', 'provider', 'model', 'status', 'ending', 'failure', 'cache'],
  ...['is_final', 'input_tokens', 'cache_read_tokens', 'cache_write_tokens', 'output_tokens', 'reasoning_tokens'],
  ...['is_estimated', 'cost_nano_usd', 'saved_nano_usd', 'price_version', 'latency_ms', 'ttft_ms', 'plan', 'after_ms'],
])

/** Fields that the API sends and this page doesn't know by name: shown as they come, so that none is lost. */
function furtherFields(row: ApiRequestRow): readonly FieldRow[] {
  return Object.entries(row)
    .filter(([name]) => !SHOWN_FIELDS.has(name))
    .map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)])
}

function code(text: string | null): ComponentChildren {
  return text === null ? null : <code>{text}</code>
}

function named(name: string, id: string): ComponentChildren {
  return name === id ? code(id) : [name, ' ', code(id)]
}
