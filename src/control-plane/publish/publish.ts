// Brings the configuration from D1, where it is true, to where it is used: records and the routing snapshot to KV, limits
// to each tenant's limiter. Everything here can be repeated at any time and always publishes the present state.
import { findCapabilities } from '../../catalog/models.ts'
import {
  DIRECTORY_ROUTING_NAME,
  directoryKeyName,
  directorySecretName,
  directoryTenantName,
  type Route,
  type RoutingSnapshot,
  type Target,
  type TenantRecord,
} from '../../core/directory.ts'
import { LIMITS_VERSION, type LimiterConfig } from '../../core/limits/limits.ts'
import type { GatewayEnv } from '../../env.ts'
import { publishedCredentials } from '../credentials/credential-record.ts'
import { keyRecord, tenantRecord } from './directory-records.ts'
import { FRESH_SECONDS, endsToTell, freshMark, readSecrets } from '../keys/key-secrets.ts'
import { hasBudget, limiterNodes } from '../tenants/limits-record.ts'
import { ruleOf } from '../prices/price-record.ts'
import { publishedPreset } from '../routes/preset-record.ts'
import { pushEndUsers, pushTargetLimits } from './publish-side.ts'
import { readSwitches } from './publish-switches.ts'
import { spentByLedger } from './recover-budgets.ts'
import { readRouteChoice } from '../routes/route-choice.ts'
import { pushShadowBudgets } from '../routes/shadow-record.ts'
import { readRules } from '../tenants/side-limits-record.ts'
import {
  findRow,
  hasEndUsers,
  limitedTargets,
  listRows,
  pageRows,
  readTexts,
  revisionOf,
  userLimited,
  type KeyRow,
  type PresetRow,
  type PriceRow,
  type RouteRow,
  type TargetRow,
  type TeamRow,
  type TenantRow,
} from '../store.ts'

/** Where the configuration is published: the part of the gateway's environment that is used. */
export type PublishEnv = Pick<GatewayEnv, 'DB' | 'DIRECTORY' | 'TENANT_LIMITER' | 'SIDE_LIMITER'>

/** Changes that may happen while one is published, before that is given up. */
const ROUNDS_MAX = 25
/** What one call of `publishPage` takes on, within what an invocation may ask of D1 and KV. */
const TENANTS_PER_PAGE = 100
const KEYS_PER_PAGE = 250
const PUT_ATTEMPTS_MAX = 3
const PUT_WAIT_MS = 1100

/** Publishes targets and routes as one snapshot. */
export function publishRouting(env: PublishEnv): Promise<void> {
  return untilCurrent(env, async (revision) => {
    const [targets, routes, switches, prices, presets] = await Promise.all([
      listRows<TargetRow>(env.DB, 'targets'),
      listRows<RouteRow>(env.DB, 'routes'),
      readSwitches(env.DB),
      listRows<PriceRow>(env.DB, 'prices'),
      listRows<PresetRow>(env.DB, 'presets'),
    ])
    const credentials = await publishedCredentials(env.DB, targets.map(readCompiled), Date.now())
    const snapshot: RoutingSnapshot = {
      revision,
      targets: Object.fromEntries(targets.map((row) => [row.id, publishedTarget(row)])),
      routes: routes.map(routeOf),
      switches,
      ...(prices.length === 0 ? {} : { prices: prices.map(ruleOf) }),
      ...(presets.length === 0 ? {} : { presets: presets.map(publishedPreset) }),
      ...(Object.keys(credentials).length === 0 ? {} : { credentials }),
    }
    await pushShadowBudgets(env, snapshot.routes, revision)
    await put(env.DIRECTORY, DIRECTORY_ROUTING_NAME, JSON.stringify(snapshot))
  })
}

/** Publishes a virtual key's record, or takes it back when the key is gone. */
export function publishKey(env: PublishEnv, key: { readonly id: string; readonly kid: string }): Promise<void> {
  return untilCurrent(env, async () => {
    const row = await findRow<KeyRow>(env.DB, 'virtual_keys', key.id)
    if (row === null) return env.DIRECTORY.delete(directoryKeyName(key.kid))
    const record = JSON.stringify(keyRecord(row))
    await put(env.DIRECTORY, directoryKeyName(key.kid), record)
    const mark = freshMark(readSecrets(row.hashes), Date.now())
    if (mark === null) return
    await put(env.DIRECTORY, directorySecretName(key.kid, mark), record, { expirationTtl: FRESH_SECONDS })
  })
}

/** Publishes a tenant's record, or takes it back when the tenant is gone. */
export function publishTenant(env: PublishEnv, tenantId: string): Promise<void> {
  return untilCurrent(env, async () => {
    const row = await findRow<TenantRow>(env.DB, 'tenants', tenantId)
    if (row === null) return env.DIRECTORY.delete(directoryTenantName(tenantId))
    const isUserLimited = readRules(row.end_user_limits).length > 0 || (await hasEndUsers(env.DB, tenantId))
    const told = { unchecked: await uncheckedOf(env.DB, row), ...(await userLimitedTeams(env.DB, tenantId)) }
    await put(env.DIRECTORY, directoryTenantName(tenantId), JSON.stringify(tenantRecord(row, isUserLimited, told)))
  })
}

/** Tells of a change of a tenant's teams: which of them have a budget is in its record where that matters, and so is which limit
 *  their end users. */
export async function publishTeam(env: PublishEnv, { tenant_id: tenantId, ...team }: TeamRow): Promise<void> {
  const tenant = await findRow<TenantRow>(env.DB, 'tenants', tenantId)
  const limitsUsers = team.end_user_limits !== null
  if (tenant?.limits_unavailable === 'admit' || limitsUsers) await publishTenant(env, tenantId)
  await pushLimits(env, tenantId)
  if (limitsUsers) await pushEndUsers(env, tenantId)
}

async function userLimitedTeams(db: D1Database, tenantId: string): Promise<Pick<TenantRecord, 'userLimitedTeams'>> {
  const places = (await userLimited(db, tenantId)).filter((row) => readRules(row.end_user_limits).length > 0)
  const teams = places.map(({ id }) => id).filter((id) => id.startsWith('team_'))
  return teams.length === 0 ? {} : { userLimitedTeams: teams }
}

/** For whom requests are let through while the limiter is away: for nobody, where the tenant doesn't want it or has a
 *  budget that only the limiter could keep. */
async function uncheckedOf(db: D1Database, row: TenantRow): Promise<TenantRecord['unchecked']> {
  if (row.limits_unavailable !== 'admit' || hasBudget(row)) return undefined
  const teams = await listRows<TeamRow>(db, 'teams', row.id)
  return { exceptTeams: teams.filter(hasBudget).map(({ id }) => id) }
}

/** Tells a tenant's limiter its whole tree. The limiter keeps the newest revision, so order doesn't matter. */
export async function pushLimits(env: PublishEnv, tenantId: string): Promise<void> {
  const revision = await revisionOf(env.DB)
  const [tenant, teams, keys, switches] = await Promise.all([
    findRow<TenantRow>(env.DB, 'tenants', tenantId),
    listRows<TeamRow>(env.DB, 'teams', tenantId),
    listRows<KeyRow>(env.DB, 'virtual_keys', tenantId),
    readSwitches(env.DB),
  ])
  if (tenant === null) return
  const nowMs = Date.now()
  const secretEnds = keys.flatMap((row) => (row.revoked_at_ms === null ? endsToTell(row.id, row.hashes, nowMs) : []))
  const config: LimiterConfig = {
    v: LIMITS_VERSION,
    revision,
    timeZone: tenant.time_zone,
    nodes: [
      ...limiterNodes('tenant', tenant.id, tenant),
      ...teams.flatMap((row) => limiterNodes('team', row.id, row)),
      ...keys.flatMap((row) => limiterNodes('key', row.id, row)),
    ],
    revokedKeyIds: keys.filter((row) => row.revoked_at_ms !== null).map((row) => row.id),
    ...(secretEnds.length === 0 ? {} : { secretEnds }),
    switches,
  }
  const limiter = env.TENANT_LIMITER.get(env.TENANT_LIMITER.idFromName(tenantId))
  const { timeZone, nodes } = config
  const spent = (await limiter.hasLimits()) ? [] : await spentByLedger(env.DB, { tenantId, timeZone, nodes }, nowMs)
  await limiter.configure(config, spent)
}

/** Where `publishPage` is to go on. */
export interface PublishCursor {
  readonly table: 'tenants' | 'virtual_keys'
  readonly afterId: string
}

/** Publishes everything, page by page: after a failure in the middle of a change, or into an empty KV. Begins with null;
 *  returns where to go on, null when all is done. */
export async function publishPage(env: PublishEnv, cursor: PublishCursor | null): Promise<PublishCursor | null> {
  if (cursor === null) {
    await publishRouting(env)
    for (const id of await limitedTargets(env.DB)) await pushTargetLimits(env, id)
  }
  const { table, afterId } = cursor ?? { table: 'tenants', afterId: '' }
  if (table === 'virtual_keys') {
    const keys = await pageRows<KeyRow>(env.DB, table, afterId, KEYS_PER_PAGE)
    for (const key of keys) await publishKey(env, key)
    return nextCursor(table, keys, KEYS_PER_PAGE)
  }
  const tenants = await pageRows<TenantRow>(env.DB, table, afterId, TENANTS_PER_PAGE)
  for (const tenant of tenants) {
    await publishTenant(env, tenant.id)
    await pushLimits(env, tenant.id)
    const hasPlaces = (await userLimited(env.DB, tenant.id)).length > 0
    if (tenant.end_user_limits !== null || hasPlaces) await pushEndUsers(env, tenant.id)
  }
  return nextCursor(table, tenants, TENANTS_PER_PAGE) ?? { table: 'virtual_keys', afterId: '' }
}

function nextCursor(
  table: PublishCursor['table'],
  rows: readonly { readonly id: string }[],
  pageSize: number,
): PublishCursor | null {
  const last = rows.at(-1)
  return last === undefined || rows.length < pageSize ? null : { table, afterId: last.id }
}

/** Two changes at once may write their snapshots in the wrong order: whoever finds a newer revision after writing reads
 *  and writes again, so that the last one written is the newest. */
async function untilCurrent(env: PublishEnv, publish: (revision: number) => Promise<void>): Promise<void> {
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const revision = await revisionOf(env.DB)
    await publish(revision)
    if ((await revisionOf(env.DB)) === revision) return
  }
  throw new Error(`the configuration changed ${ROUNDS_MAX} times while it was published`)
}

/** KV takes one write a second of each name: a change right after another one waits for its turn. */
async function put(
  directory: KVNamespace,
  name: string,
  value: string,
  options: KVNamespacePutOptions = {},
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await directory.put(name, value, options)
      return
    } catch (error) {
      if (attempt === PUT_ATTEMPTS_MAX) throw error
      await scheduler.wait(PUT_WAIT_MS)
    }
  }
}

/** A target as it was compiled when it was registered. The column is written by this control plane only. */
export function readCompiled(row: TargetRow): Target {
  const target: Target = JSON.parse(row.compiled)
  return target
}

function publishedTarget(row: TargetRow): Target {
  const target = withCapabilities(readCompiled(row))
  return readRules(row.limit_rules).length === 0 ? target : { ...target, hasLimits: true }
}

/** A target with what the catalogue knows of its model, under what its operator says. */
function withCapabilities(target: Target): Target {
  const capabilities = { ...findCapabilities(target.model), ...target.capabilities }
  return Object.keys(capabilities).length === 0 ? target : { ...target, capabilities }
}

function routeOf(row: RouteRow): Route {
  return {
    id: row.id,
    model: row.model,
    tenantId: row.tenant_id === '' ? null : row.tenant_id,
    targets: readTexts(row.targets),
    allowedGaps: readTexts(row.allowed_gaps),
    ...readRouteChoice(row),
  }
}
