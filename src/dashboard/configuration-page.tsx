// The configuration as it was: the revisions that are kept, what each changed, and the way back to one.
import { useState } from 'preact/hooks'
import { asFailure } from './api.ts'
import {
  type ApiItemChange,
  type ApiRevision,
  type ApiRevisions,
  type ApiRevisionShown,
  type ApiRolledBack,
  changeText,
  madeText,
  valueText,
  watchText,
} from './configuration-data.ts'
import { useFeed } from './feed.ts'
import { Instant } from './figures.tsx'
import { mayCall } from './me.ts'
import { type Desk, PageFrame } from './page-frame.tsx'
import { Nothing, Panel, Pending } from './panel.tsx'

export function ConfigurationPage({ desk }: { readonly desk: Desk }) {
  const { api, isPaused } = desk
  const feed = useFeed({
    key: 'revisions',
    load: (signal) => api.read<ApiRevisions>('/admin/configuration/revisions', ['rows'], signal),
    isPaused,
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
  const [back, setBack] = useState<ApiRolledBack | null>(null)
  const [said, setSaid] = useState('')
  const mayGoBack = mayCall(desk.me, 'POST /configuration/rollback') && revision !== present

  async function tried(work: () => Promise<void>): Promise<void> {
    setSaid('')
    try {
      await work()
    } catch (thrown) {
      setSaid(asFailure(thrown).message)
    }
  }
  const show = () =>
    tried(async () => {
      const path = `/admin/configuration/revisions/${revision}`
      setShown((await desk.api.read<ApiRevisionShown>(path, [], new AbortController().signal)).changes ?? [])
    })
  const ask = (more: object) =>
    desk.api.send<ApiRolledBack>('POST', '/admin/configuration/rollback', {
      revision,
      expected_revision: present,
      ...more,
    })
  const look = () => tried(async () => setBack(await ask({ dry_run: true })))
  const go = () =>
    tried(async () => {
      const { revision: made } = await ask({})
      setBack(null)
      setSaid(`The configuration is as in revision ${revision}, as revision ${made}.`)
      onDone()
    })
  return (
    <li class="audit-entry">
      <p class="audit-head">
        <Instant atMs={row.at_ms} nowMs={Date.now()} /> <span class="name">Revision {revision}</span>{' '}
        <span>{madeText(row)}</span>
      </p>
      {row.reason !== null && <p>{row.reason}</p>}
      {row.watch !== null && <p class="context">{watchText(row.watch)}</p>}
      <p class="revision-ways">
        {shown === null && (
          <button type="button" class="button quiet" onClick={() => void show()}>
            What revision {revision} changed
          </button>
        )}
        {mayGoBack && back === null && (
          <button type="button" class="button quiet" onClick={() => void look()}>
            Go back to {revision}…
          </button>
        )}
      </p>
      {shown !== null && <Changes changes={shown} />}
      {back !== null && <Way back={back} revision={revision} onGo={() => void go()} onStay={() => setBack(null)} />}
      <span role="status">{said}</span>
    </li>
  )
}

interface WayProps {
  readonly back: ApiRolledBack
  readonly revision: number
  onGo(): void
  onStay(): void
}

/** What going back would change, before it does. */
function Way({ back, revision, onGo, onStay }: WayProps) {
  return (
    <div class="notice">
      <p>Going back to revision {revision} changes this:</p>
      <Changes changes={back.changes} />
      {back.left?.map((line) => (
        <p key={line}>{line}</p>
      ))}
      <button type="button" class="button" onClick={onGo} disabled={back.changes.length === 0}>
        Go back
      </button>{' '}
      <button type="button" class="button quiet" onClick={onStay}>
        Stay
      </button>
    </div>
  )
}

function Changes({ changes }: { readonly changes: readonly ApiItemChange[] }) {
  if (changes.length === 0) return <Nothing>Nothing that is kept.</Nothing>
  return (
    <dl class="diff">
      {changes.map((change) => (
        <div key={`${change.section} ${change.name}`}>
          <dt>{changeText(change)}</dt>
          <dd>
            {change.fields.map(({ field, before, after }) => (
              <p key={field}>
                {field} {before !== undefined && <del>{valueText(before)}</del>}{' '}
                {after !== undefined && <ins>{valueText(after)}</ins>}
              </p>
            ))}
          </dd>
        </div>
      ))}
    </dl>
  )
}
