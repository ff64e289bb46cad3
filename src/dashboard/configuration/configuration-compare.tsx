// Any two revisions, or one and the present, compared: what leads from the one to the other.
import { useEffect, useState } from 'preact/hooks'
import { type ApiFailure, asFailure } from '../api.ts'
import { Changes } from './configuration-changes.tsx'
import {
  type ApiItemChange,
  type ApiRevisions,
  type ApiRevisionShown,
  countText,
  madeText,
  turnedRound,
} from './configuration-data.ts'
import { Rollback } from './configuration-rollback.tsx'
import { SelectField } from '../parts/forms.tsx'
import { formatInstant } from '../parts/format.ts'
import type { Desk } from '../frame/page-frame.tsx'
import { Nothing, Panel } from '../frame/panel.tsx'

interface CompareProps {
  readonly desk: Desk
  readonly revisions: ApiRevisions
  onDone(): void
}

/** Two sides: numbers of revisions, `present`, or '' for none yet. */
interface Sides {
  readonly from: string
  readonly to: string
}

const PRESENT = 'present'

export function CompareRevisions({ desk, revisions, onDone }: CompareProps) {
  const [sides, setSides] = useSides()
  const found = useChanges(desk, sides, revisions.revision)
  const { from, to } = sides
  const options = [
    { value: '', text: 'Choose one' },
    { value: PRESENT, text: 'What is there now' },
    ...revisions.rows.map((row) => ({
      value: String(row.revision),
      text: `Revision ${row.revision}: ${madeText(row)}, ${formatInstant(row.at_ms, Date.now())}`,
    })),
  ]
  const earlier = Number(from)
  return (
    <Panel title="Compare two" name="compare" isStale={found.isLoading}>
      <div class="field-row compared">
        <SelectField
          label="From"
          value={from}
          options={options.filter(({ value }) => value === '' || value !== to)}
          onValue={(value) => setSides({ ...sides, from: value })}
        />
        <SelectField
          label="To"
          value={to}
          options={options.filter(({ value }) => value === '' || value !== from)}
          onValue={(value) => setSides({ ...sides, to: value })}
        />
        <button
          type="button"
          class="button turn"
          disabled={from === '' || to === ''}
          onClick={() => setSides({ from: to, to: from })}
        >
          Turn round
        </button>
      </div>
      <div role="alert">{found.failure !== null && <p class="form-error">{found.failure.message}</p>}</div>
      {found.changes === null && found.failure === null && (
        <Nothing>
          {found.isLoading ? 'Loading…' : 'Choose two: what was made, changed and taken away stands here.'}
        </Nothing>
      )}
      {found.changes !== null && (
        <>
          <p role="status">{countText(found.changes)}</p>
          {found.changes.length > 0 && <Changes changes={found.changes} />}
          {Number.isInteger(earlier) && from !== '' && (
            <div class="revision-ways">
              <Rollback key={from} desk={desk} revision={earlier} present={revisions.revision} onDone={onDone} />
            </div>
          )}
        </>
      )}
    </Panel>
  )
}

interface Found {
  readonly changes: readonly ApiItemChange[] | null
  readonly failure: ApiFailure | null
  readonly isLoading: boolean
}

const NOTHING: Found = { changes: null, failure: null, isLoading: false }

/** Reads what leads from one side to the other, anew when the present moves on. */
function useChanges({ api }: Desk, { from, to }: Sides, present: number): Found {
  const [found, setFound] = useState<Found>(NOTHING)
  useEffect(() => {
    if (from === '' || to === '') return setFound(NOTHING)
    const abort = new AbortController()
    setFound((before) => ({ ...before, failure: null, isLoading: true }))
    // The API tells what leads to a revision that is kept; what leads to the present is that, turned round.
    const [asked, against] = to === PRESENT ? [from, to] : [to, from]
    const path = `/admin/configuration/revisions/${encodeURIComponent(asked)}?against=${encodeURIComponent(against)}`
    api.read<ApiRevisionShown>(path, [], abort.signal).then(
      ({ changes }) => {
        const told = changes ?? []
        setFound({ changes: to === PRESENT ? turnedRound(told) : told, failure: null, isLoading: false })
      },
      (thrown: unknown) => {
        if (!abort.signal.aborted) setFound({ changes: null, failure: asFailure(thrown), isLoading: false })
      },
    )
    return () => abort.abort()
  }, [from, to, present])
  return found
}

/** The sides, kept in the address. */
function useSides(): [Sides, (sides: Sides) => void] {
  const [sides, setSides] = useState<Sides>(() => {
    const asked = new URLSearchParams(location.search)
    const side = (name: string): string => (/^(?:\d{1,15}|present)$/.exec(asked.get(name) ?? '') ?? [''])[0] ?? ''
    return { from: side('from'), to: side('to') }
  })
  function show(next: Sides): void {
    const query = new URLSearchParams(Object.entries(next).filter(([, value]) => value !== ''))
    history.replaceState(null, '', query.size === 0 ? location.pathname : `${location.pathname}?${query}`)
    setSides(next)
  }
  return [sides, show]
}
