// The rules by which people who sign in get their roles: made and taken away by owners.
import { useState } from 'preact/hooks'
import type { ApiRoleRule, ApiRows } from './access-data.ts'
import type { Feed } from '../live/feed.ts'
import { Dialog, errorAt, Form, SelectField, TextField, useSending } from '../parts/forms.tsx'
import { firstGrant, grantBody, GrantFields } from '../keys/grant-fields.tsx'
import { grantText } from '../frame/me.ts'
import type { Desk } from '../frame/page-frame.tsx'
import { Panel, Pending } from '../frame/panel.tsx'
import { SureDialog } from '../parts/sure-dialog.tsx'

const SOURCES = [
  { value: 'any', text: 'Any sign-in' },
  { value: 'access', text: 'Cloudflare Access' },
  { value: 'oidc', text: 'OpenID Connect' },
] as const

interface RoleRulesProps {
  readonly desk: Desk
  readonly feed: Feed<ApiRows<ApiRoleRule>>
}

export function RoleRules({ desk, feed }: RoleRulesProps) {
  const [isMaking, setIsMaking] = useState(false)
  const rows = feed.data?.rows ?? null
  return (
    <Panel
      title="Who has which role"
      name="rules"
      aside={
        <button type="button" class="button" onClick={() => setIsMaking(true)}>
          Add a rule
        </button>
      }
    >
      {rows === null && <Pending feed={feed} lines={3} />}
      {rows?.length === 0 && (
        <div class="teach">
          <p>Nobody who signs in has a role yet. A rule gives one to an address, a domain or a group.</p>
          <p class="muted">Where several rules meet somebody, the one that reaches furthest counts.</p>
        </div>
      )}
      <ul class="access-list">
        {rows?.map((rule) => (
          <Rule key={rule.id} desk={desk} rule={rule} onChanged={feed.refresh} />
        ))}
      </ul>
      {isMaking && <NewRule desk={desk} onClose={() => setIsMaking(false)} onMade={feed.refresh} />}
    </Panel>
  )
}

function Rule({ desk, rule, onChanged }: { desk: Desk; rule: ApiRoleRule; onChanged: () => void }) {
  const [isRemoving, setIsRemoving] = useState(false)
  const source = SOURCES.find(({ value }) => value === rule.source)?.text ?? rule.source
  return (
    <li class="access-line">
      <div class="access-what">
        <span class="name">
          {rule.claim} {rule.claim === 'email' ? 'is' : 'has'} {rule.value}
        </span>
        <span>{grantText(rule, desk.names)}</span>
        <span class="context">{source}</span>
      </div>
      <div class="actions">
        <button type="button" class="button danger-quiet" onClick={() => setIsRemoving(true)}>
          Remove
          <span class="visually-hidden">
            {' '}
            {rule.claim} {rule.value}
          </span>
        </button>
      </div>
      {isRemoving && (
        <SureDialog
          title="Remove this rule?"
          action="Remove it"
          work={() => desk.api.send('DELETE', `/admin/access/rules/${encodeURIComponent(rule.id)}`)}
          onClose={() => setIsRemoving(false)}
          onDone={onChanged}
        >
          <p>Whoever has a role by it alone has none any more, at once, signed in or not.</p>
        </SureDialog>
      )}
    </li>
  )
}

const SHOWN_FIELDS: ReadonlySet<string> = new Set(['claim', 'value', 'role', 'tenant', 'team'])

function NewRule({ desk, onClose, onMade }: { desk: Desk; onClose: () => void; onMade: () => void }) {
  const [fields, setFields] = useState({ source: 'any', claim: 'email', value: '' })
  const [grant, setGrant] = useState(() => firstGrant(desk.me))
  const sending = useSending()
  const set = (name: keyof typeof fields) => (value: string) => setFields({ ...fields, [name]: value })
  async function submit(): Promise<void> {
    const isDone = await sending.send(async () => {
      const body = {
        source: fields.source,
        claim: fields.claim.trim(),
        value: fields.value.trim(),
        ...grantBody(grant),
      }
      await desk.api.send('POST', '/admin/access/rules', body)
    })
    if (!isDone) return
    onClose()
    onMade()
  }
  return (
    <Dialog title="Add a rule" onClose={onClose}>
      <Form
        sending={sending}
        action="Add it"
        isShown={(field) => SHOWN_FIELDS.has(field)}
        onSubmit={() => void submit()}
      >
        <SelectField label="Signed in by" value={fields.source} options={SOURCES} onValue={set('source')} />
        <TextField
          label="Claim"
          hint="What your provider says of people: email, groups, or another name."
          value={fields.claim}
          error={errorAt(sending.failure, 'claim')}
          onValue={set('claim')}
        />
        <TextField
          label="Value"
          hint="Exactly; of email also a domain, as *@example.com."
          value={fields.value}
          error={errorAt(sending.failure, 'value')}
          onValue={set('value')}
        />
        <GrantFields
          me={desk.me}
          overview={desk.overview.data}
          value={grant}
          failure={sending.failure}
          onValue={setGrant}
        />
      </Form>
    </Dialog>
  )
}
