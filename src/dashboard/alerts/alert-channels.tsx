// The channels that are told of alerts: made, tried out, switched off and on, removed. Their secrets never come back.
import { useState } from 'preact/hooks'
import type { ApiChannel, ApiChannels, ApiChannelTest } from './alerts-data.ts'
import { kindText } from './alerts-data.ts'
import { type AdminApi, asFailure } from '../api.ts'
import { NewChannel } from './channel-dialog.tsx'
import type { Feed } from '../live/feed.ts'
import { Instant } from '../parts/figures.tsx'
import { formatDuration } from '../parts/format.ts'
import { Dialog, Form, useSending } from '../parts/forms.tsx'
import { Panel, Pending } from '../frame/panel.tsx'

interface AlertChannelsProps {
  readonly api: AdminApi
  readonly feed: Feed<ApiChannels>
  readonly mayChange: boolean
}

export function AlertChannels({ api, feed, mayChange }: AlertChannelsProps) {
  const [isMaking, setIsMaking] = useState(false)
  const rows = feed.data?.rows ?? null
  return (
    <Panel
      title="Channels"
      name="channels"
      aside={
        mayChange && (
          <button type="button" class="button" onClick={() => setIsMaking(true)}>
            Add a channel
          </button>
        )
      }
    >
      {rows === null && <Pending feed={feed} lines={3} />}
      {rows?.length === 0 && (
        <div class="teach">
          <p>Nobody is told of alerts yet: they stand below, and that is all.</p>
          <p class="muted">
            A channel is a webhook, a Slack channel or a mailbox. Add one, and try it out with its button.
          </p>
        </div>
      )}
      <ul class="channels">
        {rows?.map((channel) => (
          <Channel key={channel.id} api={api} channel={channel} mayChange={mayChange} onChanged={feed.refresh} />
        ))}
      </ul>
      {isMaking && <NewChannel api={api} onClose={() => setIsMaking(false)} onMade={feed.refresh} />}
    </Panel>
  )
}

interface ChannelProps {
  readonly api: AdminApi
  readonly channel: ApiChannel
  readonly mayChange: boolean
  readonly onChanged: () => void
}

interface Said {
  readonly tone: 'good' | 'bad'
  readonly text: string
}

/** What a channel's buttons do, one at a time, and what came of the last. */
function useChannel({ api, channel, onChanged }: ChannelProps) {
  const [said, setSaid] = useState<Said | null>(null)
  const [isBusy, setIsBusy] = useState(false)
  const path = pathOf(channel)
  async function doing(work: () => Promise<void>): Promise<void> {
    setIsBusy(true)
    setSaid(null)
    try {
      await work()
    } catch (thrown) {
      setSaid({ tone: 'bad', text: asFailure(thrown).message })
    } finally {
      setIsBusy(false)
    }
  }
  async function test(): Promise<void> {
    setSaid(saidOf(await api.send<ApiChannelTest>('POST', `${path}/test`)))
  }
  async function turn(): Promise<void> {
    await api.send('PATCH', path, { on: !channel.on })
    onChanged()
  }
  return { said, isBusy, test: () => void doing(test), turn: () => void doing(turn) }
}

function pathOf({ id }: ApiChannel): string {
  return `/admin/alert-channels/${encodeURIComponent(id)}`
}

function saidOf({ ok, status, saw, latency_ms: latencyMs }: ApiChannelTest): Said {
  const after = `${status === 0 ? '' : `${status} `}after ${formatDuration(latencyMs)}`
  if (ok) return { tone: 'good', text: `The test arrived: ${after}.` }
  return { tone: 'bad', text: `The test didn’t arrive: ${saw} (${after})` }
}

function Channel(props: ChannelProps) {
  const { channel, mayChange } = props
  const { said, isBusy, test, turn } = useChannel(props)
  const [isRemoving, setIsRemoving] = useState(false)
  return (
    <li class="channel">
      <div class="channel-what">
        <span>
          <span class="name">{channel.name}</span> <ChannelState channel={channel} />
        </span>
        <span class="context">
          {channel.kind} {channel.url ?? channel.address ?? channel.host ?? ''}
        </span>
        <span class="context">{wantedText(channel)}</span>
        <LastTold channel={channel} />
        <span role="status" class={said === null ? 'said' : `said ${said.tone}`}>
          {said?.text}
        </span>
      </div>
      {mayChange && (
        <div class="actions">
          <button type="button" class="button" disabled={isBusy} onClick={test}>
            {isBusy ? 'One moment…' : 'Test'}
            <span class="visually-hidden"> {channel.name}</span>
          </button>
          <button type="button" class="button" disabled={isBusy} onClick={turn}>
            {channel.on ? 'Switch off' : 'Switch on'}
            <span class="visually-hidden"> {channel.name}</span>
          </button>
          <button type="button" class="button danger-quiet" disabled={isBusy} onClick={() => setIsRemoving(true)}>
            Remove<span class="visually-hidden"> {channel.name}</span>
          </button>
        </div>
      )}
      {isRemoving && <RemoveDialog {...props} onClose={() => setIsRemoving(false)} />}
    </li>
  )
}

function RemoveDialog({ api, channel, onClose, onChanged }: ChannelProps & { readonly onClose: () => void }) {
  const sending = useSending()
  async function submit(): Promise<void> {
    const isDone = await sending.send(async () => {
      await api.send('DELETE', pathOf(channel))
    })
    if (!isDone) return
    onClose()
    onChanged()
  }
  return (
    <Dialog title={`Remove ${channel.name}?`} onClose={onClose}>
      <Form sending={sending} action="Remove it" tone="danger" onSubmit={() => void submit()}>
        <p>It isn’t told of anything any more, and its secret is forgotten. The history of alerts stays.</p>
      </Form>
    </Dialog>
  )
}

function ChannelState({ channel }: { channel: ApiChannel }) {
  if (!channel.on) return <span class="badge">off</span>
  if (channel.failing_since_ms !== null) return <span class="badge bad">failing</span>
  return <span class="badge good">on</span>
}

function LastTold({ channel }: { channel: ApiChannel }) {
  const { failing_since_ms: failingSinceMs, last_delivered_at_ms: deliveredAtMs, last_error: error } = channel
  if (failingSinceMs !== null) {
    return (
      <span class="context warned">
        Failing since <Instant atMs={failingSinceMs} nowMs={Date.now()} />
        {error !== null && `: ${error}`}
      </span>
    )
  }
  if (deliveredAtMs === null) return <span class="context">Nothing was delivered yet.</span>
  return (
    <span class="context">
      Last delivered <Instant atMs={deliveredAtMs} nowMs={Date.now()} />
    </span>
  )
}

function wantedText({ kinds, tenants, teams, keys }: ApiChannel): string {
  const what = kinds.length === 0 ? 'every alert' : kinds.map(kindText).join(', ')
  const parts = [
    [tenants.length, 'tenant'],
    [teams.length, 'team'],
    [keys.length, 'key'],
  ] as const
  const whose = parts.filter(([count]) => count > 0).map(([count, name]) => `${count} ${name}${count > 1 ? 's' : ''}`)
  return whose.length === 0 ? `Is told of ${what}` : `Is told of ${what}, about ${whose.join(', ')}`
}
