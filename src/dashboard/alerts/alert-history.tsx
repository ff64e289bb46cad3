// Alerts as they came: what happened, when, and what became of telling it. Of everything, or of one key.
import { useState } from 'preact/hooks'
import { ALERT_KINDS, type ApiAlert, type ApiAlerts, type ApiDelivery, kindText } from './alerts-data.ts'
import { type ApiFailure, asFailure } from '../api.ts'
import { type Feed, useFeed } from '../live/feed.ts'
import { Instant } from '../parts/figures.tsx'
import type { Desk } from '../frame/page-frame.tsx'
import { Panel, Pending } from '../frame/panel.tsx'
import { Link, pathOf } from '../frame/router.tsx'

const PAGE_ROWS = 25

interface AlertsQuery {
  /** '' for all. */
  readonly kind: string
  /** Null for all. */
  readonly keyId: string | null
}

export interface AlertLog {
  readonly feed: Feed<ApiAlerts>
  readonly older: { readonly rows: readonly ApiAlert[]; readonly next: string | null } | null
  readonly olderFailure: ApiFailure | null
  loadOlder(): Promise<void>
}

/** The newest alerts, kept up to date, and older ones as they are asked for. */
export function useAlerts({ api, isPaused }: Desk, { kind, keyId }: AlertsQuery): AlertLog {
  const key = `${kind} ${keyId ?? ''}`
  const [older, setOlder] = useState<(AlertLog['older'] & { readonly key: string }) | null>(null)
  const [olderFailure, setFailure] = useState<ApiFailure | null>(null)
  function load(before: string | null, signal: AbortSignal): Promise<ApiAlerts> {
    const query = new URLSearchParams({ limit: String(PAGE_ROWS) })
    if (kind !== '') query.set('kind', kind)
    if (keyId !== null) query.set('key', keyId)
    if (before !== null) query.set('before', before)
    return api.read<ApiAlerts>(`/admin/alerts?${query}`, ['rows'], signal)
  }
  const feed = useFeed({ key, load: (signal) => load(null, signal), isPaused, changesWith: ['alerts'] })
  const kept = older?.key === key ? older : null
  async function loadOlder(): Promise<void> {
    setFailure(null)
    try {
      const page = await load(kept?.next ?? feed.data?.next ?? null, new AbortController().signal)
      setOlder({ key, rows: [...(kept?.rows ?? []), ...page.rows], next: page.next })
    } catch (thrown) {
      setFailure(asFailure(thrown))
    }
  }
  return { feed, older: kept, olderFailure, loadOlder }
}

interface AlertHistoryProps {
  readonly log: AlertLog
  readonly kind?: string
  readonly onKind?: (kind: string) => void
  /** What is said where there is none. */
  readonly nothing: string
}

export function AlertHistory({ log, kind = '', onKind, nothing }: AlertHistoryProps) {
  const { feed, older } = log
  const newest = feed.data?.rows ?? []
  const known = new Set(newest.map(({ id }) => id))
  const rows = [...newest, ...(older?.rows.filter(({ id }) => !known.has(id)) ?? [])]
  const next = older === null ? (feed.data?.next ?? null) : older.next
  const choice = onKind && (
    <select
      class="input kind"
      aria-label="Which alerts"
      value={kind}
      onChange={(event) => onKind(event.currentTarget.value)}
    >
      <option value="">All alerts</option>
      {ALERT_KINDS.map(({ value, text }) => (
        <option key={value} value={value}>
          {text}
        </option>
      ))}
    </select>
  )
  return (
    <Panel title="Alerts" name="alerts" aside={choice} isStale={feed.isStale}>
      {feed.data === null && <Pending feed={feed} lines={4} />}
      {feed.data !== null && rows.length === 0 && (
        <div class="teach">
          <p>{kind === '' ? nothing : 'No alert of this kind.'}</p>
        </div>
      )}
      <ol class="alerts">
        {rows.map((alert) => (
          <Alert key={alert.id} alert={alert} />
        ))}
      </ol>
      {next !== null && (
        <div class="older">
          <button type="button" class="button quiet more" onClick={() => void log.loadOlder()}>
            Show older alerts
          </button>
          <span role="status">{log.olderFailure?.message}</span>
        </div>
      )}
    </Panel>
  )
}

function Alert({ alert }: { alert: ApiAlert }) {
  return (
    <li class="alert">
      <div class="alert-head">
        <Instant atMs={alert.at_ms} nowMs={Date.now()} />
        <span class="badge">{kindText(alert.kind)}</span>
        {alert.key_id !== null && (
          <Link to={pathOf({ page: 'key', id: alert.key_id })}>
            {alert.scope === 'key' ? (alert.subject_name ?? alert.key_id) : alert.key_id}
          </Link>
        )}
      </div>
      <p class="alert-title">{alert.title}</p>
      <p class="muted">{alert.text}</p>
      {alert.deliveries.length === 0 ? (
        <p class="context">No channel was told.</p>
      ) : (
        <ul class="deliveries">
          {alert.deliveries.map((delivery) => (
            <Delivery key={delivery.channel_id} delivery={delivery} />
          ))}
        </ul>
      )}
    </li>
  )
}

const STATES = {
  pending: { tone: 'note', text: 'on its way' },
  delivered: { tone: 'good', text: 'delivered' },
  'given-up': { tone: 'bad', text: 'given up' },
} as const

function Delivery({ delivery }: { delivery: ApiDelivery }) {
  const { tone, text } = STATES[delivery.state]
  const tries = delivery.attempts > 1 ? `, ${delivery.attempts} tries` : ''
  return (
    <li class="context">
      <span class={`badge ${tone}`}>{text}</span> to {delivery.channel_name ?? 'a channel that is gone'}
      {tries}
      {delivery.state !== 'delivered' && delivery.last_error !== null && `: ${delivery.last_error}`}
    </li>
  )
}
