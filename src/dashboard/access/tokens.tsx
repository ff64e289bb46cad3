// API tokens: minted, rotated, revoked. A token is shown once, when it is made or rotated.
import { useState } from 'preact/hooks'
import type { ApiRows, ApiToken } from './access-data.ts'
import type { Feed } from '../live/feed.ts'
import { Instant } from '../parts/figures.tsx'
import { Dialog, errorAt, Form, TextField, useSending } from '../parts/forms.tsx'
import { firstGrant, grantBody, GrantFields } from '../keys/grant-fields.tsx'
import { instantOf } from '../parts/local-time.ts'
import { grantText, mayCall } from '../frame/me.ts'
import type { Desk } from '../frame/page-frame.tsx'
import { Panel, Pending } from '../frame/panel.tsx'
import { ShownSecret } from '../parts/shown-secret.tsx'
import { SureDialog } from '../parts/sure-dialog.tsx'

type Shown = ApiToken & { readonly token: string }

interface TokensProps {
  readonly desk: Desk
  readonly feed: Feed<ApiRows<ApiToken>>
}

export function Tokens({ desk, feed }: TokensProps) {
  const [isMaking, setIsMaking] = useState(false)
  const rows = feed.data?.rows ?? null
  return (
    <Panel
      title="API tokens"
      name="tokens"
      aside={
        mayCall(desk.me, 'POST /access/tokens') && (
          <button type="button" class="button" onClick={() => setIsMaking(true)}>
            Mint a token
          </button>
        )
      }
    >
      {rows === null && <Pending feed={feed} lines={3} />}
      {rows?.length === 0 && (
        <div class="teach">
          <p>No token yet. A token is for what isn’t a person: a pipeline, a script, another dashboard.</p>
          <p class="muted">It has a role and an end, and can be rotated without anything standing still.</p>
        </div>
      )}
      <ul class="access-list">
        {rows?.map((token) => (
          <Token key={token.id} desk={desk} token={token} onChanged={feed.refresh} />
        ))}
      </ul>
      {isMaking && <NewToken desk={desk} onClose={() => setIsMaking(false)} onMade={feed.refresh} />}
    </Panel>
  )
}

interface TokenProps {
  readonly desk: Desk
  readonly token: ApiToken
  readonly onChanged: () => void
}

const TONES = { active: 'good', expired: 'note', revoked: 'bad' } as const

function Token({ desk, token, onChanged }: TokenProps) {
  const [open, setOpen] = useState<'rotate' | 'revoke' | null>(null)
  const path = `/admin/access/tokens/${encodeURIComponent(token.id)}`
  const { expires_at_ms: endsMs, last_used_hour_ms: usedMs, previous_until_ms: previousMs } = token
  return (
    <li class="access-line">
      <div class="access-what">
        <span>
          <span class="name">{token.name}</span> <span class={`badge ${TONES[token.status]}`}>{token.status}</span>
        </span>
        <span>{grantText(token, desk.names)}</span>
        <span class="context">
          <code>{token.prefix}…</code>, minted by {token.created_by}
        </span>
        <span class="context">
          {usedMs === null ? (
            'Never used'
          ) : (
            <>Last used in the hour from {<Instant atMs={usedMs} nowMs={Date.now()} />}</>
          )}
          {endsMs === null ? '; never ends' : <>; ends {<Instant atMs={endsMs} nowMs={Date.now()} />}</>}
          {previousMs !== null && (
            <>; its secret of before is taken until {<Instant atMs={previousMs} nowMs={Date.now()} />}</>
          )}
        </span>
      </div>
      {token.status !== 'revoked' && (
        <div class="actions">
          <button type="button" class="button" onClick={() => setOpen('rotate')}>
            Rotate<span class="visually-hidden"> {token.name}</span>
          </button>
          <button type="button" class="button danger-quiet" onClick={() => setOpen('revoke')}>
            Revoke<span class="visually-hidden"> {token.name}</span>
          </button>
        </div>
      )}
      {open === 'rotate' && (
        <Rotate desk={desk} path={path} token={token} onClose={() => setOpen(null)} onDone={onChanged} />
      )}
      {open === 'revoke' && (
        <SureDialog
          title={`Revoke ${token.name}?`}
          action="Revoke it"
          work={() => desk.api.send('POST', `${path}/revoke`)}
          onClose={() => setOpen(null)}
          onDone={onChanged}
        >
          <p>It opens nothing any more, at once and for good.</p>
        </SureDialog>
      )}
    </li>
  )
}

interface RotateProps {
  readonly desk: Desk
  readonly path: string
  readonly token: ApiToken
  readonly onClose: () => void
  readonly onDone: () => void
}

function Rotate({ desk, path, token, onClose, onDone }: RotateProps) {
  const [shown, setShown] = useState<Shown | null>(null)
  const [hours, setHours] = useState('24')
  const sending = useSending()
  async function submit(): Promise<void> {
    const isDone = await sending.send(async () => {
      const overlap = { overlap_seconds: Math.round(Number(hours.replace(',', '.')) * 3600) }
      setShown(await desk.api.send<Shown>('POST', `${path}/rotate`, overlap))
    })
    if (isDone) onDone()
  }
  if (shown !== null) return <ShownToken title="The token is rotated" token={shown.token} onClose={onClose} />
  return (
    <Dialog title={`Rotate ${token.name}`} onClose={onClose}>
      <Form
        sending={sending}
        action="Rotate it"
        isShown={(field) => field === 'overlap_seconds'}
        onSubmit={() => void submit()}
      >
        <TextField
          label="Hours for which the secret of before is taken as well"
          inputMode="decimal"
          value={hours}
          error={errorAt(sending.failure, 'overlap_seconds')}
          onValue={setHours}
        />
      </Form>
    </Dialog>
  )
}

interface NewTokenProps {
  readonly desk: Desk
  readonly onClose: () => void
  readonly onMade: () => void
}

const SHOWN_FIELDS: ReadonlySet<string> = new Set(['name', 'role', 'tenant', 'team', 'expires_at'])

function NewToken({ desk, onClose, onMade }: NewTokenProps) {
  const [name, setName] = useState('')
  const [ends, setEnds] = useState('')
  const [grant, setGrant] = useState(() => firstGrant(desk.me))
  const [shown, setShown] = useState<Shown | null>(null)
  const sending = useSending()
  async function submit(): Promise<void> {
    const isDone = await sending.send(async () => {
      const end = ends === '' ? {} : { expires_at: instantOf(ends) }
      const body = { name: name.trim(), ...grantBody(grant), ...end }
      setShown(await desk.api.send<Shown>('POST', '/admin/access/tokens', body))
    })
    if (isDone) onMade()
  }
  if (shown !== null) return <ShownToken title="The token is minted" token={shown.token} onClose={onClose} />
  return (
    <Dialog title="Mint a token" onClose={onClose}>
      <Form
        sending={sending}
        action="Mint the token"
        isShown={(field) => SHOWN_FIELDS.has(field)}
        onSubmit={() => void submit()}
      >
        <TextField label="Name" value={name} error={errorAt(sending.failure, 'name')} onValue={setName} />
        <GrantFields
          me={desk.me}
          overview={desk.overview.data}
          value={grant}
          failure={sending.failure}
          onValue={setGrant}
        />
        <TextField
          label="Ends"
          type="datetime-local"
          hint="In 90 days, unless you say otherwise."
          value={ends}
          error={errorAt(sending.failure, 'expires_at')}
          onValue={setEnds}
        />
      </Form>
    </Dialog>
  )
}

function ShownToken({ title, token, onClose }: { title: string; token: string; onClose: () => void }) {
  return (
    <Dialog title={title} onClose={onClose}>
      <ShownSecret label="The token" text={token} />
    </Dialog>
  )
}
