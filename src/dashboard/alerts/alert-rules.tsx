// What an alert is, besides the thresholds of budgets: bounds for everybody, and a tenant's own in their place.
import { useState } from 'preact/hooks'
import type { AdminApi } from '../api.ts'
import { AlertRulesDialog } from './alert-rules-dialog.tsx'
import { type ApiAlertRules, type ApiRuleSets, readRuleSets, ruleSentences, rulesPath } from './alert-rules-data.ts'
import { useFeed } from '../live/feed.ts'
import { SelectField } from '../parts/forms.tsx'
import { mayCall } from '../frame/me.ts'
import type { Desk } from '../frame/page-frame.tsx'
import { Panel, Pending } from '../frame/panel.tsx'
import { SureDialog } from '../parts/sure-dialog.tsx'

/** Whose rules: null for everybody's. */
type Owner = string | null

interface Opened {
  readonly owner: Owner
  readonly what: 'change' | 'reset'
}

/** Nothing for whoever may see none. */
export function AlertRules({ desk }: { readonly desk: Desk }) {
  const { api, me, names, isPaused } = desk
  const maySeeAll = mayCall(me, 'GET /alert-rules')
  const own = me?.scope.kind === 'tenant' && mayCall(me, 'GET /alert-rules/:tenant') ? me.scope.tenant_id : null
  const [open, setOpen] = useState<Opened | null>(null)
  const [said, setSaid] = useState('')
  const feed = useFeed<ApiRuleSets>({
    key: `rules ${maySeeAll} ${own}`,
    load: (signal) => readRuleSets(api, { maySeeAll, own }, signal),
    isPaused,
    isAwaiting: me === null,
    changesWith: ['configuration'],
  })
  if (!maySeeAll && own === null) return null
  const sets = feed.data
  const nameOf = (owner: Owner): string => (owner === null ? 'everybody' : names.tenant(owner))
  const mayChange = (owner: Owner): boolean =>
    mayCall(me, owner === null ? 'PUT /alert-rules' : 'PUT /alert-rules/:tenant')
  const rulesOf = (owner: Owner): ApiAlertRules | null =>
    sets?.tenants.find(({ tenant_id: id }) => id === owner)?.rules ?? sets?.rules ?? null
  function onDone(what: string): void {
    setOpen(null)
    setSaid(what)
    feed.refresh()
  }
  return (
    <Panel
      title="Rules"
      name="rules"
      aside={
        maySeeAll &&
        mayCall(me, 'PUT /alert-rules/:tenant') &&
        sets !== null && <OwnRules desk={desk} sets={sets} onOwner={(owner) => setOpen({ owner, what: 'change' })} />
      }
    >
      {sets === null && <Pending feed={feed} lines={4} />}
      <ul class="access-list">
        {sets !== null &&
          [...(sets.rules === null ? [] : [null]), ...sets.tenants.map(({ tenant_id: id }) => id)].map((owner) => (
            <RuleSet
              key={owner ?? ''}
              owner={owner}
              name={nameOf(owner)}
              rules={rulesOf(owner)}
              mayChange={mayChange(owner)}
              onChange={() => setOpen({ owner, what: 'change' })}
              onReset={() => setOpen({ owner, what: 'reset' })}
            />
          ))}
      </ul>
      <p class="hint">Thresholds of budgets are set with the budgets, and announced besides.</p>
      <p class="said" role="status">
        {said}
      </p>
      {open !== null && (
        <RuleDialog
          {...{ api, ...open, name: nameOf(open.owner), rules: rulesOf(open.owner) }}
          onClose={() => setOpen(null)}
          onDone={onDone}
        />
      )}
    </Panel>
  )
}

interface RuleSetProps {
  readonly owner: Owner
  readonly name: string
  readonly rules: ApiAlertRules | null
  readonly mayChange: boolean
  readonly onChange: () => void
  readonly onReset: () => void
}

function RuleSet({ owner, name, rules, mayChange, onChange, onReset }: RuleSetProps) {
  if (rules === null) return null
  return (
    <li class="access-line">
      <div class="access-what">
        <span>
          For <span class="name">{name}</span>
        </span>
        <dl class="rule-sentences">
          {ruleSentences(rules, owner).map(({ title, text, isOn }) => (
            <div key={title}>
              <dt>{title}</dt>
              <dd class={isOn ? '' : 'muted'}>{text}</dd>
            </div>
          ))}
        </dl>
      </div>
      {mayChange && (
        <div class="actions">
          <button type="button" class="button" onClick={onChange}>
            Change<span class="visually-hidden"> the rules for {name}</span>
          </button>
          <button type="button" class="button quiet" onClick={onReset}>
            Back to the usual<span class="visually-hidden"> for {name}</span>
          </button>
        </div>
      )}
    </li>
  )
}

interface OwnRulesProps {
  readonly desk: Desk
  readonly sets: ApiRuleSets
  readonly onOwner: (tenant: string) => void
}

/** A tenant that has none of its own yet is given some. */
function OwnRules({ desk: { overview }, sets, onOwner }: OwnRulesProps) {
  const has = new Set(sets.tenants.map(({ tenant_id: id }) => id))
  const others = overview.data?.tenants.filter(({ id }) => !has.has(id)) ?? []
  if (others.length === 0) return null
  return (
    <SelectField
      label="Rules of a tenant’s own"
      value=""
      options={[{ value: '', text: 'Choose a tenant' }, ...others.map(({ id, name }) => ({ value: id, text: name }))]}
      onValue={(id) => id !== '' && onOwner(id)}
    />
  )
}

interface RuleDialogProps extends Opened {
  readonly api: AdminApi
  readonly name: string
  readonly rules: ApiAlertRules | null
  readonly onClose: () => void
  readonly onDone: (said: string) => void
}

function RuleDialog({ what, api, owner, name, rules, onClose, onDone }: RuleDialogProps) {
  if (what === 'change') {
    if (rules === null) return null
    const said = () => onDone(`The rules for ${name} are changed.`)
    return <AlertRulesDialog {...{ api, owner, name, rules, onClose }} onDone={said} />
  }
  return (
    <SureDialog
      title={`The usual rules for ${name}?`}
      action="Back to the usual"
      work={() => api.send('DELETE', rulesPath(owner))}
      onClose={onClose}
      onDone={() => onDone(`The rules for ${name} are the usual ones.`)}
    >
      <p>{owner === null ? 'What was set here is gone.' : 'Everybody’s rules hold for it again.'}</p>
    </SureDialog>
  )
}
