// A canary is begun, or gets another share: how much of the traffic, how soon, and beyond what it is taken back by itself.
import { useEffect, useState } from 'preact/hooks'
import { asFailure, type Tagged } from '../api.ts'
import type { ApiRoute } from '../api-types.ts'
import { Dialog, errorAt, Form, SelectField, TextField, useSending } from '../parts/forms.tsx'
import type { Desk } from '../frame/page-frame.tsx'
import { bodyOf, canaryOf, type CanaryPlan, withCanary } from './route-edit.ts'
import { isConflict, routePath } from './route-order.tsx'

interface CanaryDialogProps {
  readonly desk: Desk
  readonly route: ApiRoute
  readonly onClose: () => void
  readonly onDone: (said: string) => void
}

interface CanaryDraft {
  readonly target: string
  readonly percent: string
  readonly overMinutes: string
  readonly isWatched: boolean
  readonly errorPercent: string
  readonly requests: string
  readonly windowMinutes: string
}

interface Problem {
  readonly field: keyof CanaryDraft
  readonly text: string
}

export function CanaryDialog({ desk, route, onClose, onDone }: CanaryDialogProps) {
  const targets = desk.overview.data?.targets ?? []
  const known = canaryOf(route, Date.now())
  const [draft, setDraft] = useState<CanaryDraft>(() =>
    draftOf(
      route,
      targets.map(({ id }) => id),
    ),
  )
  const [seen, setSeen] = useState<Tagged<ApiRoute> | null>(null)
  const [problem, setProblem] = useState<Problem | null>(null)
  const sending = useSending()
  async function read(): Promise<void> {
    setSeen(await api.readTagged<ApiRoute>(routePath(route.id), new AbortController().signal))
  }
  const { api } = desk
  useEffect(() => {
    void read().catch(() => undefined)
  }, [])
  async function submit(): Promise<void> {
    const plan = planOf(draft)
    if ('field' in plan) return setProblem(plan)
    setProblem(null)
    const isDone = await sending.send(async () => {
      const now = seen ?? (await api.readTagged<ApiRoute>(routePath(route.id), new AbortController().signal))
      try {
        await api.send('PATCH', routePath(route.id), bodyOf(withCanary(now.data, plan, Date.now())), now.etag)
      } catch (thrown) {
        const failure = asFailure(thrown)
        if (!isConflict(failure)) throw failure
        await read()
        throw new Error(
          'Somebody else changed this route meanwhile, and nothing was saved. Look at it, then send it again.',
          { cause: thrown },
        )
      }
    })
    if (isDone) onDone(`${draft.target} gets ${draft.percent} % of ${route.model}.`)
  }
  return (
    <Dialog title={known === null ? `A canary for ${route.model}` : `The share of ${known.target}`} onClose={onClose}>
      <p class="muted">
        A part of the requests goes to the canary; where it fails, what serves now answers instead. Shares are drawn
        anew for each request.
      </p>
      <Form sending={sending} action={known === null ? 'Start it' : 'Change it'} onSubmit={() => void submit()}>
        {known === null && (
          <SelectField
            label="Target"
            value={draft.target}
            options={targets.map((one) => ({ value: one.id, text: `${one.name ?? one.id} (${one.provider})` }))}
            error={errorAt(sending.failure, 'group')}
            onValue={(target) => setDraft({ ...draft, target })}
          />
        )}
        <CanaryFields draft={draft} problem={problem} onDraft={setDraft} />
      </Form>
    </Dialog>
  )
}

interface CanaryFieldsProps {
  readonly draft: CanaryDraft
  readonly problem: Problem | null
  readonly onDraft: (draft: CanaryDraft) => void
}

function CanaryFields({ draft, problem, onDraft }: CanaryFieldsProps) {
  const text = (name: 'percent' | 'overMinutes' | 'errorPercent' | 'requests' | 'windowMinutes') => ({
    value: draft[name],
    error: problem?.field === name ? problem.text : null,
    onValue: (value: string) => onDraft({ ...draft, [name]: value }),
  })
  return (
    <>
      <div class="field-row">
        <TextField label="Share, in per cent" inputMode="decimal" {...text('percent')} />
        <TextField label="Grown to over minutes" inputMode="numeric" hint="0: at once." {...text('overMinutes')} />
      </div>
      <SelectField
        label="When it fails"
        value={draft.isWatched ? 'watch' : 'leave'}
        options={[
          { value: 'watch', text: 'Take it back by itself' },
          { value: 'leave', text: 'Leave that to people' },
        ]}
        onValue={(value) => onDraft({ ...draft, isWatched: value === 'watch' })}
      />
      {draft.isWatched && (
        <div class="field-row">
          <TextField label="Beyond % errors" inputMode="decimal" {...text('errorPercent')} />
          <TextField label="Of calls, at least" inputMode="numeric" {...text('requests')} />
          <TextField label="Within minutes" inputMode="numeric" {...text('windowMinutes')} />
        </div>
      )}
    </>
  )
}

function draftOf(route: ApiRoute, targets: readonly string[]): CanaryDraft {
  const known = canaryOf(route, Date.now())
  const watch = known?.watch ?? null
  const share = known?.grows?.toShare ?? known?.share ?? 0
  const first = targets.find((id) => !(route.targets ?? []).includes(id)) ?? targets[0] ?? ''
  return {
    target: known?.target ?? first,
    percent: share === 0 ? '10' : String(Number((100 * share).toFixed(2))),
    overMinutes: '0',
    isWatched: known === null || known.isOut || watch !== null,
    errorPercent: watch === null ? '20' : String(100 * watch.max_error_rate),
    requests: String(watch?.min_requests ?? 50),
    windowMinutes: String(watch?.window_minutes ?? 15),
  }
}

/** What is meant, or which field says nothing that can be meant. */
function planOf(draft: CanaryDraft): CanaryPlan | Problem {
  const share = numberOf(draft.percent) / 100
  if (!(share > 0 && share <= 0.99)) return { field: 'percent', text: 'Must be a number from above 0 to 99.' }
  const overMinutes = numberOf(draft.overMinutes)
  if (!(overMinutes >= 0 && overMinutes <= 100_000))
    return { field: 'overMinutes', text: 'Must be a number of minutes.' }
  if (!draft.isWatched) return { target: draft.target, share, overMinutes, watch: null }
  const rate = numberOf(draft.errorPercent) / 100
  if (!(rate >= 0 && rate < 1)) return { field: 'errorPercent', text: 'Must be from 0 to less than 100.' }
  const requests = numberOf(draft.requests)
  if (!(Number.isInteger(requests) && requests >= 1)) return { field: 'requests', text: 'Must be a whole number.' }
  const minutes = numberOf(draft.windowMinutes)
  if (!(Number.isInteger(minutes) && minutes >= 1 && minutes <= 60)) {
    return { field: 'windowMinutes', text: 'Must be a whole number from 1 to 60.' }
  }
  const watch = { max_error_rate: Number(rate.toFixed(6)), min_requests: requests, window_minutes: minutes }
  return { target: draft.target, share, overMinutes, watch }
}

function numberOf(text: string): number {
  return text.trim() === '' ? Number.NaN : Number(text.trim().replace(',', '.'))
}
