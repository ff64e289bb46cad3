// The requests explorer: which requests, the newest of them as they come, and one request's whole story.
import { useEffect, useState } from 'preact/hooks'
import { type Explorer, useExplorer } from './explorer-data.ts'
import { SelectField, TextField } from '../parts/forms.tsx'
import { KeyField } from '../keys/key-field.tsx'
import { type Desk, PageFrame } from '../frame/page-frame.tsx'
import { Nothing, Panel, Pending } from '../frame/panel.tsx'
import { NO_FILTER, OUTCOME_OPTIONS, readFilter, type RequestFilter, writeFilter } from './request-filter.ts'
import { gatherRequests } from './request-log.ts'
import { RequestStory } from './request-story.tsx'
import { RequestLines } from './requests-table.tsx'
import { useSettled } from '../live/use-settled.ts'

export function RequestsPage({ desk }: { readonly desk: Desk }) {
  const [filter, setFilter] = useState(() => readFilter(location.hash))
  const settled = useSettled(filter)
  const explorer = useExplorer(desk.api, settled, desk.isPaused)
  const isFiltered = writeFilter(filter) !== '#'
  useEffect(() => {
    const follow = (): void => setFilter(readFilter(location.hash))
    addEventListener('hashchange', follow)
    return () => removeEventListener('hashchange', follow)
  }, [])
  useEffect(() => {
    const address = writeFilter(settled)
    if (address !== (location.hash || '#'))
      history.replaceState(null, '', address === '#' ? location.pathname : address)
  }, [settled])
  return (
    <PageFrame
      desk={desk}
      title="Requests"
      feeds={[explorer.feed]}
      aside={
        isFiltered && (
          <button type="button" class="button quiet" onClick={() => setFilter(NO_FILTER)}>
            Clear the filter
          </button>
        )
      }
    >
      <FilterFields filter={filter} desk={desk} onFilter={setFilter} />
      <Found desk={desk} explorer={explorer} isFiltered={isFiltered} />
    </PageFrame>
  )
}

interface FilterProps {
  readonly filter: RequestFilter
  readonly desk: Desk
  readonly onFilter: (filter: RequestFilter) => void
}

function FilterFields({ filter, desk: { api, overview, names }, onFilter }: FilterProps) {
  const set = (name: keyof RequestFilter) => (value: string) => onFilter({ ...filter, [name]: value })
  const tenants = overview.data?.tenants ?? []
  return (
    <section class="card audit-filter" aria-label="Which requests">
      <SelectField
        label="Tenant"
        value={filter.tenant}
        options={withAny('Any tenant', filter.tenant, tenants, names.tenant)}
        onValue={(tenant) => onFilter({ ...filter, tenant, key: '' })}
      />
      <KeyField
        {...{ api, label: 'Key', none: 'Any key', state: 'all', tenant: filter.tenant, nameOf: names.key }}
        value={filter.key}
        onValue={set('key')}
      />
      <SelectField label="Outcome" value={filter.outcome} options={OUTCOME_OPTIONS} onValue={set('outcome')} />
      <TextField label="Model" value={filter.model} onValue={set('model')} />
      <TextField label="Provider" value={filter.provider} onValue={set('provider')} />
      <TextField label="Tag" value={filter.tag} onValue={set('tag')} />
      <TextField label="Request id" value={filter.request} onValue={set('request')} />
      <TextField label="From" type="datetime-local" value={filter.from} onValue={set('from')} />
      <TextField label="Until" type="datetime-local" value={filter.to} onValue={set('to')} />
    </section>
  )
}

/** One that isn't there any more can still be looked for. */
function withAny(
  any: string,
  value: string,
  known: readonly { readonly id: string; readonly name: string }[],
  nameOf: (id: string) => string,
) {
  const options = known.map(({ id, name }) => ({ value: id, text: name }))
  const gone = value === '' || known.some(({ id }) => id === value) ? [] : [{ value, text: nameOf(value) }]
  return [{ value: '', text: any }, ...gone, ...options]
}

interface FoundProps {
  readonly desk: Desk
  readonly explorer: Explorer
  readonly isFiltered: boolean
}

function Found({ desk, explorer, isFiltered }: FoundProps) {
  const [openId, setOpenId] = useState<string | null>(null)
  const { feed, rows, next } = explorer
  const requests = gatherRequests(rows)
  const isEmpty = feed.data !== null && !feed.isStale && requests.length === 0
  return (
    <Panel
      title="Newest first"
      name="requests"
      isStale={feed.isStale}
      aside={<span class="muted">{desk.isPaused ? 'paused' : 'new ones come in at the top'}</span>}
    >
      {feed.data === null && <Pending feed={feed} lines={6} />}
      {isEmpty && <Nothing>{emptyText(isFiltered, next !== null)}</Nothing>}
      {requests.length > 0 && <RequestLines requests={requests} names={desk.names} onOpen={setOpenId} />}
      {next !== null && (
        <div class="older">
          <button type="button" class="button quiet more" disabled={explorer.isLoading} onClick={explorer.loadOlder}>
            {explorer.isLoading ? 'Looking…' : 'Look further back'}
          </button>
          <span role="status">{explorer.failure?.message}</span>
        </div>
      )}
      {openId !== null && <RequestStory id={openId} desk={desk} onClose={() => setOpenId(null)} />}
    </Panel>
  )
}

function emptyText(isFiltered: boolean, hasOlder: boolean): string {
  if (hasOlder) return 'None among the latest requests. Look further back, or name a time to begin at.'
  if (isFiltered) return 'No request is like that. A request is in the ledger some seconds after it ended, for 30 days.'
  return 'No request yet. What is sent to /v1/chat/completions with a virtual key stands here some seconds after it ended.'
}
