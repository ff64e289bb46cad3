// All virtual keys: what each spends, how its budget stands, when it was last used. Searched, sorted and turned page by page,
// which the API does.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { ApiKeyLines } from '../api-types.ts'
import { useFeed } from '../live/feed.ts'
import { formatCount } from '../parts/format.ts'
import { keyLine, type KeysView, linesPath, readKeysView, writeKeysView } from './keys-data.ts'
import { KeysTable } from './keys-table.tsx'
import { mayCall } from '../frame/me.ts'
import { MintDialog } from './mint-dialog.tsx'
import { type Desk, PageFrame } from '../frame/page-frame.tsx'
import { Nothing, Panel, Pending } from '../frame/panel.tsx'
import { Segmented } from '../parts/segmented.tsx'
import { useSettled } from '../live/use-settled.ts'

const PAGE_LINES = 50

export function KeysPage({ desk }: { readonly desk: Desk }) {
  const { api, overview, names, isPaused } = desk
  const [view, setView] = useKeysView()
  const [isMinting, setIsMinting] = useState(false)
  const search = useSettled(view.search)
  const path = linesPath({ ...view, search })
  const found = useFeed({
    key: path,
    load: (signal) => api.read<ApiKeyLines>(path, ['rows'], signal),
    isPaused,
    changesWith: ['requests', 'configuration'],
  })
  const answer = found.data
  const lines = useMemo(() => answer?.rows.map((row) => keyLine(row, names)) ?? [], [answer, names])
  const hasNone = overview.data !== null && overview.data.key_counts.length === 0
  return (
    <PageFrame
      desk={desk}
      title="Keys"
      feeds={[found]}
      aside={
        mayCall(desk.me, 'POST /keys') && (
          <button
            type="button"
            class="button primary"
            disabled={overview.data === null || overview.data.tenants.length === 0}
            onClick={() => setIsMinting(true)}
          >
            Mint a key
          </button>
        )
      }
    >
      <Panel
        title="Virtual keys"
        name="keys"
        isStale={found.isStale}
        aside={<KeysTools view={view} onView={setView} />}
      >
        {answer === null && <Pending feed={found} lines={8} />}
        {answer !== null && hasNone && <NoKeys hasTenants={(overview.data?.tenants.length ?? 0) > 0} />}
        {answer !== null && !hasNone && answer.count === 0 && (
          <Nothing>No {view.state === 'active' ? 'active ' : ''}key is like that.</Nothing>
        )}
        {lines.length > 0 && <KeysTable lines={lines} view={view} onView={setView} />}
        {answer !== null && answer.count > PAGE_LINES && (
          <Pager page={answer.page} count={answer.count} onPage={(page) => setView({ ...view, page })} />
        )}
      </Panel>
      {isMinting && overview.data !== null && (
        <MintDialog
          api={desk.api}
          overview={overview.data}
          onClose={() => setIsMinting(false)}
          onMinted={() => {
            overview.refresh()
            found.refresh()
          }}
        />
      )}
    </PageFrame>
  )
}

function KeysTools({ view, onView }: { view: KeysView; onView: (view: KeysView) => void }) {
  const search = useRef<HTMLInputElement>(null)
  useEffect(() => {
    function find(event: KeyboardEvent): void {
      const isTyping =
        event.target instanceof Element && event.target.closest('input, textarea, select, dialog') !== null
      if (event.key !== '/' || isTyping || event.ctrlKey || event.metaKey) return
      event.preventDefault()
      search.current?.focus()
    }
    addEventListener('keydown', find)
    return () => removeEventListener('keydown', find)
  }, [])
  return (
    <div class="tools">
      <input
        ref={search}
        class="input search"
        type="search"
        aria-label="Search keys"
        aria-keyshortcuts="/"
        placeholder="Name, team, tenant, id  ( / )"
        value={view.search}
        onInput={(event) => onView({ ...view, search: event.currentTarget.value, page: 0 })}
      />
      <Segmented
        legend="Which keys"
        name="state"
        value={view.state}
        options={[
          { value: 'active', text: 'Active' },
          { value: 'all', text: 'All' },
        ]}
        onChange={(state) => onView({ ...view, state, page: 0 })}
      />
    </div>
  )
}

interface PagerProps {
  readonly page: number
  readonly count: number
  readonly onPage: (page: number) => void
}

function Pager({ page, count, onPage }: PagerProps) {
  const last = Math.ceil(count / PAGE_LINES) - 1
  return (
    <nav class="pager" aria-label="Pages of keys">
      <button type="button" class="button" disabled={page === 0} onClick={() => onPage(page - 1)}>
        Previous
      </button>
      <span role="status">
        {formatCount(page * PAGE_LINES + 1)}–{formatCount(Math.min(count, (page + 1) * PAGE_LINES))} of{' '}
        {formatCount(count)}
      </span>
      <button type="button" class="button" disabled={page >= last} onClick={() => onPage(page + 1)}>
        Next
      </button>
    </nav>
  )
}

function NoKeys({ hasTenants }: { hasTenants: boolean }) {
  return (
    <div class="teach">
      <h3>No key yet</h3>
      <p>
        A virtual key is what an application sends to Tidegate. It says who calls, what may be spent and where that is
        booked; the provider’s own credential stays here.
      </p>
      <p class="muted">
        {hasTenants
          ? 'Mint one above: give it a budget, and a request that would pass it is refused before it costs anything.'
          : 'A key belongs to a tenant, and there is none: create one with POST /admin/tenants {"name": "…"}.'}
      </p>
    </div>
  )
}

/** The view, kept in the address. */
function useKeysView(): [KeysView, (view: KeysView) => void] {
  const [view, setView] = useState(() => readKeysView(location.search))
  function show(next: KeysView): void {
    history.replaceState(null, '', location.pathname + writeKeysView(next))
    setView(next)
  }
  return [view, show]
}
