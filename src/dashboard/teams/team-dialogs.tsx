// What is done with a team: it is made, renamed, deleted once nothing is of it any more. Its limits have dialogs of their own.
import { useState } from 'preact/hooks'
import type { AdminApi } from '../api.ts'
import type { ApiOverview, ApiTeam } from '../api-types.ts'
import { Dialog, errorAt, Form, SelectField, TextField, useSending } from '../parts/forms.tsx'

/** The path of a team in the API. */
export function teamPath({ id }: Pick<ApiTeam, 'id'>): string {
  return `/admin/teams/${encodeURIComponent(id)}`
}

interface NewTeamProps {
  readonly api: AdminApi
  readonly overview: ApiOverview
  readonly onClose: () => void
  readonly onMade: (team: ApiTeam) => void
}

export function NewTeamDialog({ api, overview, onClose, onMade }: NewTeamProps) {
  const [tenant, setTenant] = useState(overview.tenants[0]?.id ?? '')
  const [name, setName] = useState('')
  const sending = useSending()
  async function submit(): Promise<void> {
    await sending.send(async () => {
      onMade(await api.send<ApiTeam>('POST', '/admin/teams', { tenant, name: name.trim() }))
    })
  }
  return (
    <Dialog title="Make a team" onClose={onClose}>
      <Form
        sending={sending}
        action="Make the team"
        isShown={(field) => field === 'tenant' || field === 'name'}
        onSubmit={() => void submit()}
      >
        <SelectField
          label="Tenant"
          hint="A team stays with its tenant."
          value={tenant}
          options={overview.tenants.map((one) => ({ value: one.id, text: one.name }))}
          error={errorAt(sending.failure, 'tenant')}
          onValue={setTenant}
        />
        <TextField label="Name" value={name} error={errorAt(sending.failure, 'name')} onValue={setName} />
      </Form>
    </Dialog>
  )
}

interface TeamDialogProps {
  readonly api: AdminApi
  readonly team: ApiTeam
  readonly onClose: () => void
  readonly onDone: (said: string) => void
}

export function RenameTeamDialog({ api, team, onClose, onDone }: TeamDialogProps) {
  const [name, setName] = useState(team.name)
  const sending = useSending()
  async function submit(): Promise<void> {
    const isDone = await sending.send(async () => {
      await api.send('PATCH', teamPath(team), { name: name.trim() })
    })
    if (isDone) onDone('The team is renamed.')
  }
  return (
    <Dialog title={`Rename ${team.name}`} onClose={onClose}>
      <Form sending={sending} action="Rename it" isShown={(field) => field === 'name'} onSubmit={() => void submit()}>
        <TextField
          label="Name"
          hint="Its keys, its limits and its history stay with it."
          value={name}
          error={errorAt(sending.failure, 'name')}
          onValue={setName}
        />
      </Form>
    </Dialog>
  )
}

/** The API refuses it as long as the team has keys, and says so. */
export function DeleteTeamDialog({ api, team, onClose, onDone }: TeamDialogProps) {
  const sending = useSending()
  async function submit(): Promise<void> {
    const isDone = await sending.send(async () => {
      await api.send('DELETE', teamPath(team))
    })
    if (isDone) onDone('The team is deleted.')
  }
  return (
    <Dialog title={`Delete ${team.name}?`} onClose={onClose}>
      <Form sending={sending} action="Delete it for good" tone="danger" onSubmit={() => void submit()}>
        <p>
          <strong class="name">{team.name}</strong> and its limits are gone then. This goes only once it has no keys any
          more, not even revoked ones.
        </p>
        <p class="muted">What it spent stays in the ledger, under its id.</p>
      </Form>
    </Dialog>
  )
}
