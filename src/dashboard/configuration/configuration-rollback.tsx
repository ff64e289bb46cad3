// The way back to a revision: what it would change is looked at before it is gone.
import { useState } from 'preact/hooks'
import { asFailure } from '../api.ts'
import { Changes } from './configuration-changes.tsx'
import type { ApiRevisions, ApiRolledBack } from './configuration-data.ts'
import { mayCall } from '../frame/me.ts'
import type { Desk } from '../frame/page-frame.tsx'

interface RollbackProps {
  readonly desk: Desk
  readonly revision: number
  readonly present: number
  onDone(): void
}

/** Nothing for who may not, and for the present revision. */
export function Rollback({ desk, revision, present, onDone }: RollbackProps) {
  const [back, setBack] = useState<ApiRolledBack | null>(null)
  const [said, setSaid] = useState('')
  if (!mayCall(desk.me, 'POST /configuration/rollback')) return null

  async function tried(work: () => Promise<void>): Promise<void> {
    setSaid('')
    try {
      await work()
    } catch (thrown) {
      setSaid(asFailure(thrown).message)
    }
  }
  const ask = (body: object) =>
    desk.api.send<ApiRolledBack>('POST', '/admin/configuration/rollback', { revision, ...body })
  // What is looked at is what is there at that moment; what is gone back over is what was looked at.
  const look = () =>
    tried(async () => {
      const path = '/admin/configuration/revisions?limit=1'
      const now = await desk.api.read<ApiRevisions>(path, ['rows'], new AbortController().signal)
      setBack(await ask({ expected_revision: now.revision, dry_run: true }))
    })
  const go = () =>
    tried(async () => {
      const { revision: made } = await ask({ expected_revision: back?.revision ?? present })
      setBack(null)
      setSaid(`The configuration is as in revision ${revision}, as revision ${made}.`)
      onDone()
    })
  return (
    <>
      {back === null && revision !== present && (
        <button type="button" class="button quiet" onClick={() => void look()}>
          Go back to {revision}…
        </button>
      )}
      {back !== null && (
        <div class="notice">
          <p>Going back to revision {revision} changes this:</p>
          <Changes changes={back.changes} />
          {back.left?.map((line) => (
            <p key={line}>{line}</p>
          ))}
          <div class="actions">
            <button type="button" class="button" onClick={() => void go()} disabled={back.changes.length === 0}>
              Go back
            </button>
            <button type="button" class="button quiet" onClick={() => setBack(null)}>
              Stay
            </button>
          </div>
        </div>
      )}
      <span role="status">{said}</span>
    </>
  )
}
