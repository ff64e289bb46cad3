// Keys and tenants as the directory has them, out of their rows. Pure.
import type { KeyRecord, TenantRecord } from '../../core/directory.ts'
import { PASS_THROUGH_USUAL } from '../../core/guard/pass-through-policy.ts'
import { bodiesOf } from '../tenants/bodies-record.ts'
import { dataPolicyOf } from '../tenants/data-policy-record.ts'
import { publishedHashes, readSecrets } from '../keys/key-secrets.ts'
import { hasBudget } from '../tenants/limits-record.ts'
import { unpricedOf } from '../prices/price-record.ts'
import { readRules } from '../tenants/side-limits-record.ts'
import { type KeyRow, type TenantRow, readTexts } from '../store.ts'

/** A key as it is published. */
export function keyRecord(row: KeyRow): KeyRecord {
  return {
    v: 1,
    keyId: row.id,
    kid: row.kid,
    tenantId: row.tenant_id,
    teamId: row.team_id,
    hashes: publishedHashes(readSecrets(row.hashes)),
    costCenter: row.cost_center,
    tags: readTexts(row.tags),
    allowedModels: readTexts(row.models),
    expiresAtMs: row.expires_at_ms,
    revokedAtMs: row.revoked_at_ms,
    ...(hasBudget(row) ? {} : { hasNoBudget: true }),
    ...(row.pass_through === null ? {} : { passThrough: row.pass_through }),
    ...dataPolicyOf(row.data_policy),
    ...(readRules(row.end_user_limits).length === 0 ? {} : { limitsEndUsers: true }),
  }
}

/** A tenant as it is published. */
export function tenantRecord(
  row: TenantRow,
  isUserLimited: boolean,
  { unchecked, ...told }: Pick<TenantRecord, 'userLimitedTeams'> & { readonly unchecked: TenantRecord['unchecked'] },
): TenantRecord {
  const isRequired = row.require_end_user === 1
  const unpriced = unpricedOf(row)
  return {
    v: 1,
    tenantId: row.id,
    name: row.name,
    cache: { mode: row.cache_mode, ttlSeconds: row.cache_ttl_seconds },
    timeZone: row.time_zone,
    ...(row.pass_through === PASS_THROUGH_USUAL ? {} : { passThrough: row.pass_through }),
    ...(row.cors_origins === '[]' ? {} : { corsOrigins: readTexts(row.cors_origins) }),
    ...(unchecked === undefined ? {} : { unchecked }),
    ...(unpriced === undefined ? {} : { unpriced }),
    ...(row.limiter === 'regional' ? { limiter: row.limiter } : {}),
    ...dataPolicyOf(row.data_policy),
    ...bodiesOf(row.bodies),
    ...(isRequired || isUserLimited ? { endUsers: { isRequired, isLimited: isUserLimited } } : {}),
    ...told,
  }
}
