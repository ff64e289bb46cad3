// The audit log: who changed what, when, and from what to what. Filtered by all three; older entries come as they are scrolled to.
import { useEffect, useRef, useState } from 'preact/hooks'
import { type ApiFailure, asFailure } from '../api.ts'
import { type ApiAudit, type ApiAuditEntry, AUDIT_KINDS, changesOf, whatText } from './audit-data.ts'
import { type Feed, useFeed } from '../live/feed.ts'
import { Instant } from '../parts/figures.tsx'
import { TextField, SelectField } from '../parts/forms.tsx'
import { mayCall } from '../frame/me.ts'
import { type Desk, PageFrame } from '../frame/page-frame.tsx'
import { Nothing, Panel, Pending } from '../frame/panel.tsx'
import { Link, pathOf } from '../frame/router.tsx'
import { useSettled } from '../live/use-settled.ts'

const PAGE_ROWS = 50

interface Filter {
  readonly who: string
  readonly what: string
  /** Days of the reader, as `2027-01-31`; '' for any. */
  readonly from: string
  readonly to: string
}

const REVISIONS = <Link to={pathOf({ page: 'configuration', id: '' })}>Revisions of the configuration</Link>

const NO_FILTER: Filter = { who: '', what: '', from: '', to: '' }

export function AuditPage({ desk }: { readonly desk: Desk }) {
  const [filter, setFilter] = useState(NO_FILTER)
  const settled = useSettled(filter)
  const log = useAudit(desk, settled)
  return (
    <PageFrame
      desk={desk}
      title="Audit"
      feeds={[log.feed]}
      aside={mayCall(desk.me, 'GET /configuration/revisions') && REVISIONS}
    >
      <section class="card audit-filter" aria-label="Which entries">
        <TextField label="Who" value={filter.who} onValue={(who) => setFilter({ ...filter, who })} />
        <SelectField
          label="What"
          value={filter.what}
          options={[{ value: '', text: 'Everything' }, ...AUDIT_KINDS]}
          onValue={(what) => setFilter({ ...filter, what })}
        />
        <TextField label="From" type="date" value={filter.from} onValue={(from) => setFilter({ ...filter, from })} />
        <TextField label="Until" type="date" value={filter.to} onValue={(to) => setFilter({ ...filter, to })} />
      </section>
      <Panel title="Changes" name="audit" isStale={log.feed.isStale}>
        {log.feed.data === null && <Pending feed={log.feed} lines={6} />}
        {log.feed.data !== null && log.rows.length === 0 && <Nothing>No such entry.</Nothing>}
        <ol class="audit-list">
          {log.rows.map((entry) => (
            <Entry key={entry.id} entry={entry} />
          ))}
        </ol>
        {log.next !== null && <Older log={log} />}
      </Panel>
    </PageFrame>
  )
}

interface AuditLog {
  readonly feed: Feed<ApiAudit>
  readonly rows: readonly ApiAuditEntry[]
  readonly next: string | null
  readonly failure: ApiFailure | null
  loadOlder(): Promise<void>
}

function useAudit({ api, isPaused }: Desk, filter: Filter): AuditLog {
  const key = JSON.stringify(filter)
  const [older, setOlder] = useState<(ApiAudit & { readonly key: string }) | null>(null)
  const [failure, setFailure] = useState<ApiFailure | null>(null)
  const isLoading = useRef(false)
  function load(before: string | null, signal: AbortSignal): Promise<ApiAudit> {
    const query = new URLSearchParams({ limit: String(PAGE_ROWS) })
    if (filter.who.trim() !== '') query.set('who', filter.who.trim())
    if (filter.what !== '') query.set('what', filter.what)
    if (filter.from !== '') query.set('from', String(dayMs(filter.from, 0)))
    if (filter.to !== '') query.set('to', String(dayMs(filter.to, 1)))
    if (before !== null) query.set('before', before)
    return api.read<ApiAudit>(`/admin/audit?${query}`, ['rows'], signal)
  }
  const feed = useFeed({ key, load: (signal) => load(null, signal), isPaused, changesWith: ['audit'] })
  const kept = older?.key === key ? older : null
  const newest = feed.data?.rows ?? []
  const known = new Set(newest.map(({ id }) => id))
  const next = kept === null ? (feed.data?.next ?? null) : kept.next
  async function loadOlder(): Promise<void> {
    if (isLoading.current || next === null) return
    isLoading.current = true
    setFailure(null)
    try {
      const page = await load(next, new AbortController().signal)
      setOlder({ key, rows: [...(kept?.rows ?? newest), ...page.rows], next: page.next })
    } catch (thrown) {
      setFailure(asFailure(thrown))
    } finally {
      isLoading.current = false
    }
  }
  const rows = [...newest, ...(kept?.rows.filter(({ id }) => !known.has(id)) ?? [])]
  return { feed, rows, next, failure, loadOlder }
}

/** The beginning of a day of the reader's, or of one some days later. */
function dayMs(day: string, later: number): number {
  const [year = 0, month = 1, date = 1] = day.split('-').map(Number)
  return new Date(year, month - 1, date + later).getTime()
}

/** Loads what is older when it comes into view; the button is for whoever gets there otherwise. */
function Older({ log }: { log: AuditLog }) {
  const button = useRef<HTMLButtonElement>(null)
  const load = useRef(log.loadOlder)
  load.current = log.loadOlder
  useEffect(() => {
    const { current } = button
    if (current === null) return
    const observer = new IntersectionObserver(([seen]) => {
      if (seen?.isIntersecting === true) void load.current()
    })
    observer.observe(current)
    return () => observer.disconnect()
  }, [log.next])
  return (
    <div class="older">
      <button ref={button} type="button" class="button quiet more" onClick={() => void log.loadOlder()}>
        Show older entries
      </button>
      <span role="status">{log.failure?.message}</span>
    </div>
  )
}

function Entry({ entry }: { entry: ApiAuditEntry }) {
  const changes = changesOf(entry)
  return (
    <li class="audit-entry">
      <p class="audit-head">
        <Instant atMs={entry.at_ms} nowMs={Date.now()} /> <span class="name">{entry.who}</span>{' '}
        <span>{whatText(entry.what)}</span> <code>{entry.subject}</code>
      </p>
      {entry.reason !== null && <p>{entry.reason}</p>}
      {entry.address !== null && <p class="context">from {entry.address}</p>}
      {changes.length > 0 && (
        <details>
          <summary>
            {changes.length} {changes.length === 1 ? 'value' : 'values'}
          </summary>
          <dl class="diff">
            {changes.map(({ name, before, after }) => (
              <div key={name}>
                <dt>{name}</dt>
                <dd>
                  {before !== null && <del>{before}</del>} {after !== null && <ins>{after}</ins>}
                </dd>
              </div>
            ))}
          </dl>
        </details>
      )}
    </li>
  )
}
