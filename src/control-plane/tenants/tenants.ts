// Tenants: who pays. Create, list, read, change, delete.
import { Hono, type Context } from 'hono'
import { PASS_THROUGH_USUAL } from '../../core/guard/pass-through-policy.ts'
import { err, ok, type Result } from '../../core/result.ts'
import { randomBase62 } from '../../core/virtual-key.ts'
import { announce } from '../publish/announce.ts'
import { NO_BODIES_KEY } from '../reports/bodies.ts'
import { changeBodies, viewBodies } from './bodies-record.ts'
import { BODIES_KEY_LENGTH_MIN } from '../../ledger/bodies.ts'
import { changeDataPolicy, dataPolicyOf, viewDataPolicy } from './data-policy-record.ts'
import { changeLimits, NO_LIMITS, viewLimits } from './limits-record.ts'
import { entryBy, scopeOf } from '../access/caller.ts'
import { PAGE, paged } from '../http/paging.ts'
import type { AdminPorts, AdminTypes } from '../ports.ts'
import { changeUnpriced, defaultPriceOf, viewPrice } from '../prices/price-record.ts'
import { publishTenant, pushLimits } from '../publish/publish.ts'
import { pushEndUsers } from '../publish/publish-side.ts'
import { changeRules, readRules, rulesProblem } from './side-limits-record.ts'
import { exists, notFound, notStored, referenced, refuse, unacceptable, type Refusal } from '../http/refusal.ts'
import { NEW_TENANT, TENANT_CHANGE, type TenantChange } from '../schemas.ts'
import { commit, deleteRow, findTenant, insertRow, listRows, readTexts, updateRow, type TenantRow } from '../store.ts'
import { jsonBody, query } from '../http/validate.ts'

const CACHE_TTL_SECONDS = 3600

/** The admin API's `/tenants`. */
export function tenantEndpoints(ports: AdminPorts) {
  return new Hono<AdminTypes>()
    .post('/', jsonBody(NEW_TENANT), async (c) => {
      const body = c.req.valid('json')
      if (lacksKey(c.env, body)) return refuse(c, NO_BODIES_KEY)
      const id = `ten_${randomBase62(14, ports.randomBytes)}`
      const changed = changeTenant({ ...BLANK_TENANT, id, name: body.name, created_at_ms: ports.nowMs() }, body)
      if (!changed.ok) return refuse(c, changed.error)
      const row = changed.value
      const committed = await commit(c.env.DB, insertRow(c.env.DB, 'tenants', row), entryBy(c))
      if (!committed.ok) return refuse(c, notStored(committed.error, nameTaken(row.name)))
      const problem = await announceTenant(c.env, row)
      return problem === null ? c.json(viewTenant(row), 201) : refuse(c, problem)
    })
    .get('/', query(PAGE), async (c) => {
      const rows = ownTenants(c, await listRows<TenantRow>(c.env.DB, 'tenants'))
      return c.json(paged(c.req.valid('query'), rows, (row) => viewTenant(row)))
    })
    .get('/:id', async (c) => {
      const row = await findTenant(c.env.DB, c.req.param('id'))
      return row === null ? refuse(c, notFound('tenant', c.req.param('id'))) : c.json(viewTenant(row))
    })
    .patch('/:id', jsonBody(TENANT_CHANGE), async (c) => {
      const body = c.req.valid('json')
      if (lacksKey(c.env, body)) return refuse(c, NO_BODIES_KEY)
      const before = await findTenant(c.env.DB, c.req.param('id'))
      if (before === null) return refuse(c, notFound('tenant', c.req.param('id')))
      const changed = changeTenant(before, body)
      if (!changed.ok) return refuse(c, changed.error)
      const row = changed.value
      const committed = await commit(c.env.DB, updateRow(c.env.DB, 'tenants', row), entryBy(c))
      if (!committed.ok) return refuse(c, nameTaken(row.name))
      const problem = await announceTenant(c.env, row)
      return problem === null ? c.json(viewTenant(row)) : refuse(c, problem)
    })
    .delete('/:id', async (c) => {
      const row = await findTenant(c.env.DB, c.req.param('id'))
      if (row === null) return refuse(c, notFound('tenant', c.req.param('id')))
      const [routes, presets] = await Promise.all([
        listRows(c.env.DB, 'routes', row.id),
        listRows(c.env.DB, 'presets', row.id),
      ])
      const committed =
        routes.length + presets.length > 0
          ? null
          : await commit(c.env.DB, deleteRow(c.env.DB, 'tenants', row.id), entryBy(c))
      if (committed === null || !committed.ok) {
        return refuse(c, referenced('The tenant still has teams, keys, routes or presets: delete those first.'))
      }
      const ofUsers = row.end_user_limits === null ? [] : [() => pushEndUsers(c.env, row.id)]
      const problem = await announce(() => publishTenant(c.env, row.id), ...ofUsers)
      return problem === null ? c.body(null, 204) : refuse(c, problem)
    })
}

/** The caller's tenants; of a team's, its name and no more. */
export function ownTenants(c: Context<AdminTypes>, rows: readonly TenantRow[]): readonly TenantRow[] {
  const scope = scopeOf(c)
  if (scope.kind === 'deployment') return rows
  const own = rows.filter(({ id }) => id === scope.tenantId)
  if (scope.kind === 'tenant') return own
  return own.map(({ id, name, created_at_ms }) => ({ ...BLANK_TENANT, id, name, created_at_ms }))
}

/** A tenant of which nothing is said. */
export const BLANK_TENANT: Omit<TenantRow, 'id' | 'name' | 'created_at_ms'> = {
  ...NO_LIMITS,
  cache_mode: 'off',
  cache_ttl_seconds: CACHE_TTL_SECONDS,
  time_zone: 'UTC',
  cors_origins: '[]',
  end_user_limits: null,
  require_end_user: 0,
  pass_through: PASS_THROUGH_USUAL,
  limits_unavailable: 'refuse',
  limiter: 'one',
  unpriced: null,
  default_price: null,
  data_policy: null,
  bodies: null,
}

/** The tenant after a change: what is left out stays. */
export function changeTenant(before: TenantRow, body: TenantChange): Result<TenantRow, Refusal> {
  const limits = changeLimits(before, body.limits)
  if (!limits.ok) return limits
  const problemOfUsers = rulesProblem('end_user_limits', body.end_user_limits)
  if (problemOfUsers !== null) return err(problemOfUsers)
  const unpriced = changeUnpriced(before, body)
  if (unpriced.unpriced === 'default' && unpriced.default_price === null) return err(NO_DEFAULT_PRICE)
  return ok({
    ...before,
    ...limits.value,
    ...unpriced,
    name: body.name ?? before.name,
    cache_mode: body.cache?.mode ?? before.cache_mode,
    cache_ttl_seconds: body.cache?.ttl_seconds ?? before.cache_ttl_seconds,
    time_zone: body.time_zone ?? before.time_zone,
    cors_origins: body.cors_origins === undefined ? before.cors_origins : JSON.stringify(body.cors_origins),
    end_user_limits: changeRules(before.end_user_limits, body.end_user_limits),
    require_end_user: body.require_end_user === undefined ? before.require_end_user : body.require_end_user ? 1 : 0,
    pass_through: body.pass_through ?? before.pass_through,
    limits_unavailable: body.limits_unavailable ?? before.limits_unavailable,
    limiter: body.limiter ?? before.limiter,
    data_policy: changeDataPolicy(before.data_policy, body.data_policy),
    bodies: changeBodies(before.bodies, body.bodies),
  })
}

const NO_DEFAULT_PRICE = unacceptable(
  'default_price',
  'invalid_field',
  'default_price is needed where unpriced is default.',
)

/** Whether bodies are to be kept where there is no secret to encrypt them under. */
function lacksKey({ BODIES_KEY: key = '' }: AdminTypes['Bindings'], { bodies }: TenantChange): boolean {
  return bodies != null && key.length < BODIES_KEY_LENGTH_MIN
}

/** A tenant as the API shows it. `spentNanoUsd`: in its running budget window, where known. */
export function viewTenant(row: TenantRow, spentNanoUsd?: number) {
  const defaultPrice = defaultPriceOf(row)
  return {
    id: row.id,
    name: row.name,
    limits: viewLimits(row, spentNanoUsd),
    cache: { mode: row.cache_mode, ttl_seconds: row.cache_ttl_seconds },
    time_zone: row.time_zone,
    cors_origins: readTexts(row.cors_origins),
    require_end_user: row.require_end_user === 1,
    end_user_limits: readRules(row.end_user_limits),
    pass_through: row.pass_through,
    limits_unavailable: row.limits_unavailable,
    limiter: row.limiter,
    unpriced: row.unpriced,
    default_price: defaultPrice === null ? null : viewPrice(defaultPrice),
    data_policy: viewDataPolicy(dataPolicyOf(row.data_policy)),
    bodies: viewBodies(row.bodies),
    created_at_ms: row.created_at_ms,
  }
}

function announceTenant(env: AdminTypes['Bindings'], { id, end_user_limits: endUserLimits }: TenantRow) {
  const ofUsers = endUserLimits === null ? [] : [() => pushEndUsers(env, id)]
  return announce(
    () => publishTenant(env, id),
    () => pushLimits(env, id),
    ...ofUsers,
  )
}

function nameTaken(name: string) {
  return exists('name', `There is a tenant ${JSON.stringify(name)} already.`)
}
