// A new channel for alerts: where to, and of what. A webhook's signing secret is made by the gateway and shown once.
import { useState } from 'preact/hooks'
import { ALERT_KINDS } from './alerts-data.ts'
import type { AdminApi } from '../api.ts'
import { CopyButton } from '../parts/copy-button.tsx'
import { Dialog, errorAt, Form, SelectField, TextField, useSending } from '../parts/forms.tsx'

const KINDS = [
  { value: 'webhook', text: 'Webhook' },
  { value: 'slack', text: 'Slack' },
  { value: 'email', text: 'Mail' },
] as const
type ChannelKind = (typeof KINDS)[number]['value']

interface NewChannelProps {
  readonly api: AdminApi
  readonly onClose: () => void
  readonly onMade: () => void
}

const SHOWN: ReadonlySet<string> = new Set(['name', 'url', 'address'])

export function NewChannel({ api, onClose, onMade }: NewChannelProps) {
  const [fields, setFields] = useState({ name: '', url: '', address: '', wanted: '' })
  const [kind, setKind] = useState<ChannelKind>('webhook')
  const [secret, setSecret] = useState<string | null>(null)
  const sending = useSending()
  const set = (name: keyof typeof fields) => (value: string) => setFields({ ...fields, [name]: value })
  async function submit(): Promise<void> {
    const where = kind === 'email' ? { address: fields.address.trim() } : { url: fields.url.trim() }
    const kinds = fields.wanted === '' ? {} : { kinds: [fields.wanted] }
    const isDone = await sending.send(async () => {
      const body = { name: fields.name.trim(), kind, ...where, ...kinds }
      const made = await api.send<{ readonly secret?: string }>('POST', '/admin/alert-channels', body)
      if (made.secret === undefined) onClose()
      else setSecret(made.secret)
    })
    if (isDone) onMade()
  }
  if (secret !== null) return <Made secret={secret} onClose={onClose} />
  return (
    <Dialog title="Add a channel" onClose={onClose}>
      <Form sending={sending} action="Add it" isShown={(field) => SHOWN.has(field)} onSubmit={() => void submit()}>
        <SelectField
          label="Kind"
          value={kind}
          options={KINDS}
          onValue={(value) => setKind(KINDS.find((one) => one.value === value)?.value ?? 'webhook')}
        />
        <TextField label="Name" value={fields.name} error={errorAt(sending.failure, 'name')} onValue={set('name')} />
        {kind === 'email' ? (
          <TextField
            label="Mail address"
            type="email"
            value={fields.address}
            error={errorAt(sending.failure, 'address')}
            onValue={set('address')}
          />
        ) : (
          <TextField
            label="URL"
            type="url"
            hint={
              kind === 'slack' ? 'The incoming webhook of a Slack channel. It is a secret: kept encrypted.' : URL_HINT
            }
            value={fields.url}
            error={errorAt(sending.failure, 'url')}
            onValue={set('url')}
          />
        )}
        <SelectField
          label="Tell it of"
          value={fields.wanted}
          options={[{ value: '', text: 'Every alert' }, ...ALERT_KINDS]}
          onValue={set('wanted')}
        />
      </Form>
    </Dialog>
  )
}

const URL_HINT = 'Gets a POST for each alert, signed as Standard Webhooks has it.'

function Made({ secret, onClose }: { secret: string; onClose: () => void }) {
  return (
    <Dialog title="The channel is added" onClose={onClose}>
      <p>
        <strong>Copy its signing secret now: it is shown this once.</strong> With it the receiver knows that a message
        is from here.
      </p>
      <div class="command">
        <pre tabIndex={0} aria-label="Signing secret">
          <code>{secret}</code>
        </pre>
        <CopyButton text={secret} />
      </div>
    </Dialog>
  )
}
