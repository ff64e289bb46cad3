// Providers' credentials: stored, tried out, rotated, deleted. What is typed goes to the gateway and is never shown again.
import { useState } from 'preact/hooks'
import type { ApiRows } from './access-data.ts'
import { type ApiCheckedCredential, type ApiCredential, checkText, placeText } from './credential-data.ts'
import { NewCredential, RotateCredential } from './credential-dialogs.tsx'
import type { Feed } from '../live/feed.ts'
import { Instant } from '../parts/figures.tsx'
import { useSending } from '../parts/forms.tsx'
import { mayCall } from '../frame/me.ts'
import type { Desk } from '../frame/page-frame.tsx'
import { Panel, Pending } from '../frame/panel.tsx'
import { SureDialog } from '../parts/sure-dialog.tsx'

interface CredentialsProps {
  readonly desk: Desk
  readonly feed: Feed<ApiRows<ApiCredential>>
}

export function Credentials({ desk, feed }: CredentialsProps) {
  const [isMaking, setIsMaking] = useState(false)
  const rows = feed.data?.rows ?? null
  return (
    <Panel
      title="Provider credentials"
      name="credentials"
      aside={
        mayCall(desk.me, 'POST /credentials') && (
          <button type="button" class="button" onClick={() => setIsMaking(true)}>
            Add a credential
          </button>
        )
      }
    >
      {rows === null && <Pending feed={feed} lines={3} />}
      {rows?.length === 0 && (
        <div class="teach">
          <p>No credential yet. Targets pay their providers with one: an API key, a key pair, a service account.</p>
          <p class="muted">It is kept encrypted, is never shown again, and can be rotated without a failed request.</p>
        </div>
      )}
      <ul class="access-list">
        {rows?.map((credential) => (
          <CredentialLine key={credential.name} desk={desk} credential={credential} onChanged={feed.refresh} />
        ))}
      </ul>
      {isMaking && <NewCredential api={desk.api} onClose={() => setIsMaking(false)} onDone={feed.refresh} />}
    </Panel>
  )
}

interface LineProps {
  readonly desk: Desk
  readonly credential: ApiCredential
  readonly onChanged: () => void
}

function CredentialLine({ desk, credential, onChanged }: LineProps) {
  const [open, setOpen] = useState<'rotate' | 'delete' | null>(null)
  const { name, problem } = credential
  const path = `/admin/credentials/${encodeURIComponent(name)}`
  const onClose = (): void => setOpen(null)
  return (
    <li class="access-line">
      <div class="access-what">
        <span>
          <span class="name">{name}</span>{' '}
          <span class={`badge ${problem === null ? 'good' : 'bad'}`}>{problem === null ? 'in order' : 'unusable'}</span>
        </span>
        <span>
          {credential.provider ?? 'any provider'}: {placeText(credential)}
        </span>
        {problem !== null && <span class="form-error">{problem}</span>}
        <Context credential={credential} />
      </div>
      <div class="actions">
        <Check desk={desk} path={path} name={name} />
        <button type="button" class="button" onClick={() => setOpen('rotate')}>
          Rotate<span class="visually-hidden"> {name}</span>
        </button>
        <button type="button" class="button danger-quiet" onClick={() => setOpen('delete')}>
          Delete<span class="visually-hidden"> {name}</span>
        </button>
      </div>
      {open === 'rotate' && (
        <RotateCredential api={desk.api} credential={credential} onClose={onClose} onDone={onChanged} />
      )}
      {open === 'delete' && (
        <SureDialog
          title={`Delete ${name}?`}
          action="Delete it"
          work={() => desk.api.send('DELETE', path)}
          onClose={onClose}
          onDone={onChanged}
        >
          <p>What it is can’t be had back from here.</p>
        </SureDialog>
      )}
    </li>
  )
}

function Context({ credential }: { readonly credential: ApiCredential }) {
  const { targets, rotated_at_ms: rotatedMs, previous_until_ms: untilMs, created_at_ms: madeMs } = credential
  const nowMs = Date.now()
  return (
    <span class="context">
      {targets.length === 0 ? 'No target uses it' : `Used by ${targets.join(', ')}`};{' '}
      {rotatedMs === null ? 'added' : 'rotated'} {<Instant atMs={rotatedMs ?? madeMs} nowMs={nowMs} />}
      {untilMs !== null && <>; what it was before is tried until {<Instant atMs={untilMs} nowMs={nowMs} />}</>}
    </span>
  )
}

/** Asks the provider, and says beside the button what it said. */
function Check({ desk, path, name }: { readonly desk: Desk; readonly path: string; readonly name: string }) {
  const sending = useSending()
  const [said, setSaid] = useState('')
  async function check(): Promise<void> {
    setSaid('')
    await sending.send(async () =>
      setSaid(checkText(await desk.api.send<ApiCheckedCredential>('POST', `${path}/check`))),
    )
  }
  return (
    <>
      <span role="status" class="context">
        {sending.failure?.message ?? said}
      </span>
      {mayCall(desk.me, 'POST /credentials/:name/check') && (
        <button type="button" class="button" disabled={sending.isSending} onClick={() => void check()}>
          Check<span class="visually-hidden"> {name}</span>
        </button>
      )}
    </>
  )
}
