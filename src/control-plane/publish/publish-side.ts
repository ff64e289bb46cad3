// Brings the limits of end users and of targets to the objects that enforce them. Like everything that is published, it can
// be repeated at any time; an object keeps the newest revision.
import { LIMITS_VERSION } from '../../core/limits/limits.ts'
import {
  type OwnLimits,
  type SideConfig,
  USER_SHARDS,
  targetObjectName,
  userShardName,
} from '../../core/limits/side-limits.ts'
import type { GatewayEnv } from '../../env.ts'
import { ownLimits, readRules } from '../tenants/side-limits-record.ts'
import {
  type EndUserRow,
  type TargetRow,
  type TenantRow,
  findRow,
  listRows,
  revisionOf,
  userLimited,
} from '../store.ts'

type SideEnv = Pick<GatewayEnv, 'DB' | 'SIDE_LIMITER'>

/** Tells all objects that share a tenant's end users, or one of them. Those of a tenant that is gone enforce nothing. */
export async function pushEndUsers(env: SideEnv, tenantId: string, shard?: number): Promise<void> {
  const revision = await revisionOf(env.DB)
  const [tenant, users, places] = await Promise.all([
    findRow<TenantRow>(env.DB, 'tenants', tenantId),
    listRows<EndUserRow>(env.DB, 'end_users', tenantId),
    userLimited(env.DB, tenantId),
  ])
  const limited = places.map((row) => [row.id, ownLimits(readRules(row.end_user_limits))] as const)
  const within = Object.fromEntries(limited.filter(([, limits]) => limits.length > 0))
  const usual = ownLimits(readRules(tenant?.end_user_limits ?? null))
  const shards = shard === undefined ? Array.from({ length: USER_SHARDS }, (_, at) => at) : [shard]
  await Promise.all(
    shards.map((at) => {
      const own: Record<string, readonly OwnLimits[]> = {}
      for (const row of users) if (row.shard === at) own[row.digest] = ownLimits(readRules(row.limit_rules))
      const timeZone = tenant?.time_zone ?? 'UTC'
      const config: SideConfig = { v: LIMITS_VERSION, revision, timeZone, scope: 'user', usual, own, within }
      return configure(env, userShardName(tenantId, at), config)
    }),
  )
}

/** Tells a target's object. That of a target that is gone enforces nothing. Its days are those of UTC. */
export async function pushTargetLimits(env: SideEnv, targetId: string): Promise<void> {
  const revision = await revisionOf(env.DB)
  const row = await findRow<TargetRow>(env.DB, 'targets', targetId)
  const usual = ownLimits(readRules(row?.limit_rules ?? null))
  const config: SideConfig = { v: LIMITS_VERSION, revision, timeZone: 'UTC', scope: 'target', usual, own: {} }
  await configure(env, targetObjectName(targetId), config)
}

function configure(env: SideEnv, objectName: string, config: SideConfig): Promise<void> {
  return env.SIDE_LIMITER.get(env.SIDE_LIMITER.idFromName(objectName)).configure(config)
}
