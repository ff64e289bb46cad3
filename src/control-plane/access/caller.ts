// Who is calling: found out once, before any handler, and at hand in all of them.
import type { Context } from 'hono'
import type { Entry } from '../audit/audit-record.ts'
import { type Grant, type Scope, isWithin } from './permissions.ts'
import type { AdminTypes } from '../ports.ts'

/** How somebody came in. */
export type CameBy = 'admin-token' | 'token' | 'session'

export interface Caller {
  readonly grant: Grant
  readonly by: CameBy
  /** For people who read the audit log: the token by its name, the user by its address. */
  readonly who: string
  /** What of them stays the same, whatever their names: `ADMIN_TOKEN`, a token's id, `<source>:<subject>` of a user. */
  readonly actor: string
  /** Where the call came from; null where nobody says. */
  readonly address: string | null
  /** Of a session. */
  readonly session: CallerSession | null
}

export interface CallerSession {
  readonly id: string
  /** To be sent with every change. */
  readonly csrf: string
  readonly expiresAtMs: number
}

/** Who makes a change, for the audit log. */
export function entryBy(c: Context<AdminTypes>): Entry {
  const { who, actor, address } = c.get('caller')
  const seen = c.get('seen')
  return { who, actor, ...(address === null ? {} : { address }), ...(seen === undefined ? {} : { seen }) }
}

/** Of rows that belong to tenants or teams, the caller's. */
export function ownRows<Row extends { readonly tenant_id: string | null; readonly team_id?: string | null }>(
  c: Context<AdminTypes>,
  rows: readonly Row[],
): readonly Row[] {
  return rows.filter((row) => isOwn(c, row.tenant_id, row.team_id ?? null))
}

/** Whether something of a tenant, and maybe of one of its teams, is the caller's. */
export function isOwn(c: Context<AdminTypes>, tenantId: string | null, teamId: string | null): boolean {
  return isWithin(scopeOf(c), tenantId, teamId)
}

/** What the caller may see. */
export function scopeOf(c: Context<AdminTypes>): Scope {
  return c.get('caller').grant.scope
}
