// A new virtual key: for whom, what it is called, and what it may spend at first. Its secret is shown once, here.
import { useState } from 'preact/hooks'
import type { AdminApi, ApiFailure } from '../api.ts'
import type { ApiKey, ApiOverview } from '../api-types.ts'
import { Dialog, errorAt, Form, sayingOf, SelectField, TextField, useSending } from '../parts/forms.tsx'
import { instantOf } from '../parts/local-time.ts'
import { Link, pathOf } from '../frame/router.tsx'
import { blankDraft, type RuleDraft, writeLimits } from '../routes/rule-draft.ts'
import { isRuleField, RuleList } from '../routes/rule-fields.tsx'
import { ShownSecret } from '../parts/shown-secret.tsx'

type MintedKey = ApiKey & { readonly key: string }

interface MintDialogProps {
  readonly api: AdminApi
  readonly overview: ApiOverview
  readonly onClose: () => void
  readonly onMinted: () => void
}

export function MintDialog({ api, overview, onClose, onMinted }: MintDialogProps) {
  const [minted, setMinted] = useState<MintedKey | null>(null)
  return (
    <Dialog title={minted === null ? 'Mint a key' : 'The key is minted'} isWide onClose={onClose}>
      {minted === null ? (
        <MintForm
          api={api}
          overview={overview}
          onMinted={(key) => {
            setMinted(key)
            onMinted()
          }}
        />
      ) : (
        <Minted minted={minted} />
      )}
    </Dialog>
  )
}

function Minted({ minted }: { minted: MintedKey }) {
  return (
    <div class="minted">
      <ShownSecret label="The key’s secret" text={minted.key} />
      <p>
        <Link to={pathOf({ page: 'key', id: minted.id })}>
          Go to <span class="name">{minted.name}</span>
        </Link>
      </p>
    </div>
  )
}

interface MintFormProps extends Omit<MintDialogProps, 'onMinted' | 'onClose'> {
  readonly onMinted: (minted: MintedKey) => void
}

const SHOWN: ReadonlySet<string> = new Set(['tenant', 'team', 'name', 'cost_center', 'expires_at'])

function MintForm({ api, overview, onMinted }: MintFormProps) {
  const [fields, setFields] = useState({
    ...{ tenant: overview.tenants[0]?.id ?? '', team: '', name: '', costCenter: '', tags: '', models: '', expires: '' },
  })
  const [drafts, setDrafts] = useState<readonly RuleDraft[]>([blankDraft(0, 'budget', '')])
  const [places, setPlaces] = useState<ReadonlyMap<number, string>>(new Map())
  const sending = useSending()
  const teams = overview.teams.filter((team) => team.tenant_id === fields.tenant)
  const set = (name: keyof typeof fields) => (value: string) => setFields({ ...fields, [name]: value })

  async function submit(): Promise<void> {
    // What nothing is written in is no limit.
    const written = writeLimits(drafts.filter((draft) => draft.amount.trim() !== ''))
    setPlaces(written.places)
    await sending.send(async () => {
      onMinted(await api.send<MintedKey>('POST', '/admin/keys', bodyOf(fields, written.limits)))
    })
  }
  return (
    <Form
      sending={sending}
      action="Mint the key"
      isShown={(field) => SHOWN.has(field) || /^(tags|models)/.test(field) || isRuleField(field, places)}
      onSubmit={() => void submit()}
    >
      <div class="field-row">
        <SelectField
          label="Tenant"
          value={fields.tenant}
          error={errorAt(sending.failure, 'tenant')}
          options={overview.tenants.map(({ id, name }) => ({ value: id, text: name }))}
          onValue={(tenant) => setFields({ ...fields, tenant, team: '' })}
        />
        <SelectField
          label="Team"
          value={fields.team}
          error={errorAt(sending.failure, 'team')}
          options={[{ value: '', text: 'No team' }, ...teams.map(({ id, name }) => ({ value: id, text: name }))]}
          onValue={set('team')}
        />
      </div>
      <TextField
        label="Name"
        hint="What you will know it by: the application that gets it, say."
        value={fields.name}
        error={errorAt(sending.failure, 'name')}
        onValue={set('name')}
      />
      <h3>What it may use</h3>
      <RuleList drafts={drafts} failure={sending.failure} places={places} onDrafts={setDrafts} />
      <MoreFields fields={fields} failure={sending.failure} set={set} />
    </Form>
  )
}

interface MoreFieldsProps {
  readonly fields: MintFields
  readonly failure: ApiFailure | null
  readonly set: (name: keyof MintFields) => (value: string) => void
}

/** What few keys need at first. */
function MoreFields({ fields, failure, set }: MoreFieldsProps) {
  return (
    <details class="more-fields" open={isMore(failure?.field ?? '')}>
      <summary>Cost center, tags, models, end</summary>
      <TextField
        label="Cost center"
        value={fields.costCenter}
        error={errorAt(failure, 'cost_center')}
        onValue={set('costCenter')}
      />
      <TextField
        label="Tags"
        hint="With commas between them."
        value={fields.tags}
        error={errorIn(failure, 'tags')}
        onValue={set('tags')}
      />
      <TextField
        label="Models it may ask for"
        placeholder="all"
        hint="With commas between them; gpt-* for all that begin so."
        value={fields.models}
        error={errorIn(failure, 'models')}
        onValue={set('models')}
      />
      <TextField
        label="Expires at"
        type="datetime-local"
        hint="In your time zone. Left out: never."
        value={fields.expires}
        error={errorAt(failure, 'expires_at')}
        onValue={set('expires')}
      />
    </details>
  )
}

/** Whether a field is among those that are folded away at first. */
function isMore(field: string): boolean {
  return /^(?:cost_center|tags|models|expires_at)/.test(field)
}

interface MintFields {
  readonly tenant: string
  readonly team: string
  readonly name: string
  readonly costCenter: string
  readonly tags: string
  readonly models: string
  readonly expires: string
}

function bodyOf(fields: MintFields, limits: object): object {
  return {
    tenant: fields.tenant,
    name: fields.name.trim(),
    limits,
    ...(fields.team === '' ? {} : { team: fields.team }),
    ...(fields.costCenter.trim() === '' ? {} : { cost_center: fields.costCenter.trim() }),
    ...(fields.tags.trim() === '' ? {} : { tags: listOf(fields.tags) }),
    ...(fields.models.trim() === '' ? {} : { models: listOf(fields.models) }),
    ...(fields.expires === '' ? {} : { expires_at: instantOf(fields.expires) }),
  }
}

function listOf(text: string): readonly string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
}

/** The failure's message, where it is about `field` or an item of it. */
function errorIn(failure: ApiFailure | null, field: string): string | null {
  return failure?.field?.startsWith(field) === true ? sayingOf(failure) : null
}
