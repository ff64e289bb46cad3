// The form of alert rules: each kind on or off, with its bounds.
import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { type ApiAlertRules, draftOfRules, type RulesDraft, rulesPath, writeRules } from './alert-rules-data.ts'
import type { AdminApi } from '../api.ts'
import { Dialog, errorAt, Form, TextField, useSending } from '../parts/forms.tsx'

interface AlertRulesDialogProps {
  readonly api: AdminApi
  /** Null for everybody. */
  readonly owner: string | null
  readonly name: string
  readonly rules: ApiAlertRules
  readonly onClose: () => void
  readonly onDone: () => void
}

/** The API's field of each text. */
const FIELDS = {
  errorPercent: 'error_rate.percent',
  minCalls: 'error_rate.min_calls',
  minutes: 'provider_down.minutes',
  forecastPercent: 'forecast.percent',
  factor: 'anomaly.factor',
  minUsd: 'anomaly.min_usd',
} as const
const SHOWN: ReadonlySet<string> = new Set(Object.values(FIELDS))

export function AlertRulesDialog({ api, owner, name, rules, onClose, onDone }: AlertRulesDialogProps) {
  const [draft, setDraft] = useState<RulesDraft>(() => draftOfRules(rules))
  const sending = useSending()
  async function submit(): Promise<void> {
    const isDone = await sending.send(async () => {
      await api.send('PUT', rulesPath(owner), writeRules(draft, owner))
    })
    if (isDone) onDone()
  }
  const text = (field: keyof typeof FIELDS) => ({
    value: draft[field],
    error: errorAt(sending.failure, FIELDS[field]),
    onValue: (value: string) => setDraft({ ...draft, [field]: value }),
  })
  const rule = (kind: keyof ApiAlertRules) => ({
    isOn: draft.on[kind],
    onToggle: (isOn: boolean) => setDraft({ ...draft, on: { ...draft.on, [kind]: isOn } }),
  })
  return (
    <Dialog title={`Alert rules for ${name}`} isWide onClose={onClose}>
      <Form
        sending={sending}
        action="Save the rules"
        isShown={(field) => SHOWN.has(field)}
        onSubmit={() => void submit()}
      >
        <Rule title="Many errors within five minutes" {...rule('error_rate')}>
          <TextField label="Per cent of calls" inputMode="numeric" {...text('errorPercent')} />
          <TextField label="Of calls, at least" inputMode="numeric" {...text('minCalls')} />
        </Rule>
        {owner === null && (
          <Rule title="A provider does nothing but fail" {...rule('provider_down')}>
            <TextField label="For minutes" inputMode="numeric" {...text('minutes')} />
          </Rule>
        )}
        <Rule title="A model is used whose price nobody knows" {...rule('unknown_price')} />
        <Rule title="A month’s budget is forecast to be used" {...rule('forecast')}>
          <TextField label="To per cent" inputMode="numeric" {...text('forecastPercent')} />
        </Rule>
        <Rule title="An hour of a key costs more than usual" {...rule('anomaly')}>
          <TextField label="Times the usual" inputMode="numeric" {...text('factor')} />
          <TextField label="And at least, in US dollars" inputMode="decimal" {...text('minUsd')} />
        </Rule>
      </Form>
    </Dialog>
  )
}

interface RuleProps {
  readonly title: string
  readonly isOn: boolean
  readonly onToggle: (isOn: boolean) => void
  readonly children?: ComponentChildren
}

function Rule({ title, isOn, onToggle, children }: RuleProps) {
  return (
    <fieldset class="rule">
      <legend class="visually-hidden">{title}</legend>
      <label class="choice">
        <input type="checkbox" checked={isOn} onChange={(event) => onToggle(event.currentTarget.checked)} />
        <strong>{title}</strong>
      </label>
      {isOn && children !== undefined && <div class="field-row">{children}</div>}
    </fieldset>
  )
}
