// One virtual key: what it is, what it is held to and how that stands, what it spent, its latest requests, and what can be
// done with it.
import { useMemo, useState } from 'preact/hooks'
import { AlertHistory, useAlerts } from '../alerts/alert-history.tsx'
import type { ApiKey } from '../api-types.ts'
import { useFeed } from '../live/feed.ts'
import { formatInstantExact } from '../parts/format.ts'
import { KEY_RANGES, type KeyData, useKeyData } from './key-data.ts'
import {
  ExpiryDialog,
  KeyIncreaseDialog,
  type KeyDialogProps,
  KeyLimitsDialog,
  RevokeDialog,
  keyPath,
} from './key-dialogs.tsx'
import { OldSecrets, RotateDialog } from './key-rotation.tsx'
import { KeyLimits } from './key-limits.tsx'
import { ModelSpend } from '../models/model-spend.tsx'
import { KeyState } from './keys-table.tsx'
import { mayCall } from '../frame/me.ts'
import type { Names } from '../parts/names.ts'
import { type Desk, PageFrame } from '../frame/page-frame.tsx'
import { Nothing, Pending } from '../frame/panel.tsx'
import { RequestsTable } from '../requests/requests-table.tsx'
import { BASE, Link } from '../frame/router.tsx'
import { Segmented } from '../parts/segmented.tsx'
import { Tiles } from '../parts/tiles.tsx'
import { readCounters } from '../overview/usage-data.ts'
import { UserLimits } from './user-limits.tsx'

export function KeyPage({ desk }: { readonly desk: Desk }) {
  const { api, isPaused, place } = desk
  const data = useKeyData(desk, place.id)
  const found = useFeed({
    key: place.id,
    load: (signal) => api.read<ApiKey>(`/admin/keys/${encodeURIComponent(place.id)}`, [], signal),
    isPaused,
    changesWith: ['configuration'],
  })
  const key = found.data
  const trail = (
    <span class="trail">
      <Link to={`${BASE}keys`}>Keys</Link> /
    </span>
  )
  if (key === null) {
    return (
      <PageFrame desk={desk} title="Key" trail={trail}>
        {found.failure?.code === 'not_found' ? (
          <Nothing>There is no key {place.id}. It may have been deleted.</Nothing>
        ) : (
          <Pending feed={found} lines={6} />
        )}
      </PageFrame>
    )
  }
  return (
    <PageFrame
      desk={desk}
      title={key.name}
      trail={trail}
      feeds={[found, ...data.feeds]}
      aside={
        <Segmented
          legend="Time range"
          name="range"
          value={data.range.name}
          options={KEY_RANGES.map(({ name }) => ({ value: name, text: name }))}
          onChange={(name) => data.setRange(KEY_RANGES.find((range) => range.name === name) ?? data.range)}
        />
      }
    >
      <KeyBody desk={desk} apiKey={key} data={data} onChanged={found.refresh} />
    </PageFrame>
  )
}

const DIALOGS = {
  limits: KeyLimitsDialog,
  increase: KeyIncreaseDialog,
  expiry: ExpiryDialog,
  rotate: RotateDialog,
  revoke: RevokeDialog,
} as const
type DialogName = keyof typeof DIALOGS

interface KeyBodyProps {
  readonly desk: Desk
  readonly apiKey: ApiKey
  readonly data: KeyData
  readonly onChanged: () => void
}

function KeyBody({ desk, apiKey, data, onChanged }: KeyBodyProps) {
  const [open, setOpen] = useState<DialogName | null>(null)
  const [said, setSaid] = useState('')
  const mayChange = mayCall(desk.me, 'PATCH /keys/:id')
  const alerts = useAlerts(desk, { kind: '', keyId: apiKey.id })
  const answer = data.usage.data
  const total = useMemo(() => (answer === null ? null : readCounters(answer.total)), [answer])
  const log = { rows: data.requests.data?.rows ?? [], next: null, isExtended: false }
  function onDone(what: string): void {
    setOpen(null)
    setSaid(what)
    onChanged()
    desk.overview.refresh()
    data.limits.refresh()
  }
  return (
    <>
      <section class="card key-card" aria-label="The key">
        <KeyFacts apiKey={apiKey} names={desk.names} />
        <OldSecrets api={desk.api} apiKey={apiKey} mayEnd={mayChange} onEnded={onDone} />
        {mayChange && <KeyActions apiKey={apiKey} onOpen={setOpen} />}
        <p class="said" role="status">
          {said}
        </p>
      </section>
      <Tiles total={total} isStale={data.usage.isStale} />
      <KeyLimits
        apiKey={apiKey}
        feed={data.limits}
        names={desk.names}
        onChange={mayChange ? () => setOpen('limits') : null}
      />
      <UserLimits
        api={desk.api}
        of={{ name: apiKey.name, path: keyPath(apiKey), rules: apiKey.end_user_limits ?? [] }}
        mayChange={mayChange}
        onDone={onDone}
      />
      <AlertHistory
        log={alerts}
        nothing="No alert of this key. Its budgets announce themselves at their thresholds, which are among its limits."
      />
      <ModelSpend data={data} names={desk.names} />
      <RequestsTable feed={data.requests} log={log} older={NO_OLDER} names={desk.names} />
      {open !== null && (
        <OpenDialog name={open} api={desk.api} apiKey={apiKey} onClose={() => setOpen(null)} onDone={onDone} />
      )}
    </>
  )
}

function OpenDialog({ name, ...props }: KeyDialogProps & { readonly name: DialogName }) {
  const Named = DIALOGS[name]
  return <Named {...props} />
}

const NO_OLDER = { isLoading: false, failure: null, load: () => undefined } as const

function KeyFacts({ apiKey, names }: { apiKey: ApiKey; names: Names }) {
  const facts: readonly (readonly [string, string | null])[] = [
    ['Tenant', names.tenant(apiKey.tenant_id)],
    ['Team', apiKey.team_id === null ? null : names.team(apiKey.team_id)],
    ['Cost center', apiKey.cost_center],
    ['Tags', apiKey.tags === undefined || apiKey.tags.length === 0 ? null : apiKey.tags.join(', ')],
    ['Models', apiKey.models === undefined || apiKey.models.length === 0 ? 'all' : apiKey.models.join(', ')],
    ['Created', formatInstantExact(apiKey.created_at_ms)],
    ['Expires', apiKey.expires_at_ms === null ? 'never' : formatInstantExact(apiKey.expires_at_ms)],
    ['Secret', secretText(apiKey)],
    ['Id', apiKey.id],
  ]
  return (
    <dl class="facts">
      <div>
        <dt>State</dt>
        <dd>
          <KeyState status={apiKey.status} />
        </dd>
      </div>
      {facts
        .filter(([, value]) => value !== null)
        .map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd class={name === 'Id' ? 'mono' : ''}>{value}</dd>
          </div>
        ))}
    </dl>
  )
}

/** By what people recognise it, and since when it is this one. */
function secretText({ ends_in: end, rotated_at_ms: atMs }: ApiKey): string | null {
  const parts = [
    ...(end == null ? [] : [`ends in ${end}`]),
    ...(atMs == null ? [] : [`rotated ${formatInstantExact(atMs)}`]),
  ]
  return parts.length === 0 ? null : parts.join(', ')
}

function KeyActions({ apiKey, onOpen }: { apiKey: ApiKey; onOpen: (name: DialogName) => void }) {
  if (apiKey.status === 'revoked') return <p class="muted">It is revoked: nothing about it can change any more.</p>
  return (
    <div class="actions">
      <button type="button" class="button" onClick={() => onOpen('limits')}>
        Change limits
      </button>
      <button type="button" class="button" onClick={() => onOpen('increase')}>
        Raise a limit for a while
      </button>
      <button type="button" class="button" onClick={() => onOpen('expiry')}>
        Set its end
      </button>
      <button
        type="button"
        class="button"
        disabled={apiKey.status !== 'active'}
        title={apiKey.status === 'active' ? undefined : 'It has expired: set its end first.'}
        onClick={() => onOpen('rotate')}
      >
        Rotate
      </button>
      <button type="button" class="button danger-quiet" onClick={() => onOpen('revoke')}>
        Revoke
      </button>
    </div>
  )
}
