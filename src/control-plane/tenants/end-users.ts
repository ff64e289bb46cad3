// End users with limits of their own, in place of what their tenant sets for each of its users. Set, list, read, delete.
// A user is named as requests name it; the objects that enforce the limits know only a digest of that.
import { Hono } from 'hono'
import type { Context } from 'hono'
import { shardOf, userText } from '../../core/limits/side-limits.ts'
import { announce } from '../publish/announce.ts'
import { hmacHex } from '../digest.ts'
import { NO_PEPPER, PEPPER_LENGTH_MIN } from '../keys/key-record.ts'
import { entryBy } from '../access/caller.ts'
import { PAGE, paged } from '../http/paging.ts'
import type { AdminPorts, AdminTypes } from '../ports.ts'
import { publishTenant } from '../publish/publish.ts'
import { pushEndUsers } from '../publish/publish-side.ts'
import { notFound, notStored, refuse, unacceptable } from '../http/refusal.ts'
import { END_USER } from '../schemas.ts'
import { readRules, rulesProblem } from './side-limits-record.ts'
import {
  commit,
  deleteRow,
  type EndUserRow,
  findRow,
  findTenant,
  listRows,
  putRow,
  type TenantRow,
  updateRow,
} from '../store.ts'
import { jsonBody, query } from '../http/validate.ts'

const NAME_CHARS_MAX = 256

/** The admin API's `/tenants/:tenant/end-users`. */
export function endUserEndpoints(ports: AdminPorts) {
  return new Hono<AdminTypes>()
    .get('/', query(PAGE), async (c) => {
      const tenant = await tenantOf(c)
      if (tenant === null) return refuse(c, noTenant(c))
      const rows = await listRows<EndUserRow>(c.env.DB, 'end_users', tenant.id)
      return c.json(paged(c.req.valid('query'), rows, viewEndUser))
    })
    .put('/:user', jsonBody(END_USER), async (c) => {
      const { limits } = c.req.valid('json')
      const tenant = await tenantOf(c)
      if (tenant === null) return refuse(c, noTenant(c))
      const problem = rulesProblem('limits', limits)
      if (problem !== null) return refuse(c, problem)
      const user = c.req.param('user')
      if (user.length > NAME_CHARS_MAX) return refuse(c, TOO_LONG)
      const pepper = c.env.KEY_PEPPER ?? ''
      if (pepper.length < PEPPER_LENGTH_MIN) return refuse(c, NO_PEPPER)
      const digest = await hmacHex(pepper, userText(tenant.id, user))
      const row: EndUserRow = {
        id: idOf(tenant, digest),
        tenant_id: tenant.id,
        digest,
        shard: shardOf(digest),
        name: user,
        limit_rules: JSON.stringify(limits),
        created_at_ms: ports.nowMs(),
      }
      const committed = await commit(c.env.DB, putRow(c.env.DB, 'end_users', row), entryBy(c))
      if (!committed.ok) return refuse(c, notStored(committed.error, noTenant(c)))
      // From now on its objects are told of every change, also of the last limit's end.
      if (tenant.end_user_limits === null) {
        const limited: TenantRow = { ...tenant, end_user_limits: '[]' }
        await commit(c.env.DB, updateRow(c.env.DB, 'tenants', limited), entryBy(c))
      }
      const failed = await announceEndUser(c.env, row)
      return failed === null ? c.json(viewEndUser(row)) : refuse(c, failed)
    })
    .get('/:user', async (c) => {
      const row = await findEndUser(c)
      return row === null ? refuse(c, notFound('end user', c.req.param('user'))) : c.json(viewEndUser(row))
    })
    .delete('/:user', async (c) => {
      const row = await findEndUser(c)
      if (row === null) return refuse(c, notFound('end user', c.req.param('user')))
      await commit(c.env.DB, deleteRow(c.env.DB, 'end_users', row.id), entryBy(c))
      const failed = await announceEndUser(c.env, row)
      return failed === null ? c.body(null, 204) : refuse(c, failed)
    })
}

function viewEndUser(row: EndUserRow) {
  return {
    user: row.name,
    tenant_id: row.tenant_id,
    limits: readRules(row.limit_rules),
    created_at_ms: row.created_at_ms,
  }
}

const TOO_LONG = unacceptable('user', 'invalid_field', `A user's name must be at most ${NAME_CHARS_MAX} characters.`)

function tenantOf(c: Context<AdminTypes>): Promise<TenantRow | null> {
  return findTenant(c.env.DB, c.req.param('tenant') ?? '')
}

function noTenant(c: Context<AdminTypes>) {
  return notFound('tenant', c.req.param('tenant') ?? '')
}

async function findEndUser(c: Context<AdminTypes>): Promise<EndUserRow | null> {
  const tenant = await tenantOf(c)
  if (tenant === null) return null
  const digest = await hmacHex(c.env.KEY_PEPPER ?? '', userText(tenant.id, c.req.param('user') ?? ''))
  return findRow<EndUserRow>(c.env.DB, 'end_users', idOf(tenant, digest))
}

function idOf(tenant: TenantRow, digest: string): string {
  return `${tenant.id}/${digest}`
}

function announceEndUser(env: AdminTypes['Bindings'], { tenant_id: tenantId, shard }: EndUserRow) {
  return announce(
    () => publishTenant(env, tenantId),
    () => pushEndUsers(env, tenantId, shard),
  )
}
