// Sessions that are open: one's own, and for who looks after everything those of others.
import { useState } from 'preact/hooks'
import type { ApiRows, ApiSession } from './access-data.ts'
import type { Feed } from '../live/feed.ts'
import { Instant } from '../parts/figures.tsx'
import { grantText } from '../frame/me.ts'
import type { Desk } from '../frame/page-frame.tsx'
import { Nothing, Panel, Pending } from '../frame/panel.tsx'
import { SureDialog } from '../parts/sure-dialog.tsx'

interface SessionsProps {
  readonly desk: Desk
  readonly feed: Feed<ApiRows<ApiSession>>
}

export function Sessions({ desk, feed }: SessionsProps) {
  const rows = feed.data?.rows ?? null
  return (
    <Panel title="Sessions" name="sessions">
      {rows === null && <Pending feed={feed} lines={3} />}
      {rows?.length === 0 && <Nothing>Nobody is signed in with a provider.</Nothing>}
      <ul class="access-list">
        {rows?.map((session) => (
          <Session key={session.id} desk={desk} session={session} onChanged={feed.refresh} />
        ))}
      </ul>
    </Panel>
  )
}

function Session({ desk, session, onChanged }: { desk: Desk; session: ApiSession; onChanged: () => void }) {
  const [isEnding, setIsEnding] = useState(false)
  const nowMs = Date.now()
  return (
    <li class="access-line">
      <div class="access-what">
        <span>
          <span class="name">{session.who}</span> {session.is_own && <span class="badge good">this one</span>}
        </span>
        <span>{grantText(session, desk.names)}</span>
        <span class="context">
          Since <Instant atMs={session.created_at_ms} nowMs={nowMs} />, last seen{' '}
          <Instant atMs={session.seen_at_ms} nowMs={nowMs} />
          {session.address !== null && `, from ${session.address}`}
        </span>
      </div>
      <div class="actions">
        <button type="button" class="button danger-quiet" onClick={() => setIsEnding(true)}>
          End<span class="visually-hidden"> the session of {session.who}</span>
        </button>
      </div>
      {isEnding && (
        <SureDialog
          title={`End the session of ${session.who}?`}
          action="End it"
          work={() => desk.api.send('DELETE', `/admin/access/sessions/${encodeURIComponent(session.id)}`)}
          onClose={() => setIsEnding(false)}
          onDone={onChanged}
        >
          <p>It opens nothing any more, at once. Who has a role can sign in again.</p>
        </SureDialog>
      )}
    </li>
  )
}
