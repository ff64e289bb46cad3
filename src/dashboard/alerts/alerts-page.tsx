// Alerts: what they are, the channels that are told of them, and what came.
import { useState } from 'preact/hooks'
import { AlertHistory, useAlerts } from './alert-history.tsx'
import { AlertChannels } from './alert-channels.tsx'
import { AlertRules } from './alert-rules.tsx'
import type { ApiChannels } from './alerts-data.ts'
import { useFeed } from '../live/feed.ts'
import { mayCall } from '../frame/me.ts'
import { type Desk, PageFrame } from '../frame/page-frame.tsx'

export function AlertsPage({ desk }: { readonly desk: Desk }) {
  const { api, isPaused, me } = desk
  const maySee = mayCall(me, 'GET /alert-channels')
  const [kind, setKind] = useState('')
  const log = useAlerts(desk, { kind, keyId: null })
  const channels = useFeed({
    key: `channels ${maySee}`,
    load: async (signal) => (maySee ? api.read<ApiChannels>('/admin/alert-channels', ['rows'], signal) : { rows: [] }),
    isPaused,
    isAwaiting: me === null,
    changesWith: ['alerts', 'configuration'],
  })
  return (
    <PageFrame desk={desk} title="Alerts" feeds={[log.feed, channels]}>
      {maySee && <AlertChannels api={api} feed={channels} mayChange={mayCall(me, 'POST /alert-channels')} />}
      <AlertRules desk={desk} />
      <AlertHistory
        log={log}
        kind={kind}
        onKind={setKind}
        nothing="Nothing to tell yet. Every budget announces itself at 50, 80 and 100 per cent, unless its thresholds say otherwise: give a key a budget, and what crosses them stands here."
      />
    </PageFrame>
  )
}
