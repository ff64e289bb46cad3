// Routes: requested model → ordered targets. Create, list, read, change, delete.
import { Hono } from 'hono'
import { err, ok, type Result } from '../../core/result.ts'
import { randomBase62 } from '../../core/virtual-key.ts'
import { WATCHED_MAX } from '../../ledger/canary-watch.ts'
import { announce } from '../publish/announce.ts'
import { entryBy } from '../access/caller.ts'
import { viewDataPolicy } from '../tenants/data-policy-record.ts'
import { PAGE, paged } from '../http/paging.ts'
import type { AdminPorts, AdminTypes } from '../ports.ts'
import { publishRouting } from '../publish/publish.ts'
import { exists, notFound, notStored, refuse, unacceptable, type Refusal } from '../http/refusal.ts'
import {
  type ChosenTargets,
  type RouteChoice,
  isWatched,
  readChoice,
  readRouteChoice,
  viewGroup,
  viewRules,
  warningsAbout,
} from './route-choice.ts'
import { viewResilience } from './route-resilience.ts'
import { NEW_ROUTE, ROUTE_CHANGE } from './route-schemas.ts'
import { checkShadow, viewShadow } from './shadow-record.ts'
import {
  commit,
  deleteRow,
  findRow,
  findTenant,
  insertRow,
  listRows,
  readTexts,
  updateRow,
  type RouteRow,
} from '../store.ts'
import { unknownTenant } from '../tenants/teams.ts'
import { jsonBody, query } from '../http/validate.ts'

/** The admin API's `/routes`. */
export function routeEndpoints(ports: AdminPorts) {
  return new Hono<AdminTypes>()
    .post('/', jsonBody(NEW_ROUTE), async (c) => {
      const body = c.req.valid('json')
      const owner = await findOwner(c.env.DB, body.tenant ?? null)
      if (!owner.ok) return refuse(c, owner.error)
      const chosen = readChoice(body, null, ports.nowMs())
      if (!chosen.ok) return refuse(c, chosen.error)
      const providers = await checkTargets(c.env.DB, chosen.value.targets)
      if (!providers.ok) return refuse(c, providers.error)
      const row: RouteRow = {
        id: `route_${randomBase62(14, ports.randomBytes)}`,
        model: body.model,
        tenant_id: owner.value,
        targets: JSON.stringify(chosen.value.targets),
        allowed_gaps: JSON.stringify(body.allowed_gaps ?? []),
        choice: JSON.stringify(chosen.value.choice),
        watched_since_ms: isWatched(chosen.value.choice) ? ports.nowMs() : null,
        created_at_ms: ports.nowMs(),
      }
      const shadow = await checkShadow(c.env.DB, chosen.value.choice.shadow, row)
      if (!shadow.ok) return refuse(c, shadow.error)
      if (await isUnwatchable(c.env.DB, row)) return refuse(c, TOO_MANY_WATCHED)
      const committed = await commit(c.env.DB, insertRow(c.env.DB, 'routes', row), entryBy(c))
      if (!committed.ok) return refuse(c, notStored(committed.error, modelTaken(row.model)))
      const problem = await announce(() => publishRouting(c.env))
      return problem === null ? c.json(told(row, providers.value), 201) : refuse(c, problem)
    })
    .get('/', query(PAGE), async (c) => {
      return c.json(paged(c.req.valid('query'), await listRows<RouteRow>(c.env.DB, 'routes'), viewRoute))
    })
    .get('/:id', async (c) => {
      const row = await findRow<RouteRow>(c.env.DB, 'routes', c.req.param('id'))
      return row === null ? refuse(c, notFound('route', c.req.param('id'))) : c.json(viewRoute(row))
    })
    .patch('/:id', jsonBody(ROUTE_CHANGE), async (c) => {
      const body = c.req.valid('json')
      const before = await findRow<RouteRow>(c.env.DB, 'routes', c.req.param('id'))
      if (before === null) return refuse(c, notFound('route', c.req.param('id')))
      const chosen = readChoice(body, chosenOf(before), ports.nowMs())
      if (!chosen.ok) return refuse(c, chosen.error)
      const providers = await checkTargets(c.env.DB, chosen.value.targets)
      if (!providers.ok) return refuse(c, providers.error)
      const row: RouteRow = {
        ...before,
        targets: JSON.stringify(chosen.value.targets),
        choice: JSON.stringify(chosen.value.choice),
        watched_since_ms: watchedSince(before, chosen.value.choice, ports.nowMs()),
        allowed_gaps: body.allowed_gaps === undefined ? before.allowed_gaps : JSON.stringify(body.allowed_gaps),
      }
      const shadow = await checkShadow(c.env.DB, chosen.value.choice.shadow, row)
      if (!shadow.ok) return refuse(c, shadow.error)
      if (await isUnwatchable(c.env.DB, row)) return refuse(c, TOO_MANY_WATCHED)
      await commit(c.env.DB, updateRow(c.env.DB, 'routes', row), entryBy(c))
      const problem = await announce(() => publishRouting(c.env))
      return problem === null ? c.json(told(row, providers.value)) : refuse(c, problem)
    })
    .delete('/:id', async (c) => {
      const row = await findRow<RouteRow>(c.env.DB, 'routes', c.req.param('id'))
      if (row === null) return refuse(c, notFound('route', c.req.param('id')))
      await commit(c.env.DB, deleteRow(c.env.DB, 'routes', row.id), entryBy(c))
      const problem = await announce(() => publishRouting(c.env))
      return problem === null ? c.body(null, 204) : refuse(c, problem)
    })
}

/** A route that was written just now, with what is odd about it. */
function told(row: RouteRow, providers: readonly string[]) {
  const warnings = warningsAbout(providers)
  return warnings.length === 0 ? viewRoute(row) : { ...viewRoute(row), warnings }
}

/** What was counted under another choice says nothing about this one. */
export function watchedSince(before: RouteRow, choice: RouteChoice, nowMs: number): number | null {
  if (!isWatched(choice)) return null
  return JSON.stringify(choice) === before.choice ? before.watched_since_ms : nowMs
}

/** Whether nobody would look after the route: a watch that isn't kept would be worse than none. */
async function isUnwatchable(db: D1Database, { id, watched_since_ms: sinceMs }: RouteRow): Promise<boolean> {
  if (sinceMs === null) return false
  const query = `SELECT count(*) AS watched FROM routes WHERE watched_since_ms IS NOT NULL AND id <> ?1`
  return ((await db.prepare(query).bind(id).first<{ watched: number }>())?.watched ?? 0) >= WATCHED_MAX
}

const TOO_MANY_WATCHED: Refusal = {
  status: 409,
  code: 'full',
  field: 'group',
  message: `No more than ${WATCHED_MAX} routes are watched at once: take the watch off another one first.`,
}

function chosenOf(row: RouteRow): ChosenTargets {
  return { targets: readTexts(row.targets), choice: readRouteChoice(row) }
}

/** A route as the API shows it. */
export function viewRoute(row: RouteRow) {
  const choice = readRouteChoice(row)
  const { group, rules } = choice
  return {
    id: row.id,
    model: row.model,
    tenant_id: row.tenant_id === '' ? null : row.tenant_id,
    targets: readTexts(row.targets),
    group: group === undefined ? null : viewGroup(group),
    rules: viewRules(rules ?? []),
    ...viewResilience(choice),
    data_policy: viewDataPolicy(choice),
    shadow: viewShadow(choice.shadow),
    allowed_gaps: readTexts(row.allowed_gaps),
    created_at_ms: row.created_at_ms,
  }
}

/** The tenant column: '' for a route of every tenant. */
async function findOwner(db: D1Database, reference: string | null): Promise<Result<string, Refusal>> {
  if (reference === null) return ok('')
  const tenant = await findTenant(db, reference)
  return tenant === null ? err(unknownTenant(reference)) : ok(tenant.id)
}

/** The providers of the targets, in order; or which of them is no target. */
async function checkTargets(db: D1Database, ids: readonly string[]): Promise<Result<readonly string[], Refusal>> {
  if (new Set(ids).size < ids.length) {
    return err(unacceptable('targets', 'invalid_field', 'targets must name each target once.'))
  }
  const found = await db
    .prepare(`SELECT id, provider FROM targets WHERE id IN (SELECT value FROM json_each(?1))`)
    .bind(JSON.stringify(ids))
    .all<{ id: string; provider: string }>()
  const known = new Map(found.results.map((row) => [row.id, row.provider]))
  const missing = ids.findIndex((id) => !known.has(id))
  if (missing === -1) return ok(ids.map((id) => known.get(id) ?? ''))
  const field = `targets[${missing}]`
  const message = `${field} must be the id of a target; there is no ${JSON.stringify(ids[missing])}.`
  return err(unacceptable(field, 'unknown_target', message))
}

function modelTaken(model: string): Refusal {
  return exists('model', `There is a route for ${JSON.stringify(model)} already: change that one.`)
}
