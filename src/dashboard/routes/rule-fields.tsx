// The fields of one limit in a form, and the list of them.
import type { ApiFailure } from '../api.ts'
import { sayingOf, SelectField, TextField } from '../parts/forms.tsx'
import { blankDraft, controlOf, type RuleDraft, type RuleKind, type WrittenLimits } from './rule-draft.ts'

interface RuleListProps {
  readonly drafts: readonly RuleDraft[]
  readonly failure: ApiFailure | null
  /** Where the drafts stood in what was sent last. */
  readonly places: WrittenLimits['places']
  /** What is said where there is none. */
  readonly nothing?: string
  /** Whether somebody is told of what a budget has used. */
  readonly hasAlerts?: boolean
  readonly onDrafts: (drafts: readonly RuleDraft[]) => void
}

const KIND_WORDS: Readonly<Record<RuleKind, string>> = {
  budget: 'Budget',
  rate: 'Rate',
  concurrency: 'Requests at once',
}
const KINDS = ['budget', 'rate', 'concurrency'] as const

/** All limits of a key, each with its fields, and ways to add one. */
export function RuleList({ drafts, failure, places, nothing = ONLY_ABOVE, hasAlerts = true, onDrafts }: RuleListProps) {
  function add(kind: RuleKind): void {
    const id = Math.max(-1, ...drafts.map((draft) => draft.id)) + 1
    onDrafts([...drafts, blankDraft(id, kind, new Date().toISOString().slice(0, 10))])
  }
  return (
    <div class="rules">
      {drafts.length === 0 && <p class="hint">{nothing}</p>}
      {drafts.map((draft) => (
        <RuleFields
          key={draft.id}
          draft={draft}
          hasAlerts={hasAlerts}
          errors={errorsOf(failure, places.get(draft.id), draft, places)}
          onDraft={(next) => onDrafts(drafts.map((one) => (one.id === draft.id ? next : one)))}
          onRemove={() => onDrafts(drafts.filter((one) => one.id !== draft.id))}
        />
      ))}
      <div class="rules-add">
        {KINDS.map((kind) => (
          <button key={kind} type="button" class="button" onClick={() => add(kind)}>
            Add {KIND_WORDS[kind].toLowerCase()}
          </button>
        ))}
      </div>
    </div>
  )
}

const ONLY_ABOVE = 'No limit of its own: only those above it hold. Add one below.'

type Errors = Partial<Record<keyof RuleDraft, string>>

/** Whether a field that the API names is shown at one of the drafts. */
export function isRuleField(field: string, places: WrittenLimits['places']): boolean {
  return [...places.values()].some((place) => field.startsWith(place)) && !isOfAll(field)
}

/** Two limits of one kind, say: no single one is wrong. */
function isOfAll(field: string): boolean {
  return field === 'limits' || field === 'limits.rules'
}

function errorsOf(
  failure: ApiFailure | null,
  place: string | undefined,
  draft: RuleDraft,
  places: WrittenLimits['places'],
): Errors {
  const field = failure?.field ?? null
  if (failure === null || field === null || place === undefined || !field.startsWith(place)) return {}
  // The plain rate stands among the limits themselves, where the others have places of their own.
  const isOthers = [...places].some(
    ([id, other]) => id !== draft.id && other.length > place.length && field.startsWith(other),
  )
  if (isOthers || isOfAll(field)) return {}
  return { [controlOf(field.slice(place.length))]: sayingOf(failure) }
}

interface RuleFieldsProps {
  readonly draft: RuleDraft
  readonly hasAlerts: boolean
  readonly errors: Errors
  readonly onDraft: (draft: RuleDraft) => void
  readonly onRemove: () => void
}

const UNITS = [
  { value: 'tokens', text: 'tokens' },
  { value: 'input_tokens', text: 'input tokens' },
  { value: 'output_tokens', text: 'output tokens' },
  { value: 'requests', text: 'requests' },
] as const
const PERIODS = [
  { value: 'hour', text: 'every hour' },
  { value: 'day', text: 'every day' },
  { value: 'week', text: 'every week' },
  { value: 'month', text: 'every month' },
  { value: 'days', text: 'every … days' },
] as const

function RuleFields({ draft, hasAlerts, errors, onDraft, onRemove }: RuleFieldsProps) {
  const text = (name: 'amount' | 'burst' | 'everyDays' | 'from' | 'model' | 'alerts') => ({
    value: draft[name],
    error: errors[name] ?? null,
    onValue: (value: string) => onDraft({ ...draft, [name]: value }),
  })
  return (
    <fieldset class="rule">
      <legend>{KIND_WORDS[draft.kind]}</legend>
      <div class="field-row">
        {draft.kind === 'budget' && <BudgetFields draft={draft} errors={errors} onDraft={onDraft} />}
        {draft.kind === 'rate' && (
          <>
            <TextField label="Per minute" inputMode="numeric" {...text('amount')} />
            <SelectField
              label="Of"
              value={draft.unit}
              options={UNITS}
              onValue={(value) => {
                const unit = UNITS.find((one) => one.value === value)?.value
                if (unit !== undefined) onDraft({ ...draft, unit })
              }}
            />
            <TextField label="At once" inputMode="numeric" placeholder="a minute’s worth" {...text('burst')} />
          </>
        )}
        {draft.kind === 'concurrency' && <TextField label="At most" inputMode="numeric" {...text('amount')} />}
        <TextField label="Models" placeholder="all" {...text('model')} />
      </div>
      {draft.kind === 'budget' && hasAlerts && (
        <TextField
          label="Alert at per cent"
          hint="Each is announced once a window, when so much is used."
          {...text('alerts')}
        />
      )}
      {draft.increase !== null && (
        <p class={errors.increase === undefined ? 'hint' : 'field-error'}>
          {errors.increase ??
            `Raised by ${draft.increase.by} until ${new Date(draft.increase.until).toLocaleString()}.`}{' '}
          <button type="button" class="button quiet small" onClick={() => onDraft({ ...draft, increase: null })}>
            End the increase
          </button>
        </p>
      )}
      <button type="button" class="button quiet small rule-remove" onClick={onRemove}>
        Remove<span class="visually-hidden"> this {KIND_WORDS[draft.kind].toLowerCase()}</span>
      </button>
    </fieldset>
  )
}

function BudgetFields({ draft, errors, onDraft }: Omit<RuleFieldsProps, 'onRemove' | 'hasAlerts'>) {
  return (
    <>
      <TextField
        label="US dollars"
        inputMode="decimal"
        placeholder="25.00"
        value={draft.amount}
        error={errors.amount ?? null}
        onValue={(amount) => onDraft({ ...draft, amount })}
      />
      <SelectField
        label="Again"
        value={draft.period}
        options={PERIODS}
        error={errors.period ?? null}
        onValue={(value) => {
          const period = PERIODS.find((one) => one.value === value)?.value
          if (period !== undefined) onDraft({ ...draft, period })
        }}
      />
      {draft.period === 'days' && (
        <>
          <TextField
            label="Days"
            inputMode="numeric"
            value={draft.everyDays}
            error={errors.everyDays ?? null}
            onValue={(everyDays) => onDraft({ ...draft, everyDays })}
          />
          <TextField
            label="From"
            type="date"
            value={draft.from}
            error={errors.from ?? null}
            onValue={(from) => onDraft({ ...draft, from })}
          />
        </>
      )}
    </>
  )
}
