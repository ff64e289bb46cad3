// Teams of a tenant: a level of limits and of attribution. Create, list, read, change, delete.
import { Hono, type Context } from 'hono'
import { randomBase62 } from '../../core/virtual-key.ts'
import { announce } from '../publish/announce.ts'
import { changeLimits, NO_LIMITS, viewLimits } from './limits-record.ts'
import { entryBy, isOwn } from '../access/caller.ts'
import { PAGE, paged } from '../http/paging.ts'
import type { AdminPorts, AdminTypes } from '../ports.ts'
import { publishTeam } from '../publish/publish.ts'
import { exists, notFound, notStored, referenced, refuse, unacceptable } from '../http/refusal.ts'
import { NEW_TEAM, TEAM_CHANGE } from '../schemas.ts'
import { changeRules, readRules, rulesProblem } from './side-limits-record.ts'
import { commit, deleteRow, findRow, findTenant, insertRow, listRows, updateRow, type TeamRow } from '../store.ts'
import { jsonBody, query } from '../http/validate.ts'

/** The admin API's `/teams`. */
export function teamEndpoints(ports: AdminPorts) {
  return new Hono<AdminTypes>()
    .post('/', jsonBody(NEW_TEAM), async (c) => {
      const body = c.req.valid('json')
      const limits = changeLimits(NO_LIMITS, body.limits)
      if (!limits.ok) return refuse(c, limits.error)
      const problemOfUsers = rulesProblem('end_user_limits', body.end_user_limits)
      if (problemOfUsers !== null) return refuse(c, problemOfUsers)
      const tenant = await findTenant(c.env.DB, body.tenant)
      if (tenant === null || !isOwn(c, tenant.id, null)) return refuse(c, unknownTenant(body.tenant))
      const row: TeamRow = {
        id: `team_${randomBase62(14, ports.randomBytes)}`,
        tenant_id: tenant.id,
        name: body.name,
        ...limits.value,
        end_user_limits: changeRules(null, body.end_user_limits),
        created_at_ms: ports.nowMs(),
      }
      const committed = await commit(c.env.DB, insertRow(c.env.DB, 'teams', row), entryBy(c))
      if (!committed.ok) return refuse(c, notStored(committed.error, nameTaken(row.name)))
      const problem = await announce(() => publishTeam(c.env, row))
      return problem === null ? c.json(viewTeam(row), 201) : refuse(c, problem)
    })
    .get('/', query(PAGE), async (c) => {
      const rows = ownTeams(c, await listRows<TeamRow>(c.env.DB, 'teams'))
      return c.json(paged(c.req.valid('query'), rows, (row) => viewTeam(row)))
    })
    .get('/:id', async (c) => {
      const row = await findRow<TeamRow>(c.env.DB, 'teams', c.req.param('id'))
      return row === null ? refuse(c, notFound('team', c.req.param('id'))) : c.json(viewTeam(row))
    })
    .patch('/:id', jsonBody(TEAM_CHANGE), async (c) => {
      const body = c.req.valid('json')
      const before = await findRow<TeamRow>(c.env.DB, 'teams', c.req.param('id'))
      if (before === null) return refuse(c, notFound('team', c.req.param('id')))
      const limits = changeLimits(before, body.limits)
      if (!limits.ok) return refuse(c, limits.error)
      const problemOfUsers = rulesProblem('end_user_limits', body.end_user_limits)
      if (problemOfUsers !== null) return refuse(c, problemOfUsers)
      const end_user_limits = changeRules(before.end_user_limits, body.end_user_limits)
      const row: TeamRow = { ...before, ...limits.value, end_user_limits, name: body.name ?? before.name }
      const committed = await commit(c.env.DB, updateRow(c.env.DB, 'teams', row), entryBy(c))
      if (!committed.ok) return refuse(c, nameTaken(row.name))
      const problem = await announce(() => publishTeam(c.env, row))
      return problem === null ? c.json(viewTeam(row)) : refuse(c, problem)
    })
    .delete('/:id', async (c) => {
      const row = await findRow<TeamRow>(c.env.DB, 'teams', c.req.param('id'))
      if (row === null) return refuse(c, notFound('team', c.req.param('id')))
      const committed = await commit(c.env.DB, deleteRow(c.env.DB, 'teams', row.id), entryBy(c))
      if (!committed.ok)
        return refuse(c, referenced('The team still has keys, maybe revoked ones: delete those first.'))
      const problem = await announce(() => publishTeam(c.env, row))
      return problem === null ? c.body(null, 204) : refuse(c, problem)
    })
}

/** The caller's teams. */
export function ownTeams(c: Context<AdminTypes>, rows: readonly TeamRow[]): readonly TeamRow[] {
  return rows.filter((row) => isOwn(c, row.tenant_id, row.id))
}

/** A team as the API shows it. `spentNanoUsd`: in its running budget window, where known. */
export function viewTeam(row: TeamRow, spentNanoUsd?: number) {
  return {
    id: row.id,
    tenant_id: row.tenant_id,
    name: row.name,
    limits: viewLimits(row, spentNanoUsd),
    end_user_limits: readRules(row.end_user_limits),
    created_at_ms: row.created_at_ms,
  }
}

/** The tenant that a body names doesn't exist. */
export function unknownTenant(reference: string) {
  return unacceptable(
    'tenant',
    'unknown_tenant',
    `tenant must be the id or name of a tenant; there is no ${JSON.stringify(reference)}.`,
  )
}

function nameTaken(name: string) {
  return exists('name', `The tenant has a team ${JSON.stringify(name)} already.`)
}
