// The limits of a key or of a team: all of them changed at once, or one of them raised for a while.
import { useState } from 'preact/hooks'
import type { AdminApi } from '../api.ts'
import type { ApiLimits } from '../api-types.ts'
import { Dialog, Form, sayingOf, SelectField, TextField, useSending } from '../parts/forms.tsx'
import { ruleText } from '../parts/limit-text.ts'
import { dateTimeText, instantOf } from '../parts/local-time.ts'
import { DAY_MS } from '../parts/ranges.ts'
import { draftsOf, type RuleDraft, writeLimits } from '../routes/rule-draft.ts'
import { isRuleField, RuleList } from '../routes/rule-fields.tsx'

/** Whose limits they are. */
export interface Limited {
  readonly name: string
  /** In the API. */
  readonly path: string
  readonly limits: ApiLimits
  /** Who else limits it, as `its team and its tenant`. */
  readonly above: string
}

interface LimitDialogProps {
  readonly api: AdminApi
  readonly of: Limited
  readonly onClose: () => void
  /** Called when the limits have changed. */
  readonly onDone: (said: string) => void
}

/** All limits of its own, thresholds included. */
export function LimitsDialog({ api, of, onClose, onDone }: LimitDialogProps) {
  const [drafts, setDrafts] = useState(() => draftsOf(of.limits, new Date().toISOString().slice(0, 10)))
  const [places, setPlaces] = useState<ReadonlyMap<number, string>>(new Map())
  const sending = useSending()
  async function submit(): Promise<void> {
    const written = writeLimits(drafts)
    setPlaces(written.places)
    const isDone = await sending.send(async () => {
      await api.send('PATCH', of.path, { limits: written.limits })
    })
    if (isDone) onDone('The limits are changed.')
  }
  return (
    <Dialog title={`Limits of ${of.name}`} isWide onClose={onClose}>
      <p class="muted">Those of {of.above} hold beside these: a request has to fit all of them.</p>
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

/** More of one limit until an instant; then it is as before, without anybody's doing. */
export function IncreaseDialog({ api, of, onClose, onDone }: LimitDialogProps) {
  const drafts = draftsOf(of.limits, new Date().toISOString().slice(0, 10))
  const [chosen, setChosen] = useState(String(drafts[0]?.id ?? ''))
  const [by, setBy] = useState('')
  const [until, setUntil] = useState(() => dateTimeText(Date.now() + DAY_MS))
  const sending = useSending()
  const draft = drafts.find(({ id }) => String(id) === chosen)
  async function submit(): Promise<void> {
    const increase = { by, until: instantOf(until) }
    const after = drafts.map((one): RuleDraft => (String(one.id) === chosen ? { ...one, increase } : one))
    const isDone = await sending.send(async () => {
      await api.send('PATCH', of.path, { limits: writeLimits(after).limits })
    })
    if (isDone) onDone('The limit is raised.')
  }
  const field = sending.failure?.field ?? ''
  const isUntil = field.endsWith('increase.until')
  const isBy = field.includes('increase') && !isUntil
  if (draft === undefined) {
    return (
      <Dialog title={`Raise a limit of ${of.name}`} onClose={onClose}>
        <p>It has no limit of its own to raise. Those of {of.above} are raised there.</p>
      </Dialog>
    )
  }
  return (
    <Dialog title={`Raise a limit of ${of.name}`} onClose={onClose}>
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
