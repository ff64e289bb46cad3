// The configuration as it was: the revisions that are kept, what each changed, what differs between any two, and the way back.
import { useState } from 'preact/hooks'
import { asFailure } from '../api.ts'
import { Changes } from './configuration-changes.tsx'
import { CompareRevisions } from './configuration-compare.tsx'
import {
  type ApiItemChange,
  type ApiRevision,
  type ApiRevisions,
  type ApiRevisionShown,
  madeText,
  watchText,
} from './configuration-data.ts'
import { useFeed } from '../live/feed.ts'
import { Instant } from '../parts/figures.tsx'
import { Rollback } from './configuration-rollback.tsx'
import { type Desk, PageFrame } from '../frame/page-frame.tsx'
import { Nothing, Panel, Pending } from '../frame/panel.tsx'

export function ConfigurationPage({ desk }: { readonly desk: Desk }) {
  const { api, isPaused } = desk
  const feed = useFeed({
    key: 'revisions',
    load: (signal) => api.read<ApiRevisions>('/admin/configuration/revisions', ['rows'], signal),
    isPaused,
    changesWith: ['configuration'],
  })
  const rows = feed.data?.rows ?? []
  return (
    <PageFrame desk={desk} title="Configuration" feeds={[feed]}>
      <Panel
        title="Revisions"
        name="revisions"
        aside={feed.data && <span class="context">Present: {feed.data.revision}</span>}
      >
        {feed.data === null && <Pending feed={feed} lines={6} />}
        {feed.data !== null && rows.length === 0 && (
          <Nothing>None yet: what is applied from a file, with npx tidegate apply, is kept here.</Nothing>
        )}
        <ol class="audit-list">
          {rows.map((row) => (
            <Revision
              key={row.revision}
              row={row}
              desk={desk}
              present={feed.data?.revision ?? 0}
              onDone={feed.refresh}
            />
          ))}
        </ol>
      </Panel>
      {feed.data !== null && rows.length > 0 && (
        <CompareRevisions desk={desk} revisions={feed.data} onDone={feed.refresh} />
      )}
    </PageFrame>
  )
}

interface RevisionProps {
  readonly row: ApiRevision
  readonly desk: Desk
  readonly present: number
  onDone(): void
}

function Revision({ row, desk, present, onDone }: RevisionProps) {
  const { revision } = row
  const [shown, setShown] = useState<readonly ApiItemChange[] | null>(null)
  const [problem, setProblem] = useState('')

  async function show(): Promise<void> {
    setProblem('')
    try {
      const path = `/admin/configuration/revisions/${revision}`
      setShown((await desk.api.read<ApiRevisionShown>(path, [], new AbortController().signal)).changes ?? [])
    } catch (thrown) {
      setProblem(asFailure(thrown).message)
    }
  }
  return (
    <li class="audit-entry">
      <p class="audit-head">
        <Instant atMs={row.at_ms} nowMs={Date.now()} /> <span class="name">Revision {revision}</span>{' '}
        <span>{madeText(row)}</span>
      </p>
      {row.reason !== null && <p>{row.reason}</p>}
      {row.watch !== null && <p class="context">{watchText(row.watch)}</p>}
      <div class="revision-ways">
        {shown === null && (
          <button type="button" class="button quiet" onClick={() => void show()}>
            What revision {revision} changed
          </button>
        )}
        <Rollback desk={desk} revision={revision} present={present} onDone={onDone} />
      </div>
      {shown !== null && <Changes changes={shown} />}
      <div role="alert">{problem !== '' && <p class="form-error">{problem}</p>}</div>
    </li>
  )
}
