// The key that the playground asks with: one that is pasted, or one that is minted for it. Such a one is small and short-lived,
// stands in the audit log under the name of whoever minted it, and is revoked when the page is left.
import { useEffect, useRef, useState } from 'preact/hooks'
import type { AdminApi } from '../api.ts'
import { Dialog, errorAt, Form, SelectField, TextField, useSending } from '../parts/forms.tsx'
import { formatInstant } from '../parts/format.ts'
import { mayCall } from '../frame/me.ts'
import type { Desk } from '../frame/page-frame.tsx'

const LIFE_MS = 3_600_000
const BUDGET_USD = '1'

interface Minted {
  readonly id: string
  readonly key: string
  readonly untilMs: number
}

interface PlaygroundKeyProps {
  readonly desk: Desk
  readonly value: string
  readonly onKey: (key: string) => void
}

export function PlaygroundKey({ desk, value, onKey }: PlaygroundKeyProps) {
  const [minted, setMinted] = useState<Minted | null>(null)
  const [isAsking, setIsAsking] = useState(false)
  const own = useRef<string | null>(null)
  // Should that fail, the key ends by itself.
  useEffect(() => () => void revoke(desk.api, own.current), [])
  const isMinted = minted !== null && value === minted.key
  return (
    <div class="playground-key">
      <TextField
        label="Virtual key"
        type="password"
        hint={
          isMinted
            ? `Minted for this page: until ${formatInstant(minted.untilMs, Date.now())}, $${BUDGET_USD}.00 at most; revoked when you leave.`
            : 'Kept in this page’s memory alone.'
        }
        value={value}
        onValue={onKey}
      />
      {mayCall(desk.me, 'POST /keys') && !isMinted && (
        <button type="button" class="button quiet small" onClick={() => setIsAsking(true)}>
          Mint one for an hour
        </button>
      )}
      {isAsking && (
        <MintForPage
          desk={desk}
          onClose={() => setIsAsking(false)}
          onMinted={(made) => {
            void revoke(desk.api, own.current)
            own.current = made.id
            setMinted(made)
            onKey(made.key)
            setIsAsking(false)
          }}
        />
      )}
    </div>
  )
}

async function revoke(api: AdminApi, id: string | null): Promise<void> {
  if (id === null) return
  await api.send('POST', `/admin/keys/${encodeURIComponent(id)}/revoke`).catch(() => undefined)
}

interface MintForPageProps {
  readonly desk: Desk
  readonly onClose: () => void
  readonly onMinted: (minted: Minted) => void
}

function MintForPage({ desk, onClose, onMinted }: MintForPageProps) {
  const { api, me, overview } = desk
  const tenants = overview.data?.tenants ?? []
  const [tenant, setTenant] = useState(tenants[0]?.id ?? '')
  const sending = useSending()
  async function submit(): Promise<void> {
    const untilMs = Date.now() + LIFE_MS
    const teamId = me?.scope.team_id ?? null
    const body = {
      ...{ tenant, name: `playground of ${me?.who ?? 'somebody'}`.slice(0, 100), tags: ['playground'] },
      ...(teamId === null ? {} : { team: teamId }),
      ...{ expires_at: new Date(untilMs).toISOString(), limits: { budget: { amount_usd: BUDGET_USD, period: 'day' } } },
    }
    await sending.send(async () => {
      const { id, key } = await api.send<{ readonly id: string; readonly key: string }>('POST', '/admin/keys', body)
      onMinted({ id, key, untilMs })
    })
  }
  return (
    <Dialog title="A key for the playground" onClose={onClose}>
      <Form sending={sending} action="Mint it" isShown={(field) => field === 'tenant'} onSubmit={() => void submit()}>
        <p>
          It is a virtual key like any other, tagged <code>playground</code>: what you ask is charged to the tenant, up
          to ${BUDGET_USD}.00. It ends in an hour, or when you leave this page; the audit log has it under your name.
        </p>
        <SelectField
          label="Charged to"
          value={tenant}
          options={tenants.map((one) => ({ value: one.id, text: one.name }))}
          error={errorAt(sending.failure, 'tenant')}
          onValue={setTenant}
        />
      </Form>
    </Dialog>
  )
}
