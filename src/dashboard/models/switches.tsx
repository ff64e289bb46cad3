// Kill switches: what is out of service, since when and why; taken out, and put back.
import { useState } from 'preact/hooks'
import { Instant } from '../parts/figures.tsx'
import type { Feed } from '../live/feed.ts'
import { Dialog, errorAt, Form, SelectField, TextField, useSending } from '../parts/forms.tsx'
import { KeyField } from '../keys/key-field.tsx'
import { mayCall } from '../frame/me.ts'
import { type ApiSwitch, type ApiSwitches, SWITCH_KINDS, type SwitchKind } from './models-data.ts'
import type { Desk } from '../frame/page-frame.tsx'
import { Panel, Pending } from '../frame/panel.tsx'

interface SwitchesProps {
  readonly desk: Desk
  readonly feed: Feed<ApiSwitches>
  /** Names that may be switched off. */
  readonly models: readonly string[]
}

export function Switches({ desk, feed, models }: SwitchesProps) {
  const [isAsking, setIsAsking] = useState(false)
  const [putBack, setPutBack] = useState<ApiSwitch | null>(null)
  const [said, setSaid] = useState('')
  const rows = feed.data?.rows ?? null
  const may = mayCall(desk.me, 'PUT /switches/:kind/:id{.+}')
  function onDone(what: string): void {
    setIsAsking(false)
    setPutBack(null)
    setSaid(what)
    feed.refresh()
  }
  return (
    <Panel
      title="Switched off"
      name="switches"
      aside={
        may && (
          <button type="button" class="button danger-quiet" onClick={() => setIsAsking(true)}>
            Switch something off
          </button>
        )
      }
    >
      {rows === null && <Pending feed={feed} lines={2} />}
      {rows?.length === 0 && (
        <p class="nothing">
          Nothing. A switch takes a model, a provider, a target, a tenant or a key out of service within seconds,
          everywhere, until it is put back.
        </p>
      )}
      <ul class="access-list">
        {rows?.map((row) => (
          <li key={`${row.kind} ${row.id}`} class="access-line">
            <div class="access-what">
              <span>
                <span class="badge bad">off</span> {row.kind} <span class="name">{nameOf(row, desk)}</span>
              </span>
              <span>{row.reason}</span>
              <span class="context">
                since <Instant atMs={row.since_ms} nowMs={Date.now()} />
              </span>
            </div>
            {may && (
              <button type="button" class="button" onClick={() => setPutBack(row)}>
                Switch on<span class="visually-hidden"> {nameOf(row, desk)}</span>
              </button>
            )}
          </li>
        ))}
      </ul>
      <p class="said" role="status">
        {said}
      </p>
      {isAsking && <OffDialog desk={desk} models={models} onClose={() => setIsAsking(false)} onDone={onDone} />}
      {putBack !== null && <OnDialog desk={desk} row={putBack} onClose={() => setPutBack(null)} onDone={onDone} />}
    </Panel>
  )
}

function nameOf({ kind, id }: Pick<ApiSwitch, 'kind' | 'id'>, { names, overview }: Desk): string {
  if (kind === 'tenant') return names.tenant(id)
  if (kind === 'key') return names.key(id)
  if (kind === 'target') return overview.data?.targets.find((one) => one.id === id)?.name ?? id
  return id
}

function pathOf({ kind, id }: Pick<ApiSwitch, 'kind' | 'id'>): string {
  return `/admin/switches/${kind}/${encodeURIComponent(id)}`
}

interface OffDialogProps extends Pick<SwitchesProps, 'desk' | 'models'> {
  readonly onClose: () => void
  readonly onDone: (said: string) => void
}

function OffDialog({ desk, models, onClose, onDone }: OffDialogProps) {
  const [kind, setKind] = useState<SwitchKind>('model')
  const [id, setId] = useState('')
  const [reason, setReason] = useState('')
  const sending = useSending()
  const options = optionsOf(kind, desk, models)
  const chosen = kind === 'key' || options.some(({ value }) => value === id) ? id : (options[0]?.value ?? '')
  async function submit(): Promise<void> {
    const what = { kind, id: chosen }
    const isDone = await sending.send(async () => {
      await desk.api.send('PUT', pathOf(what), { off: true, reason: reason.trim() })
    })
    if (isDone) onDone(`The ${kind} ${nameOf(what, desk)} is off.`)
  }
  return (
    <Dialog title="Switch something off" onClose={onClose}>
      <Form
        sending={sending}
        action="Switch it off"
        tone="danger"
        isShown={(field) => field === 'reason'}
        onSubmit={() => void submit()}
      >
        <SelectField
          label="What"
          value={kind}
          options={SWITCH_KINDS.map((one) => ({ value: one, text: `A ${one}` }))}
          onValue={(value) => {
            setKind(SWITCH_KINDS.find((one) => one === value) ?? 'model')
            setId('')
          }}
        />
        {kind === 'key' ? (
          <KeyField
            {...{ api: desk.api, label: 'Which', none: 'Choose a key', state: 'active', tenant: '' }}
            {...{ value: id, nameOf: desk.names.key, hint: WHAT_HAPPENS.key, onValue: setId }}
          />
        ) : (
          <SelectField label="Which" value={chosen} options={options} hint={WHAT_HAPPENS[kind]} onValue={setId} />
        )}
        <TextField
          label="Why"
          hint="Clients that are refused read it, and the audit log keeps it."
          value={reason}
          error={errorAt(sending.failure, 'reason')}
          onValue={setReason}
        />
      </Form>
    </Dialog>
  )
}

const WHAT_HAPPENS: Readonly<Record<SwitchKind, string>> = {
  model: 'No request to it is served, whichever target has it; routes go on to others.',
  provider: 'None of its targets is called; routes go on to others.',
  target: 'It isn’t called; routes go on to others.',
  tenant: 'All its keys are refused.',
  key: 'It is refused. Unlike a revoked key it can be put back.',
}

function optionsOf(kind: SwitchKind, { overview }: Desk, models: readonly string[]) {
  const data = overview.data
  if (kind === 'model') return [...new Set(models)].map((name) => ({ value: name, text: name }))
  if (data === null || kind === 'key') return []
  if (kind === 'provider') {
    return [...new Set(data.targets.map(({ provider }) => provider))].map((name) => ({ value: name, text: name }))
  }
  if (kind === 'target') return data.targets.map((one) => ({ value: one.id, text: one.name ?? one.id }))
  return data.tenants.map((one) => ({ value: one.id, text: one.name }))
}

interface OnDialogProps {
  readonly desk: Desk
  readonly row: ApiSwitch
  readonly onClose: () => void
  readonly onDone: (said: string) => void
}

function OnDialog({ desk, row, onClose, onDone }: OnDialogProps) {
  const [reason, setReason] = useState('')
  const sending = useSending()
  async function submit(): Promise<void> {
    const why = reason.trim() === '' ? {} : { reason: reason.trim() }
    const isDone = await sending.send(async () => {
      await desk.api.send('PUT', pathOf(row), { off: false, ...why })
    })
    if (isDone) onDone(`The ${row.kind} ${nameOf(row, desk)} is on again.`)
  }
  return (
    <Dialog title={`Switch ${nameOf(row, desk)} on?`} onClose={onClose}>
      <Form
        sending={sending}
        action="Switch it on"
        isShown={(field) => field === 'reason'}
        onSubmit={() => void submit()}
      >
        <p>
          It is off because: <strong>{row.reason}</strong>
        </p>
        <TextField
          label="Why it may be on again (optional)"
          hint="The audit log keeps it."
          value={reason}
          error={errorAt(sending.failure, 'reason')}
          onValue={setReason}
        />
      </Form>
    </Dialog>
  )
}
