// One request's whole story, asked for by itself: the list may have only those of its attempts that were looked for.
import { useState } from 'preact/hooks'
import { asFailure } from '../api.ts'
import type { ApiRequests } from '../api-types.ts'
import { useFeed } from '../live/feed.ts'
import { Dialog } from '../parts/forms.tsx'
import { mayCall } from '../frame/me.ts'
import type { Desk } from '../frame/page-frame.tsx'
import { Pending } from '../frame/panel.tsx'
import { RequestDetail } from './request-detail.tsx'
import { gatherRequests } from './request-log.ts'

/** Attempts of one request that are shown at most. */
const ATTEMPTS_MAX = 100

interface StoryProps {
  readonly id: string
  readonly desk: Desk
  readonly onClose: () => void
}

export function RequestStory({ id, desk, onClose }: StoryProps) {
  const query = new URLSearchParams({ request: id, limit: String(ATTEMPTS_MAX) })
  const feed = useFeed({
    key: id,
    isPaused: desk.isPaused,
    changesWith: ['requests'],
    load: (signal) => desk.api.read<ApiRequests>(`/admin/requests?${query}`, ['rows'], signal),
  })
  const [request] = gatherRequests(feed.data?.rows ?? [])
  if (request === undefined) {
    return (
      <Dialog title="Request" onClose={onClose}>
        {feed.data === null ? <Pending feed={feed} /> : <p>This request is not in the ledger any more.</p>}
      </Dialog>
    )
  }
  return (
    <RequestDetail request={request} names={desk.names} onClose={onClose}>
      {mayCall(desk.me, 'GET /requests/:id/bodies') && <Bodies id={id} desk={desk} />}
    </RequestDetail>
  )
}

/** Asked for by hand only: who reads them is entered in the audit log. */
function Bodies({ id, desk }: Pick<StoryProps, 'id' | 'desk'>) {
  const [text, setText] = useState<string | null>(null)
  const [said, setSaid] = useState('')
  async function read(): Promise<void> {
    setSaid('One moment…')
    try {
      const path = `/admin/requests/${encodeURIComponent(id)}/bodies`
      setText(JSON.stringify(await desk.api.read(path, [], new AbortController().signal), null, 2))
      setSaid('')
    } catch (thrown) {
      setSaid(asFailure(thrown).message)
    }
  }
  return (
    <section>
      <h3>Prompt and reply</h3>
      {text === null && (
        <p>
          <button type="button" class="button quiet" onClick={() => void read()}>
            Show what was kept
          </button>{' '}
          <span class="muted">The audit log says who has looked.</span>
        </p>
      )}
      <p role="status">{said}</p>
      {text !== null && (
        <pre class="bodies" tabIndex={0} aria-label="Prompt and reply">
          {text}
        </pre>
      )}
    </section>
  )
}
