// All virtual keys: what each spends, how its budget stands, when it was last used. Searched, sorted and turned page by page
// here, over one list of them all.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { useFeed } from './feed.ts'
import { formatCount } from './format.ts'
import {
  type ApiKeySpend,
  type ApiKeyUse,
  chosenLines,
  dayStart,
  keyLines,
  type KeysView,
  monthStart,
  readKeysView,
  writeKeysView,
} from './keys-data.ts'
import { KeysTable } from './keys-table.tsx'
import { mayCall } from './me.ts'
import { MintDialog } from './mint-dialog.tsx'
import { type Desk, PageFrame } from './page-frame.tsx'
import { Nothing, Panel, Pending } from './panel.tsx'
import { Segmented } from './segmented.tsx'

const PAGE_LINES = 50
/** As many as the API lists at most. */
const SPEND_ROWS = 20_000

export function KeysPage({ desk }: { readonly desk: Desk }) {
  const { overview, names } = desk
  const [view, setView] = useKeysView()
  const [isMinting, setIsMinting] = useState(false)
  const data = useKeysData(desk)
  const known = overview.data
  const lines = useMemo(() => {
    if (known === null) return null
    return keyLines({ keys: known.keys, budgets: known.budgets, names, use: data.use.data, ...data.spend })
  }, [known, names, data.use.data, data.spend.today, data.spend.month])
  const chosen = useMemo(() => (lines === null ? null : chosenLines(lines, view)), [lines, view])
  return (
    <PageFrame
      desk={desk}
      title="Keys"
      feeds={data.feeds}
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
      <Panel title="Virtual keys" name="keys" aside={<KeysTools view={view} onView={setView} />}>
        {chosen === null && <Pending feed={overview} lines={8} />}
        {lines?.length === 0 && <NoKeys hasTenants={(overview.data?.tenants.length ?? 0) > 0} />}
        {lines !== null && lines.length > 0 && chosen?.length === 0 && (
          <Nothing>No {view.state === 'active' ? 'active ' : ''}key is like that.</Nothing>
        )}
        {chosen !== null && chosen.length > 0 && (
          <KeysTable
            lines={chosen.slice(
              pageOf(view, chosen.length) * PAGE_LINES,
              (pageOf(view, chosen.length) + 1) * PAGE_LINES,
            )}
            view={view}
            onView={setView}
            isSpendKnown={data.spend.month !== null && data.spend.today !== null}
            isUseKnown={data.use.data !== null}
          />
        )}
        {chosen !== null && chosen.length > PAGE_LINES && (
          <Pager
            page={pageOf(view, chosen.length)}
            count={chosen.length}
            onPage={(page) => setView({ ...view, page })}
          />
        )}
      </Panel>
      {isMinting && overview.data !== null && (
        <MintDialog
          api={desk.api}
          overview={overview.data}
          onClose={() => setIsMinting(false)}
          onMinted={overview.refresh}
        />
      )}
    </PageFrame>
  )
}

/** The page that is shown: the last one, where there are fewer meanwhile. */
function pageOf({ page }: KeysView, count: number): number {
  return Math.min(page, Math.max(0, Math.ceil(count / PAGE_LINES) - 1))
}

function useKeysData({ api, isPaused }: Desk) {
  const use = useFeed({
    key: 'use',
    load: (signal) => api.read<ApiKeyUse>('/admin/keys/use', ['last_used'], signal),
    isPaused,
  })
  const spendSince = (startOf: (nowMs: number) => number) => (signal: AbortSignal) => {
    const from = String(startOf(Date.now()))
    const query = new URLSearchParams({ metrics: 'spend', group_by: 'key', limit: String(SPEND_ROWS), from })
    return api.read<ApiKeySpend>(`/admin/reports?${query}`, ['rows'], signal)
  }
  const today = useFeed({ key: 'today', load: spendSince(dayStart), isPaused })
  const month = useFeed({ key: 'month', load: spendSince(monthStart), isPaused })
  return { use, spend: { today: today.data, month: month.data }, feeds: [use, today, month] }
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
