// Alerts: what came, and the channels that are told of it.
import { useState } from 'preact/hooks'
import { AlertHistory, useAlerts } from './alert-history.tsx'
import { AlertChannels } from './alert-channels.tsx'
import type { ApiChannels } from './alerts-data.ts'
import { useFeed } from './feed.ts'
import { type Desk, PageFrame } from './page-frame.tsx'

export function AlertsPage({ desk }: { readonly desk: Desk }) {
  const { api, isPaused } = desk
  const [kind, setKind] = useState('')
  const log = useAlerts(desk, { kind, keyId: null })
  const channels = useFeed({
    key: 'channels',
    load: (signal) => api.read<ApiChannels>('/admin/alert-channels', ['rows'], signal),
    isPaused,
  })
  return (
    <PageFrame desk={desk} title="Alerts" feeds={[log.feed, channels]}>
      <AlertChannels api={api} feed={channels} />
      <AlertHistory
        log={log}
        kind={kind}
        onKind={setKind}
        nothing="Nothing to tell yet. Every budget announces itself at 50, 80 and 100 per cent, unless its thresholds say otherwise: give a key a budget, and what crosses them stands here."
      />
    </PageFrame>
  )
}
