// The forms of a provider's credential: a new one, and another value for one that is there. The field of the value is written,
// never read: what is typed leaves with the form, and the browser is asked not to keep it.
import { useState } from 'preact/hooks'
import type { AdminApi } from '../api.ts'
import type { ApiCredential } from './credential-data.ts'
import { Dialog, errorAt, Form, SelectField, type Sending, TextField, useSending } from '../parts/forms.tsx'

const PLACES = [
  { value: 'stored', text: 'Stored here, encrypted' },
  { value: 'secret', text: 'A secret of the Worker, or of a Secrets Store' },
] as const
type Place = (typeof PLACES)[number]['value']

const SHOWN: ReadonlySet<string> = new Set(['name', 'provider', 'value', 'secret', 'overlap_seconds'])

interface DialogProps {
  readonly api: AdminApi
  readonly onClose: () => void
  readonly onDone: () => void
}

export function NewCredential({ api, onClose, onDone }: DialogProps) {
  const [name, setName] = useState('')
  const [provider, setProvider] = useState('')
  const content = useContent('stored')
  const sending = useSending()
  async function submit(): Promise<void> {
    const isDone = await sending.send(async () => {
      const whose = provider.trim() === '' ? {} : { provider: provider.trim() }
      await api.send('POST', '/admin/credentials', { name: name.trim(), ...whose, ...content.body() })
    })
    if (!isDone) return
    onClose()
    onDone()
  }
  return (
    <Dialog title="Add a credential" onClose={onClose}>
      <Form sending={sending} action="Add it" isShown={(field) => SHOWN.has(field)} onSubmit={() => void submit()}>
        <TextField
          label="Name"
          hint="What targets call it by: small letters, digits and dashes."
          placeholder="openai-main"
          value={name}
          error={errorAt(sending.failure, 'name')}
          onValue={setName}
        />
        <TextField
          label="Provider"
          hint="Whose targets may use it, as openai or anthropic. Left empty: everybody’s."
          value={provider}
          error={errorAt(sending.failure, 'provider')}
          onValue={setProvider}
        />
        <ContentFields content={content} sending={sending} />
      </Form>
    </Dialog>
  )
}

export function RotateCredential({
  api,
  credential,
  onClose,
  onDone,
}: DialogProps & { readonly credential: ApiCredential }) {
  const content = useContent(credential.kind === 'stored' ? 'stored' : 'secret')
  const [hours, setHours] = useState('24')
  const sending = useSending()
  async function submit(): Promise<void> {
    const isDone = await sending.send(async () => {
      const overlap_seconds = Math.round(Number(hours.replace(',', '.')) * 3600)
      const path = `/admin/credentials/${encodeURIComponent(credential.name)}/rotate`
      await api.send('POST', path, { ...content.body(), overlap_seconds })
    })
    if (!isDone) return
    onClose()
    onDone()
  }
  return (
    <Dialog title={`Rotate ${credential.name}`} onClose={onClose}>
      <Form sending={sending} action="Rotate it" isShown={(field) => SHOWN.has(field)} onSubmit={() => void submit()}>
        <ContentFields content={content} sending={sending} />
        <TextField
          label="Hours for which the one of before is tried, should this not be accepted"
          inputMode="decimal"
          value={hours}
          error={errorAt(sending.failure, 'overlap_seconds')}
          onValue={setHours}
        />
      </Form>
    </Dialog>
  )
}

interface Content {
  readonly place: Place
  readonly text: string
  readonly setPlace: (place: Place) => void
  readonly setText: (text: string) => void
  /** As the API takes it. */
  readonly body: () => object
}

function useContent(first: Place): Content {
  const [place, setPlace] = useState<Place>(first)
  const [text, setText] = useState('')
  const moved = (to: Place): void => {
    setPlace(to)
    setText('')
  }
  const body = (): object => (place === 'stored' ? { value: text } : { secret: text.trim() })
  return { place, text, setPlace: moved, setText, body }
}

function ContentFields({ content, sending }: { readonly content: Content; readonly sending: Sending }) {
  const { place, text, setPlace, setText } = content
  return (
    <>
      <SelectField
        label="Kept"
        value={place}
        options={PLACES}
        onValue={(value) => setPlace(PLACES.find((one) => one.value === value)?.value ?? 'stored')}
      />
      {place === 'stored' ? (
        <TextField
          label="Value"
          type="password"
          hint="An API key; an AWS pair as ID:SECRET; a service account’s JSON. It is never shown again."
          value={text}
          error={errorAt(sending.failure, 'value')}
          onValue={setText}
        />
      ) : (
        <TextField
          label="Secret"
          hint="Its name, as OPENAI_API_KEY."
          value={text}
          error={errorAt(sending.failure, 'secret')}
          onValue={setText}
        />
      )}
    </>
  )
}
