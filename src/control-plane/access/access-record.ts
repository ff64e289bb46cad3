// Grants as they are kept and shown: a role with its scope, in columns and in JSON, and what of it a body may say.
import * as z from 'zod/mini'
import { err, ok, type Result } from '../../core/result.ts'
import { type Grant, ROLES, type Role, SCOPES_OF, type Scope, isGrant, teamOf, tenantOf } from './permissions.ts'
import { type Refusal, unacceptable } from '../http/refusal.ts'
import { NAME } from '../schemas.ts'
import { findTeam, findTenant } from '../store.ts'

export interface GrantColumns {
  readonly role: Role
  readonly tenant_id: string | null
  readonly team_id: string | null
}

/** What a body says of a grant: its tenant and team by id or name. */
export const GRANT_FIELDS = {
  role: z.enum(ROLES, `must be one of ${ROLES.join(', ')}`),
  tenant: z.optional(z.nullable(NAME)),
  team: z.optional(z.nullable(NAME)),
}

export interface GrantBody {
  readonly role: Role
  readonly tenant?: string | null | undefined
  readonly team?: string | null | undefined
}

/** The grant that a body asks for, or why there is none such. */
export async function readGrant(db: D1Database, body: GrantBody): Promise<Result<Grant, Refusal>> {
  const found = await readScope(db, body)
  if (!found.ok) return found
  const grant: Grant = { role: body.role, scope: found.value }
  if (isGrant(grant)) return ok(grant)
  const allowed = SCOPES_OF[body.role].join(' or of a ').replace('deployment or of a ', 'the deployment or of a ')
  const message = `The role ${body.role} can't be of a ${found.value.kind}: it is of a ${allowed}.`.replace(
    'a deployment',
    'the deployment',
  )
  return err(unacceptable(found.value.kind === 'team' ? 'team' : 'tenant', 'invalid_field', message))
}

async function readScope(db: D1Database, { tenant, team }: GrantBody): Promise<Result<Scope, Refusal>> {
  if (tenant == null) {
    return team == null
      ? ok({ kind: 'deployment' })
      : err(unacceptable('tenant', 'invalid_field', 'tenant is needed where team is given.'))
  }
  const ofTenant = await findTenant(db, tenant)
  if (ofTenant === null) return err(unknown('tenant', tenant))
  if (team == null) return ok({ kind: 'tenant', tenantId: ofTenant.id })
  const ofTeam = await findTeam(db, ofTenant.id, team)
  return ofTeam === null ? err(unknown('team', team)) : ok({ kind: 'team', tenantId: ofTenant.id, teamId: ofTeam.id })
}

function unknown(field: 'tenant' | 'team', reference: string): Refusal {
  const message = `${field} must be the id or name of a ${field}; there is no ${JSON.stringify(reference)}.`
  return unacceptable(field, `unknown_${field}`, message)
}

/** A grant as it is kept. */
export function grantColumns({ role, scope }: Grant): GrantColumns {
  return { role, tenant_id: tenantOf(scope), team_id: teamOf(scope) }
}

/** A grant that was kept. */
export function grantOf({ role, tenant_id: tenantId, team_id: teamId }: GrantColumns): Grant {
  if (tenantId === null) return { role, scope: { kind: 'deployment' } }
  return { role, scope: teamId === null ? { kind: 'tenant', tenantId } : { kind: 'team', tenantId, teamId } }
}

/** A grant as the API shows it. */
export function viewGrant({ role, scope }: Grant) {
  return { role, scope: { kind: scope.kind, tenant_id: tenantOf(scope), team_id: teamOf(scope) } }
}
