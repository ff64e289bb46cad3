// What the reader may do, as pages ask it before they offer something. The gateway refuses the rest in any case.
import type { ApiMe, ApiScope } from '../access/access-data.ts'
import type { Names } from '../parts/names.ts'
import { ROLE_TEXTS } from '../access/access-data.ts'

/** Whether an endpoint (as `POST /keys`) is the reader's to call. Nothing is, until it is known who that is. */
export function mayCall(me: ApiMe | null, endpoint: string): boolean {
  return me?.may.includes(endpoint) === true
}

/** What a role is of, in words. */
export function scopeText({ tenant_id: tenantId, team_id: teamId }: ApiScope, names: Names): string {
  if (tenantId === null) return 'everything'
  return teamId === null ? names.tenant(tenantId) : `${names.tenant(tenantId)} / ${names.team(teamId)}`
}

/** A role with what it is of. */
export function grantText({ role, scope }: Pick<ApiMe, 'role' | 'scope'>, names: Names): string {
  return `${ROLE_TEXTS[role]} of ${scopeText(scope, names)}`
}
