// Who may do what: roles, how far each reaches, and one table of everything the admin API does. The table is held against
// the router by a test, so that nothing is served that it doesn't name. Pure.

/** From the least to the most. Each may do what those before it may, as far as its scope reaches. */
export const ROLES = ['viewer', 'lead', 'admin', 'owner'] as const
export type Role = (typeof ROLES)[number]

/** What a role holds for: everything, one tenant, or one of its teams. */
export type Scope =
  | { readonly kind: 'deployment' }
  | { readonly kind: 'tenant'; readonly tenantId: string }
  | { readonly kind: 'team'; readonly tenantId: string; readonly teamId: string }

/** A role and what it holds for. */
export interface Grant {
  readonly role: Role
  readonly scope: Scope
}

export const OWNER: Grant = { role: 'owner', scope: { kind: 'deployment' } }

/** The scopes that a role may have. */
export const SCOPES_OF: Readonly<Record<Role, readonly Scope['kind'][]>> = {
  viewer: ['deployment', 'tenant'],
  lead: ['team'],
  admin: ['deployment', 'tenant'],
  owner: ['deployment'],
}

/**
 * What of everything a call reaches, and who sees to it that it is the caller's.
 * `everything`: the whole deployment; nobody else may call it.
 * `tenant`, `team`, `key`: the one that the first parameter of the path names, looked up before the handler is asked.
 * `scoped`: what the handler leaves of it for the caller's scope.
 * `own`: the caller itself.
 */
export type Reach = 'everything' | 'tenant' | 'team' | 'key' | 'scoped' | 'own'

/** The least role that may make a call, and what it reaches. */
export interface Permission {
  readonly least: Role
  readonly reach: Reach
}

const permission = (least: Role, reach: Reach): Permission => ({ least, reach })

/** Every endpoint of the admin API, by method and path as the router has them. `open`: before anybody has signed in. */
export const PERMISSIONS: Readonly<Record<string, Permission | 'open'>> = {
  'GET /sign-in': 'open',
  'GET /sign-in/access': 'open',
  'GET /sign-in/oidc': 'open',
  'GET /sign-in/callback': 'open',
  'GET /me': permission('viewer', 'own'),
  'POST /sign-out': permission('viewer', 'own'),

  'GET /access/tokens': permission('admin', 'scoped'),
  'POST /access/tokens': permission('admin', 'scoped'),
  'POST /access/tokens/:id/rotate': permission('admin', 'scoped'),
  'POST /access/tokens/:id/revoke': permission('admin', 'scoped'),
  'GET /access/rules': permission('owner', 'everything'),
  'POST /access/rules': permission('owner', 'everything'),
  'DELETE /access/rules/:id': permission('owner', 'everything'),
  'GET /access/sessions': permission('viewer', 'scoped'),
  'DELETE /access/sessions/:id': permission('viewer', 'scoped'),
  'GET /audit': permission('viewer', 'scoped'),

  'GET /tenants': permission('viewer', 'scoped'),
  'POST /tenants': permission('admin', 'everything'),
  'GET /tenants/:id': permission('viewer', 'tenant'),
  'PATCH /tenants/:id': permission('admin', 'everything'),
  'DELETE /tenants/:id': permission('admin', 'everything'),
  'GET /tenants/:tenant/end-users': permission('viewer', 'tenant'),
  'GET /tenants/:tenant/end-users/:user': permission('viewer', 'tenant'),
  'PUT /tenants/:tenant/end-users/:user': permission('admin', 'tenant'),
  'DELETE /tenants/:tenant/end-users/:user': permission('admin', 'tenant'),

  'GET /teams': permission('viewer', 'scoped'),
  'POST /teams': permission('admin', 'scoped'),
  'GET /teams/:id': permission('viewer', 'team'),
  'PATCH /teams/:id': permission('lead', 'team'),
  'DELETE /teams/:id': permission('admin', 'team'),

  'GET /keys': permission('viewer', 'scoped'),
  'POST /keys': permission('lead', 'scoped'),
  'GET /keys/use': permission('viewer', 'scoped'),
  'GET /keys/lines': permission('viewer', 'scoped'),
  'GET /keys/names': permission('viewer', 'scoped'),
  'GET /keys/:id': permission('viewer', 'key'),
  'GET /keys/:id/limits': permission('viewer', 'key'),
  'GET /keys/:id/requests': permission('viewer', 'key'),
  'PATCH /keys/:id': permission('lead', 'key'),
  'POST /keys/:id/rotate': permission('lead', 'key'),
  'POST /keys/:id/rotate/finish': permission('lead', 'key'),
  'POST /keys/:id/revoke': permission('lead', 'key'),
  'DELETE /keys/:id': permission('lead', 'key'),

  'GET /credentials': permission('admin', 'everything'),
  'POST /credentials': permission('admin', 'everything'),
  'POST /credentials/reseal': permission('admin', 'everything'),
  'GET /credentials/:name': permission('admin', 'everything'),
  'POST /credentials/:name/rotate': permission('admin', 'everything'),
  'POST /credentials/:name/check': permission('admin', 'everything'),
  'DELETE /credentials/:name': permission('admin', 'everything'),
  'GET /targets': permission('viewer', 'everything'),
  'POST /targets': permission('admin', 'everything'),
  'GET /targets/:id': permission('viewer', 'everything'),
  'PATCH /targets/:id': permission('admin', 'everything'),
  'DELETE /targets/:id': permission('admin', 'everything'),
  'GET /routes': permission('viewer', 'everything'),
  'POST /routes': permission('admin', 'everything'),
  'GET /routes/:id': permission('viewer', 'everything'),
  'PATCH /routes/:id': permission('admin', 'everything'),
  'DELETE /routes/:id': permission('admin', 'everything'),
  'GET /presets': permission('viewer', 'everything'),
  'POST /presets': permission('admin', 'everything'),
  'GET /presets/:id': permission('viewer', 'everything'),
  'PATCH /presets/:id': permission('admin', 'everything'),
  'DELETE /presets/:id': permission('admin', 'everything'),
  'GET /switches': permission('viewer', 'everything'),
  'PUT /switches/:kind/:id{.+}': permission('admin', 'everything'),
  'GET /breakers': permission('viewer', 'everything'),
  'POST /publish': permission('admin', 'everything'),
  'GET /configuration': permission('viewer', 'everything'),
  'POST /configuration/plan': permission('admin', 'everything'),
  'POST /configuration/apply': permission('admin', 'everything'),
  'GET /configuration/revisions': permission('viewer', 'everything'),
  'GET /configuration/revisions/:revision': permission('viewer', 'everything'),
  'POST /configuration/rollback': permission('admin', 'everything'),

  'GET /prices': permission('viewer', 'everything'),
  'POST /prices': permission('admin', 'everything'),
  'POST /prices/refresh': permission('admin', 'everything'),
  'PUT /prices/pin': permission('admin', 'everything'),
  'GET /prices/:id': permission('viewer', 'everything'),
  'DELETE /prices/:id': permission('admin', 'everything'),
  'POST /rerate': permission('admin', 'everything'),
  'POST /reconcile': permission('admin', 'everything'),

  'GET /live': permission('viewer', 'scoped'),
  'GET /overview': permission('viewer', 'scoped'),
  'GET /summary': permission('viewer', 'scoped'),
  'GET /summary/history': permission('viewer', 'scoped'),
  'GET /forecast': permission('viewer', 'scoped'),
  'GET /usage': permission('viewer', 'scoped'),
  'GET /reports': permission('viewer', 'scoped'),
  'GET /exports/:what{events|focus}': permission('viewer', 'scoped'),
  'GET /requests': permission('viewer', 'scoped'),
  'GET /requests/in-flight': permission('viewer', 'scoped'),
  'POST /requests/:id/cancel': permission('lead', 'scoped'),
  'GET /requests/:id/bodies': permission('admin', 'scoped'),

  'GET /alerts': permission('viewer', 'scoped'),
  'GET /alert-channels': permission('viewer', 'everything'),
  'POST /alert-channels': permission('admin', 'everything'),
  'GET /alert-channels/:id': permission('viewer', 'everything'),
  'PATCH /alert-channels/:id': permission('admin', 'everything'),
  'DELETE /alert-channels/:id': permission('admin', 'everything'),
  'POST /alert-channels/:id/test': permission('admin', 'everything'),
  'GET /alert-rules': permission('viewer', 'everything'),
  'PUT /alert-rules': permission('admin', 'everything'),
  'DELETE /alert-rules': permission('admin', 'everything'),
  'GET /alert-rules/:tenant': permission('viewer', 'tenant'),
  'PUT /alert-rules/:tenant': permission('admin', 'tenant'),
  'DELETE /alert-rules/:tenant': permission('admin', 'tenant'),
}

/** What nobody thought of is the owner's alone. */
const UNLISTED: Permission = permission('owner', 'everything')

/** The permission of an endpoint, given as the table does. */
export function permissionOf(endpoint: string): Permission | 'open' {
  return Object.hasOwn(PERMISSIONS, endpoint) ? (PERMISSIONS[endpoint] ?? UNLISTED) : UNLISTED
}

/** Whether such a call may be made at all: where it reaches for something by name, that has to be the caller's besides. */
export function mayCall({ role, scope }: Grant, asked: Permission): boolean {
  if (rankOf(role) < rankOf(asked.least)) return false
  switch (asked.reach) {
    case 'everything':
      return scope.kind === 'deployment'
    case 'tenant':
      return scope.kind !== 'team'
    case 'team':
    case 'key':
    case 'scoped':
    case 'own':
      return true
  }
}

/** The endpoints that a grant opens, as the table names them. */
export function endpointsOf(grant: Grant): readonly string[] {
  return Object.entries(PERMISSIONS).flatMap(([endpoint, asked]) =>
    asked !== 'open' && mayCall(grant, asked) ? [endpoint] : [],
  )
}

/** Whether something of a tenant, and maybe of one of its teams, is within a scope. */
export function isWithin(scope: Scope, tenantId: string | null, teamId: string | null): boolean {
  switch (scope.kind) {
    case 'deployment':
      return true
    case 'tenant':
      return tenantId === scope.tenantId
    case 'team':
      return tenantId === scope.tenantId && teamId === scope.teamId
  }
}

/** Whether a scope has anything to do with a tenant: all of it, or a team of it. */
export function isReached(scope: Scope, tenantId: string): boolean {
  return scope.kind === 'deployment' || scope.tenantId === tenantId
}

/** Whether whoever holds `own` may give `other` to somebody, or take it away: nobody gives what it hasn't. */
export function covers(own: Grant, other: Grant): boolean {
  return rankOf(own.role) >= rankOf(other.role) && isWithin(own.scope, tenantOf(other.scope), teamOf(other.scope))
}

/** Whether a role may have that scope at all. */
export function isGrant({ role, scope }: Grant): boolean {
  return SCOPES_OF[role].includes(scope.kind)
}

/** The grant that reaches furthest: by its role, then by its scope, then the first. */
export function strongest(grants: readonly Grant[]): Grant | null {
  const weight = ({ role, scope }: Grant): number =>
    rankOf(role) * 3 + (scope.kind === 'deployment' ? 2 : scope.kind === 'tenant' ? 1 : 0)
  return grants.reduce<Grant | null>((best, one) => (best === null || weight(one) > weight(best) ? one : best), null)
}

/** Whose things are within a scope: null for anybody's. */
export function ownerIn(scope: Scope): { readonly tenantId: string | null; readonly teamId: string | null } {
  return { tenantId: tenantOf(scope), teamId: teamOf(scope) }
}

export function tenantOf(scope: Scope): string | null {
  return scope.kind === 'deployment' ? null : scope.tenantId
}

export function teamOf(scope: Scope): string | null {
  return scope.kind === 'team' ? scope.teamId : null
}

function rankOf(role: Role): number {
  return ROLES.indexOf(role)
}
