// Rotating a key: a dialog that gives it another secret, which is shown once, and what is left of the secrets of before.
import { useState } from 'preact/hooks'
import type { ApiKey, ApiOldSecret } from '../api-types.ts'
import { Instant } from '../parts/figures.tsx'
import { Dialog, Form, useSending } from '../parts/forms.tsx'
import { formatInstantExact } from '../parts/format.ts'
import { type KeyDialogProps, keyPath } from './key-dialogs.tsx'
import { OldSecretBadge } from './keys-table.tsx'
import { Segmented } from '../parts/segmented.tsx'
import { ShownSecret } from '../parts/shown-secret.tsx'
import { SureDialog } from '../parts/sure-dialog.tsx'

const HOUR_SECONDS = 3600
const OVERLAPS = [
  { value: '0', text: 'Not at all' },
  { value: String(HOUR_SECONDS), text: '1 hour' },
  { value: String(24 * HOUR_SECONDS), text: '24 hours' },
  { value: String(7 * 24 * HOUR_SECONDS), text: '7 days' },
]

type RotatedKey = ApiKey & { readonly key: string }

/** Another secret for the key; whatever else is known of it stays. */
export function RotateDialog({ api, apiKey, onClose, onDone }: KeyDialogProps) {
  const [overlap, setOverlap] = useState(String(24 * HOUR_SECONDS))
  const [rotated, setRotated] = useState<RotatedKey | null>(null)
  const sending = useSending()
  async function submit(): Promise<void> {
    await sending.send(async () => {
      const body = { overlap_seconds: Number(overlap) }
      setRotated(await api.send<RotatedKey>('POST', `${keyPath(apiKey)}/rotate`, body))
    })
  }
  if (rotated !== null) {
    const [old] = rotated.old_secrets ?? []
    return (
      <Dialog title="The key is rotated" isWide onClose={() => onDone('The key has another secret.')}>
        <ShownSecret label="The key’s secret" text={rotated.key} />
        <p class="muted">
          {old === undefined
            ? 'No other secret of this key works any more.'
            : `The old secret works until ${formatInstantExact(old.until_ms)}.`}
        </p>
      </Dialog>
    )
  }
  return (
    <Dialog title={`Rotate ${apiKey.name}`} onClose={onClose}>
      <Form sending={sending} action="Give it another secret" onSubmit={() => void submit()}>
        <p>
          <strong class="name">{apiKey.name}</strong> gets another secret. Its limits, its budgets and what it has spent
          stay as they are.
        </p>
        <p>How long the old secret still works:</p>
        <Segmented
          legend="How long the old secret still works"
          name="overlap"
          value={overlap}
          options={OVERLAPS}
          onChange={setOverlap}
        />
        <p class="hint">
          {overlap === '0'
            ? 'Whoever still uses it is refused, a moment after their next request. What is being answered is answered to its end.'
            : 'So nothing stands still while the new one is handed out. It can be ended sooner.'}
        </p>
      </Form>
    </Dialog>
  )
}

interface OldSecretsProps extends Pick<KeyDialogProps, 'api' | 'apiKey'> {
  readonly mayEnd: boolean
  readonly onEnded: (said: string) => void
}

/** The secrets of before that still work, and the way to end them. */
export function OldSecrets({ api, apiKey, mayEnd, onEnded }: OldSecretsProps) {
  const [isSure, setIsSure] = useState(false)
  const old = apiKey.status === 'active' ? (apiKey.old_secrets ?? []) : []
  if (old.length === 0) return null
  return (
    <div class="old-secrets">
      <ul>
        {old.map((secret) => (
          <li key={`${secret.made_at_ms} ${secret.ends_in}`}>
            <OldSecretBadge secret={secret} />
            <EndingIn secret={secret} />
          </li>
        ))}
      </ul>
      {mayEnd && (
        <button type="button" class="button" onClick={() => setIsSure(true)}>
          End now
        </button>
      )}
      {isSure && (
        <SureDialog
          title={`End the old secret${old.length === 1 ? '' : 's'} of ${apiKey.name}?`}
          action={old.length === 1 ? 'End it now' : 'End them now'}
          work={() => api.send('POST', `${keyPath(apiKey)}/rotate/finish`)}
          onClose={() => setIsSure(false)}
          onDone={() => onEnded('Only the latest secret works.')}
        >
          <p>Whoever has not changed to the new one yet is refused, a moment after their next request.</p>
        </SureDialog>
      )}
    </div>
  )
}

/** Which one it is, and whether anybody still has it. */
function EndingIn({ secret: { ends_in: end, last_used_ms: usedMs } }: { secret: ApiOldSecret }) {
  return (
    <span class="context">
      {end !== null && (
        <>
          {' '}
          the one that ends in <code>{end}</code>
        </>
      )}
      {usedMs === null && ', not used since'}
      {typeof usedMs === 'number' && <>, last used {<Instant atMs={usedMs} nowMs={Date.now()} />}</>}
    </span>
  )
}
