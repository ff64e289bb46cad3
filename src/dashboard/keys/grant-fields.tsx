// Which role, and of what: the fields in which a grant is chosen. Only what goes together, and what the reader has, is offered.
import type { ApiMe, Role } from '../access/access-data.ts'
import { ROLES, ROLE_TEXTS } from '../access/access-data.ts'
import type { ApiOverview } from '../api-types.ts'
import type { ApiFailure } from '../api.ts'
import { errorAt, SelectField } from '../parts/forms.tsx'

export interface GrantDraft {
  readonly role: Role
  /** '' for everything. */
  readonly tenant: string
  readonly team: string
}

/** A grant as the API takes it. */
export function grantBody({ role, tenant, team }: GrantDraft) {
  return { role, ...(tenant === '' || role === 'owner' ? {} : { tenant }), ...(role === 'lead' ? { team } : {}) }
}

/** The grant that is offered first. */
export function firstGrant(me: ApiMe | null): GrantDraft {
  return { role: 'viewer', tenant: me?.scope.tenant_id ?? '', team: '' }
}

interface GrantFieldsProps {
  readonly me: ApiMe | null
  readonly overview: ApiOverview | null
  readonly value: GrantDraft
  readonly failure: ApiFailure | null
  readonly onValue: (value: GrantDraft) => void
}

export function GrantFields({ me, overview, value, failure, onValue }: GrantFieldsProps) {
  const isOfAll = me?.scope.kind === 'deployment'
  const most = ROLES.indexOf(me?.role ?? 'viewer')
  const roles = ROLES.slice(0, most + 1).filter((role) => isOfAll || role !== 'owner')
  const tenants = (overview?.tenants ?? []).map(({ id, name }) => ({ value: id, text: name }))
  const mayBeOfAll = isOfAll && value.role !== 'lead'
  const teams = (overview?.teams ?? []).filter((team) => team.tenant_id === value.tenant)
  function choose(role: Role): void {
    const tenant = role === 'lead' && value.tenant === '' ? (tenants[0]?.value ?? '') : value.tenant
    onValue({ role, tenant: role === 'owner' ? '' : tenant, team: '' })
  }
  return (
    <>
      <SelectField
        label="Role"
        hint={HINTS[value.role]}
        value={value.role}
        error={errorAt(failure, 'role')}
        options={roles.map((role) => ({ value: role, text: ROLE_TEXTS[role] }))}
        onValue={(text) => choose(ROLES.find((role) => role === text) ?? 'viewer')}
      />
      {value.role !== 'owner' && (
        <SelectField
          label="Of"
          value={value.tenant}
          error={errorAt(failure, 'tenant')}
          options={[...(mayBeOfAll ? [{ value: '', text: 'Everything' }] : []), ...tenants]}
          onValue={(tenant) => onValue({ ...value, tenant, team: '' })}
        />
      )}
      {value.role === 'lead' && (
        <SelectField
          label="Team"
          value={value.team}
          error={errorAt(failure, 'team')}
          options={[{ value: '', text: 'Choose a team' }, ...teams.map(({ id, name }) => ({ value: id, text: name }))]}
          onValue={(team) => onValue({ ...value, team })}
        />
      )}
    </>
  )
}

const HINTS: Readonly<Record<Role, string>> = {
  viewer: 'Sees everything of it, changes nothing.',
  lead: 'Makes and changes the keys and limits of one team, and sees nothing of others.',
  admin: 'Changes everything of it, but not who has which role.',
  owner: 'Everything, also who has which role.',
}
