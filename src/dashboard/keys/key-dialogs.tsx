// What is done with a key: its limits changed, one of them raised for a while, an end set, the key revoked. Each is a dialog
// that closes when the API has agreed.
import { useState } from 'preact/hooks'
import type { AdminApi } from '../api.ts'
import type { ApiKey } from '../api-types.ts'
import { Dialog, errorAt, Form, TextField, useSending } from '../parts/forms.tsx'
import { IncreaseDialog, type Limited, LimitsDialog } from './limit-dialogs.tsx'
import { dateTimeText, instantOf } from '../parts/local-time.ts'
import { DAY_MS } from '../parts/ranges.ts'

export interface KeyDialogProps {
  readonly api: AdminApi
  readonly apiKey: ApiKey
  readonly onClose: () => void
  /** Called when the key has changed. */
  readonly onDone: (said: string) => void
}

/** The path of a key in the API. */
export function keyPath(key: Pick<ApiKey, 'id'>): string {
  return `/admin/keys/${encodeURIComponent(key.id)}`
}

function limited(apiKey: ApiKey): Limited {
  return { name: apiKey.name, path: keyPath(apiKey), limits: apiKey.limits, above: 'its team and its tenant' }
}

/** All limits of the key's own. */
export function KeyLimitsDialog({ apiKey, ...rest }: KeyDialogProps) {
  return <LimitsDialog of={limited(apiKey)} {...rest} />
}

/** More of one of them for a while. */
export function KeyIncreaseDialog({ apiKey, ...rest }: KeyDialogProps) {
  return <IncreaseDialog of={limited(apiKey)} {...rest} />
}

/** When the key ends by itself. */
export function ExpiryDialog({ api, apiKey, onClose, onDone }: KeyDialogProps) {
  const [at, setAt] = useState(() => dateTimeText(apiKey.expires_at_ms ?? Date.now() + DAY_MS))
  const sending = useSending()
  async function submit(expiresAt: string | null): Promise<void> {
    const isDone = await sending.send(async () => {
      await api.send('PATCH', keyPath(apiKey), { expires_at: expiresAt })
    })
    if (isDone) onDone(expiresAt === null ? 'The key doesn’t expire any more.' : 'The key’s end is set.')
  }
  return (
    <Dialog title={`When ${apiKey.name} expires`} onClose={onClose}>
      <Form
        sending={sending}
        action="Set this end"
        isShown={(field) => field === 'expires_at'}
        onSubmit={() => void submit(instantOf(at))}
      >
        <TextField
          label="Expires at"
          type="datetime-local"
          hint="In your time zone. From then on its requests are refused; it can be given a later end again."
          value={at}
          error={errorAt(sending.failure, 'expires_at')}
          onValue={setAt}
        />
        {apiKey.expires_at_ms !== null && (
          <button type="button" class="button" disabled={sending.isSending} onClick={() => void submit(null)}>
            Let it never expire
          </button>
        )}
      </Form>
    </Dialog>
  )
}

/** Ends the key for good. */
export function RevokeDialog({ api, apiKey, onClose, onDone }: KeyDialogProps) {
  const sending = useSending()
  async function submit(): Promise<void> {
    const isDone = await sending.send(async () => {
      await api.send('POST', `${keyPath(apiKey)}/revoke`)
    })
    if (isDone) onDone('The key is revoked.')
  }
  return (
    <Dialog title={`Revoke ${apiKey.name}?`} onClose={onClose}>
      <Form sending={sending} action="Revoke it for good" tone="danger" onSubmit={() => void submit()}>
        <p>
          Whoever uses <strong class="name">{apiKey.name}</strong> is refused from now on: wherever it is in use, a
          moment after its next request. Replies from the cache end within two minutes. This can’t be undone: a new key
          has to be minted and handed out.
        </p>
        <p class="muted">Its history and what it spent stay in the ledger.</p>
      </Form>
    </Dialog>
  )
}
