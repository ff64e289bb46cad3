// What each end user of a team or of a key is held to by itself: shown, and changed in a dialog.
import { useState } from 'preact/hooks'
import type { AdminApi } from '../api.ts'
import type { ApiRule } from '../api-types.ts'
import { Dialog, Form, useSending } from '../parts/forms.tsx'
import { ruleText } from '../parts/limit-text.ts'
import { Nothing, Panel } from '../frame/panel.tsx'
import { draftsOf, writeRules } from '../routes/rule-draft.ts'
import { isRuleField, RuleList } from '../routes/rule-fields.tsx'

interface UserLimitsProps {
  readonly api: AdminApi
  readonly of: {
    readonly name: string
    /** In the API. */
    readonly path: string
    readonly rules: readonly ApiRule[]
  }
  readonly mayChange: boolean
  /** Called when they have changed. */
  readonly onDone: (said: string) => void
}

export function UserLimits({ api, of, mayChange, onDone }: UserLimitsProps) {
  const [isOpen, setIsOpen] = useState(false)
  const drafts = draftsFrom(of.rules)
  const change = mayChange && (
    <button type="button" class="button quiet" onClick={() => setIsOpen(true)}>
      Change<span class="visually-hidden"> what each end user may</span>
    </button>
  )
  return (
    <Panel title="Each end user" name="user-limits" aside={change}>
      {drafts.length === 0 ? (
        <Nothing>Nothing limits its end users one by one, but what their tenant sets for each of them.</Nothing>
      ) : (
        <ul class="team-limits">
          {drafts.map((draft) => (
            <li key={draft.id}>
              <p>{ruleText(draft)}</p>
            </li>
          ))}
        </ul>
      )}
      {isOpen && (
        <UserLimitsDialog
          {...{ api, of, mayChange }}
          onClose={() => setIsOpen(false)}
          onDone={(said) => {
            setIsOpen(false)
            onDone(said)
          }}
        />
      )}
    </Panel>
  )
}

function draftsFrom(rules: readonly ApiRule[]) {
  return draftsOf({ tokens_per_minute: null, budget: null, rules }, new Date().toISOString().slice(0, 10))
}

function UserLimitsDialog({ api, of, onClose, onDone }: UserLimitsProps & { readonly onClose: () => void }) {
  const [drafts, setDrafts] = useState(() => draftsFrom(of.rules))
  const [places, setPlaces] = useState<ReadonlyMap<number, string>>(new Map())
  const sending = useSending()
  async function submit(): Promise<void> {
    const written = writeRules(drafts, 'end_user_limits')
    setPlaces(written.places)
    const isDone = await sending.send(async () => {
      await api.send('PATCH', of.path, { end_user_limits: written.rules })
    })
    if (isDone) onDone('What each end user may is changed.')
  }
  return (
    <Dialog title={`Each end user of ${of.name}`} isWide onClose={onClose}>
      <p class="muted">
        Everybody whom requests name as their user has these by themselves, beside the limits of {of.name} itself.
      </p>
      <Form
        sending={sending}
        action="Save limits"
        isShown={(field) => isRuleField(field, places)}
        onSubmit={() => void submit()}
      >
        <RuleList
          {...{ drafts, places }}
          failure={sending.failure}
          hasAlerts={false}
          nothing="No limit for each end user. Add one below."
          onDrafts={setDrafts}
        />
      </Form>
    </Dialog>
  )
}
