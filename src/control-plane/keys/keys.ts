// Virtual keys: minted once, shown once, kept only as a keyed digest. Create, list, read, change, revoke, delete.
import { Hono, type Context } from 'hono'
import { directoryUseName } from '../../core/directory.ts'
import { isWider, type PassThroughPolicy } from '../../core/guard/pass-through-policy.ts'
import { err, ok, type Result } from '../../core/result.ts'
import { formatVirtualKey, type VirtualKey } from '../../core/virtual-key.ts'
import { announce } from '../publish/announce.ts'
import { changeDataPolicy } from '../tenants/data-policy-record.ts'
import { type KeyOwner, NO_PEPPER, PEPPER_LENGTH_MIN, mintKey, unknownKey, viewKey } from './key-record.ts'
import { usesOf } from './key-secrets.ts'
import { changeLimits } from '../tenants/limits-record.ts'
import { entryBy, ownRows, scopeOf } from '../access/caller.ts'
import { PAGE, paged } from '../http/paging.ts'
import type { AdminPorts, AdminTypes } from '../ports.ts'
import { type Scope, isReached, isWithin } from '../access/permissions.ts'
import { publishKey, pushLimits } from '../publish/publish.ts'
import { pushEndUsers } from '../publish/publish-side.ts'
import { exists, notStored, refuse, unacceptable, type Refusal } from '../http/refusal.ts'
import { KEY_CHANGE, NEW_KEY, readInstant } from '../schemas.ts'
import { changeRules, rulesProblem } from '../tenants/side-limits-record.ts'
import {
  commit,
  deleteRow,
  findRow,
  findTeam,
  findTenant,
  insertRow,
  listRows,
  updateRow,
  type KeyRow,
  type TenantRow,
} from '../store.ts'
import { unknownTenant } from '../tenants/teams.ts'
import { jsonBody, query } from '../http/validate.ts'

type Env = AdminTypes['Bindings']

/** A deleted key is no longer on the limiter's list of revoked ones: by then no isolate may remember it as valid. */
const REST_MS = 600_000

/** The admin API's `/keys`. */
export function keyEndpoints(ports: AdminPorts) {
  return new Hono<AdminTypes>()
    .post('/', jsonBody(NEW_KEY), async (c) => {
      const body = c.req.valid('json')
      const drafted = await draft(c, body, ports)
      if (!drafted.ok) return refuse(c, drafted.error)
      const { row, key } = drafted.value
      const committed = await commit(c.env.DB, insertRow(c.env.DB, 'virtual_keys', row), entryBy(c))
      if (!committed.ok) return refuse(c, notStored(committed.error, nameTaken(row.name)))
      const problem = await announceKey(c.env, row)
      if (problem === null) return c.json({ ...viewKey(row, ports.nowMs()), key: formatVirtualKey(key) }, 201)
      // Nobody has seen the secret: a key that isn't published is taken back rather than left without an owner.
      await commit(c.env.DB, deleteRow(c.env.DB, 'virtual_keys', row.id), entryBy(c))
      const message = 'The key could not be published and was not created: try again.'
      return refuse(c, { ...problem, message }, { is_undone: true })
    })
    .get('/', query(PAGE), async (c) => {
      const rows = ownRows(c, await listRows<KeyRow>(c.env.DB, 'virtual_keys'))
      return c.json(paged(c.req.valid('query'), rows, (row) => viewKey(row, ports.nowMs())))
    })
    .get('/:id', async (c) => {
      const row = await findRow<KeyRow>(c.env.DB, 'virtual_keys', c.req.param('id'))
      return row === null
        ? refuse(c, unknownKey(c.req.param('id')))
        : c.json(await viewWithUses(c.env, row, ports.nowMs()))
    })
    .patch('/:id', jsonBody(KEY_CHANGE), async (c) => {
      const before = await findRow<KeyRow>(c.env.DB, 'virtual_keys', c.req.param('id'))
      if (before === null) return refuse(c, unknownKey(c.req.param('id')))
      const body = c.req.valid('json')
      const tenant = await findTenant(c.env.DB, before.tenant_id)
      const wider = tenant === null ? null : tooWide(body, tenant)
      if (wider !== null) return refuse(c, wider)
      const changed = changeKey(before, body, ports.nowMs())
      if (!changed.ok) return refuse(c, changed.error)
      const committed = await commit(
        c.env.DB,
        updateRow(c.env.DB, 'virtual_keys', settingsOf(changed.value)),
        entryBy(c),
      )
      if (!committed.ok) return refuse(c, nameTaken(changed.value.name))
      const problem = await announceKey(c.env, changed.value)
      return problem === null ? c.json(viewKey(changed.value, ports.nowMs())) : refuse(c, problem)
    })
    .post('/:id/revoke', async (c) => {
      const before = await findRow<KeyRow>(c.env.DB, 'virtual_keys', c.req.param('id'))
      if (before === null) return refuse(c, unknownKey(c.req.param('id')))
      const row: KeyRow = { ...before, revoked_at_ms: before.revoked_at_ms ?? ports.nowMs() }
      await commit(c.env.DB, updateRow(c.env.DB, 'virtual_keys', row), entryBy(c))
      const problem = await announce(
        () => revokeAtLimiter(c.env, row),
        () => publishKey(c.env, row),
        () => pushLimits(c.env, row.tenant_id),
      )
      return problem === null ? c.json(viewKey(row, ports.nowMs())) : refuse(c, problem)
    })
    .delete('/:id', async (c) => {
      const row = await findRow<KeyRow>(c.env.DB, 'virtual_keys', c.req.param('id'))
      if (row === null) return refuse(c, unknownKey(c.req.param('id')))
      if (ports.nowMs() - endedAtMs(row) < REST_MS) return refuse(c, STILL_ACTIVE)
      await commit(c.env.DB, deleteRow(c.env.DB, 'virtual_keys', row.id), entryBy(c))
      const problem = await announceKey(c.env, row)
      return problem === null ? c.body(null, 204) : refuse(c, problem)
    })
}

/** As it is shown by itself: with the times at which its old secrets were last used, where they are known. */
async function viewWithUses(env: Env, row: KeyRow, nowMs: number) {
  const view = viewKey(row, nowMs)
  if (view.old_secrets.length === 0) return view
  const uses = await usesOf(row.hashes, nowMs, async (mark) => {
    const text = await env.DIRECTORY.get(directoryUseName(row.kid, mark), { cacheTtl: 60 })
    return text === null ? null : Number(text)
  })
  const old = view.old_secrets.map((secret, index) => ({ ...secret, last_used_ms: uses[index] ?? null }))
  return { ...view, old_secrets: old }
}

const STILL_ACTIVE: Refusal = {
  status: 409,
  code: 'active',
  field: null,
  message: 'A key can be deleted ten minutes after it was revoked (POST /admin/keys/:id/revoke) or expired.',
}

/** When the key ceased to work; never: Infinity. */
function endedAtMs(row: KeyRow): number {
  return row.revoked_at_ms ?? row.expires_at_ms ?? Number.POSITIVE_INFINITY
}

type NewKeyBody = KeyChange & {
  readonly tenant: string
  readonly team?: string | null | undefined
  readonly name: string
}

async function draft(
  c: Context<AdminTypes>,
  body: NewKeyBody,
  ports: AdminPorts,
): Promise<Result<{ readonly row: KeyRow; readonly key: VirtualKey }, Refusal>> {
  const { env } = c
  if ((env.KEY_PEPPER ?? '').length < PEPPER_LENGTH_MIN) return err(NO_PEPPER)
  const owner = await findOwner(body, env.DB, scopeOf(c))
  if (!owner.ok) return owner
  const { row: blank, key } = await mintKey(body.name, owner.value, env, ports)
  const row = changeKey(blank, body, ports.nowMs())
  return row.ok ? ok({ row: row.value, key }) : row
}

async function findOwner(body: NewKeyBody, db: D1Database, scope: Scope): Promise<Result<KeyOwner, Refusal>> {
  const tenant = await findTenant(db, body.tenant)
  if (tenant === null || !isReached(scope, tenant.id)) return err(unknownTenant(body.tenant))
  const wider = tooWide(body, tenant)
  if (wider !== null) return err(wider)
  if (body.team === undefined || body.team === null) {
    return scope.kind === 'team' ? err(NO_TEAM) : ok({ tenant_id: tenant.id, team_id: null })
  }
  const team = await findTeam(db, tenant.id, body.team)
  if (team !== null && isWithin(scope, tenant.id, team.id)) return ok({ tenant_id: tenant.id, team_id: team.id })
  const message = `team must be the id or name of a team of this tenant; there is no ${JSON.stringify(body.team)}.`
  return err(unacceptable('team', 'unknown_team', message))
}

const NO_TEAM = unacceptable(
  'team',
  'invalid_field',
  'team must be given: whoever leads a team makes keys of that team.',
)

interface KeyChange {
  readonly name?: string | undefined
  readonly cost_center?: string | null | undefined
  readonly tags?: readonly string[] | undefined
  readonly models?: readonly string[] | undefined
  readonly pass_through?: PassThroughPolicy | null | undefined
  readonly data_policy?: Parameters<typeof changeDataPolicy>[1]
  readonly limits?: Parameters<typeof changeLimits>[1]
  readonly end_user_limits?: Parameters<typeof changeRules>[1]
  readonly expires_at?: string | null | undefined
}

/** The key after a change: what is left out stays. */
export function changeKey(before: KeyRow, body: KeyChange, nowMs: number): Result<KeyRow, Refusal> {
  const limits = changeLimits(before, body.limits)
  if (!limits.ok) return limits
  const problemOfUsers = rulesProblem('end_user_limits', body.end_user_limits)
  if (problemOfUsers !== null) return err(problemOfUsers)
  const expiresAtMs = expiryAfter(before, body)
  if (body.expires_at !== undefined && expiresAtMs !== null && expiresAtMs <= nowMs) {
    return err(unacceptable('expires_at', 'invalid_field', 'expires_at must be in the future.'))
  }
  return ok({
    ...before,
    ...limits.value,
    end_user_limits: changeRules(before.end_user_limits, body.end_user_limits),
    name: body.name ?? before.name,
    cost_center: body.cost_center === undefined ? before.cost_center : body.cost_center,
    tags: body.tags === undefined ? before.tags : JSON.stringify(body.tags),
    models: body.models === undefined ? before.models : JSON.stringify(body.models),
    pass_through: body.pass_through === undefined ? before.pass_through : body.pass_through,
    data_policy: changeDataPolicy(before.data_policy, body.data_policy),
    expires_at_ms: expiresAtMs,
  })
}

/** What a change may change: whoever revokes the key or rotates it at the same time has done so. */
function settingsOf({ hashes: _hashes, revoked_at_ms: _revokedAtMs, ...settings }: KeyRow) {
  return settings
}

/** A key may have less than its tenant. Where the tenant gets less later on, so does the key: the narrower one counts. */
export function tooWide({ pass_through: own }: Pick<KeyChange, 'pass_through'>, tenant: TenantRow): Refusal | null {
  if (own === undefined || own === null || !isWider(own, tenant.pass_through)) return null
  const message = `pass_through can't be wider than the tenant's, which is ${JSON.stringify(tenant.pass_through)}.`
  return unacceptable('pass_through', 'invalid_field', message)
}

function expiryAfter(before: KeyRow, body: KeyChange): number | null {
  if (body.expires_at === undefined) return before.expires_at_ms
  return body.expires_at === null ? null : readInstant(body.expires_at)
}

function announceKey(env: Env, row: KeyRow): Promise<Refusal | null> {
  const ofUsers = row.end_user_limits === null ? [] : [() => pushEndUsers(env, row.tenant_id)]
  return announce(
    () => publishKey(env, row),
    () => pushLimits(env, row.tenant_id),
    ...ofUsers,
  )
}

async function revokeAtLimiter(env: Env, row: KeyRow): Promise<void> {
  await env.TENANT_LIMITER.get(env.TENANT_LIMITER.idFromName(row.tenant_id)).revoke(row.id)
}

function nameTaken(name: string): Refusal {
  return exists('name', `The tenant has an active key ${JSON.stringify(name)} already.`)
}
