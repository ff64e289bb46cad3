// Tenants as a query names them, by id or by name: a name that is taken for an id would find nothing, and nothing spent.
import { type Result, err, ok } from '../../core/result.ts'
import { type Scope, isReached } from '../access/permissions.ts'
import type { Refusal } from '../http/refusal.ts'
import { findTenant } from '../store.ts'

/** What an id begins with. The ledger knows tenants that are gone: an id is taken as it is. */
const ID = 'ten_'

/** The same for a tenant that is out of the caller's reach. */
const UNKNOWN: Refusal = {
  status: 404,
  code: 'not_found',
  field: 'tenant',
  message: 'tenant must be the ids or names of tenants; there is none of such a name.',
}

/** `asked` with the ids of the tenants in its comma list, or that there is none of such a name in the caller's reach. */
export async function byTenantId<Asked extends { readonly tenant?: string | undefined }>(
  db: D1Database,
  scope: Scope,
  asked: Asked,
): Promise<Result<Asked, Refusal>> {
  const names = (asked.tenant ?? '').split(',').map((name) => name.trim())
  if (asked.tenant === undefined || names.every((name) => name.startsWith(ID) || name === '')) return ok(asked)
  const ids: string[] = []
  for (const name of names) {
    const found = name.startsWith(ID) || name === '' ? { id: name } : await findTenant(db, name)
    if (found === null || (!name.startsWith(ID) && !isReached(scope, found.id))) return err(UNKNOWN)
    ids.push(found.id)
  }
  return ok({ ...asked, tenant: ids.join(',') })
}
