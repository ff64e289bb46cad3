// What is done with a key: its limits changed, one of them raised for a while, an end set, the key revoked. Each is a dialog
// that closes when the API has agreed.
import { useState } from 'preact/hooks'
import type { AdminApi } from './api.ts'
import type { ApiKey } from './api-types.ts'
import { Dialog, errorAt, Form, sayingOf, SelectField, TextField, useSending } from './forms.tsx'
import { dateTimeText, instantOf } from './local-time.ts'
import { draftsOf, type RuleDraft, writeLimits } from './rule-draft.ts'
import { isRuleField, RuleList } from './rule-fields.tsx'
import { ruleText } from './limit-text.ts'

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

/** All limits of the key's own, thresholds included. */
export function LimitsDialog({ api, apiKey, onClose, onDone }: KeyDialogProps) {
  const [drafts, setDrafts] = useState(() => draftsOf(apiKey.limits, new Date().toISOString().slice(0, 10)))
  const [places, setPlaces] = useState<ReadonlyMap<number, string>>(new Map())
  const sending = useSending()
  async function submit(): Promise<void> {
    const written = writeLimits(drafts)
    setPlaces(written.places)
    const isDone = await sending.send(async () => {
      await api.send('PATCH', keyPath(apiKey), { limits: written.limits })
    })
    if (isDone) onDone('The limits are changed.')
  }
  return (
    <Dialog title={`Limits of ${apiKey.name}`} isWide onClose={onClose}>
      <p class="muted">Those of its team and its tenant hold beside these: a request has to fit all of them.</p>
      <Form
        sending={sending}
        action="Save limits"
        isShown={(field) => isRuleField(field, places)}
        onSubmit={() => void submit()}
      >
        <RuleList drafts={drafts} failure={sending.failure} places={places} onDrafts={setDrafts} />
      </Form>
    </Dialog>
  )
}

const DAY_MS = 86_400_000

/** More of one limit until an instant; then it is as before, without anybody's doing. */
export function IncreaseDialog({ api, apiKey, onClose, onDone }: KeyDialogProps) {
  const drafts = draftsOf(apiKey.limits, new Date().toISOString().slice(0, 10))
  const [chosen, setChosen] = useState(String(drafts[0]?.id ?? ''))
  const [by, setBy] = useState('')
  const [until, setUntil] = useState(() => dateTimeText(Date.now() + DAY_MS))
  const sending = useSending()
  const draft = drafts.find(({ id }) => String(id) === chosen)
  async function submit(): Promise<void> {
    const increase = { by, until: instantOf(until) }
    const after = drafts.map((one): RuleDraft => (String(one.id) === chosen ? { ...one, increase } : one))
    const isDone = await sending.send(async () => {
      await api.send('PATCH', keyPath(apiKey), { limits: writeLimits(after).limits })
    })
    if (isDone) onDone('The limit is raised.')
  }
  const field = sending.failure?.field ?? ''
  const isUntil = field.endsWith('increase.until')
  const isBy = field.includes('increase') && !isUntil
  if (draft === undefined) {
    return (
      <Dialog title={`Raise a limit of ${apiKey.name}`} onClose={onClose}>
        <p>The key has no limit of its own to raise. Those of its team and its tenant are raised there.</p>
      </Dialog>
    )
  }
  return (
    <Dialog title={`Raise a limit of ${apiKey.name}`} onClose={onClose}>
      <Form sending={sending} action="Raise it" isShown={() => isBy || isUntil} onSubmit={() => void submit()}>
        <SelectField
          label="Limit"
          value={chosen}
          options={drafts.map((one) => ({ value: String(one.id), text: ruleText(one) }))}
          onValue={setChosen}
        />
        <TextField
          label={draft.kind === 'budget' ? 'Raise it by, in US dollars' : 'Raise it by'}
          inputMode="decimal"
          value={by}
          error={isBy && sending.failure !== null ? sayingOf(sending.failure) : null}
          onValue={setBy}
        />
        <TextField
          label="Until"
          type="datetime-local"
          hint="In your time zone. After that it is as it was."
          value={until}
          error={isUntil && sending.failure !== null ? sayingOf(sending.failure) : null}
          onValue={setUntil}
        />
      </Form>
    </Dialog>
  )
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
