// A caller as KV has it: the record of the presented key, if it has that secret, and of its tenant. Separate from what an isolate
// remembers of callers.
import {
  type Caller,
  type KeyHash,
  type KeyRecord,
  type TenantRecord,
  directoryKeyName,
  directorySecretName,
  directoryTenantName,
  secretMark,
} from '../core/directory.ts'
import type { OwnedDataPolicy } from '../core/routing/data-policy.ts'
import { PASS_THROUGH_USUAL, narrowerPolicy } from '../core/guard/pass-through-policy.ts'
import type { VirtualKey } from '../core/virtual-key.ts'
import type { KeyProblem } from '../ports.ts'
import { hmacHex, matchSecret } from './key-digest.ts'

/** How long a caller is known without asking. */
const CALLER_MS = 60_000
/** How long a key that doesn't open the gateway is known not to. */
export const UNKNOWN_MS = 10_000
const FROM_KV = { type: 'json', cacheTtl: 60 } as const

/** What a presented key is, and how long that holds. */
export interface KnownCaller {
  readonly answer: Caller | KeyProblem
  readonly keyId: string | null
  /** Which of the key's secrets was presented. */
  readonly mark: string | null
  /** That secret was replaced by another one. */
  readonly isOld?: true
  /** The end of the key, or of that secret, if it comes before everything is looked up again. */
  readonly untilMs: number
}

interface CallerSources {
  readonly kv: KVNamespace
  readonly pepper: string
  readonly nowMs: number
  /** Told what is read of the caller's tenant. */
  readonly tellTenant: (tenant: TenantRecord) => void
}

/** Who presents this key. Rejects when KV does. */
export async function readCaller(key: VirtualKey, sources: CallerSources): Promise<KnownCaller> {
  const { kv, nowMs } = sources
  const found = await findRecord(key, sources)
  if (found === null) return { answer: 'unknown', keyId: null, mark: null, untilMs: nowMs + UNKNOWN_MS }
  const { record, hash } = found
  const { keyId } = record
  const mark = secretMark(hash.hmacHex)
  const problem = problemOf(found, nowMs)
  if (problem !== null) return { answer: problem, keyId, mark, untilMs: nowMs + UNKNOWN_MS }
  const tenant = await kv.get<TenantRecord>(directoryTenantName(record.tenantId), FROM_KV)
  if (tenant === null) return { answer: 'unknown', keyId, mark, untilMs: nowMs + UNKNOWN_MS }
  sources.tellTenant(tenant)
  const endMs = Math.min(record.expiresAtMs ?? Infinity, hash.untilMs ?? Infinity)
  const untilMs = Math.min(nowMs + CALLER_MS, endMs)
  return {
    answer: callerOf(record, tenant),
    keyId,
    mark,
    ...(hash.untilMs === undefined ? {} : { isOld: true }),
    untilMs,
  }
}

interface FoundKey {
  readonly record: KeyRecord
  /** Of the secret that was presented. */
  readonly hash: KeyHash
}

/** The key with that secret. KV's edge may hold a record of before the key was given it: then it is under its own name. */
async function findRecord({ kid, secret }: VirtualKey, { kv, pepper }: CallerSources): Promise<FoundKey | null> {
  const record = await kv.get<KeyRecord>(directoryKeyName(kid), FROM_KV)
  if (record === null) return null
  const hash = await matchSecret(record.hashes, secret, pepper)
  if (hash !== null) return { record, hash }
  const name = directorySecretName(kid, secretMark(await hmacHex(pepper, secret)))
  const latest = await kv.get<KeyRecord>(name, FROM_KV)
  const its = latest === null ? null : await matchSecret(latest.hashes, secret, pepper)
  return latest === null || its === null ? null : { record: latest, hash: its }
}

function problemOf({ record, hash }: FoundKey, nowMs: number): KeyProblem | null {
  if (record.revokedAtMs !== null) return 'revoked'
  if (record.expiresAtMs !== null && nowMs >= record.expiresAtMs) return 'expired'
  return hash.untilMs !== undefined && nowMs >= hash.untilMs ? 'rotated' : null
}

function callerOf(record: KeyRecord, tenant: TenantRecord): Caller {
  return {
    tenantId: record.tenantId,
    teamId: record.teamId,
    keyId: record.keyId,
    costCenter: record.costCenter,
    tags: record.tags,
    allowedModels: record.allowedModels,
    cache: tenant.cache,
    ...(mayGoUnchecked(record, tenant) ? { admitsUnchecked: true } : {}),
    passThrough: narrowerPolicy(tenant.passThrough ?? PASS_THROUGH_USUAL, record.passThrough ?? null),
    ...(tenant.unpriced === undefined ? {} : { unpriced: tenant.unpriced }),
    ...(tenant.corsOrigins === undefined ? {} : { corsOrigins: tenant.corsOrigins }),
    ...endUsersOf(record, tenant),
    ...dataPolicies(record, tenant),
    ...(tenant.bodies === undefined ? {} : { bodies: tenant.bodies }),
  }
}

/** Users have the tenant's limits, and others within the team and the key. */
function endUsersOf(
  { keyId, teamId, limitsEndUsers }: KeyRecord,
  { endUsers, userLimitedTeams = [] }: TenantRecord,
): Pick<Caller, 'endUsers'> {
  const within: string[] = []
  if (teamId !== null && userLimitedTeams.includes(teamId)) within.push(teamId)
  if (limitsEndUsers === true) within.push(keyId)
  if (within.length > 0) return { endUsers: { isRequired: endUsers?.isRequired === true, isLimited: true, within } }
  return endUsers === undefined ? {} : { endUsers }
}

function dataPolicies(key: KeyRecord, tenant: TenantRecord): Pick<Caller, 'dataPolicies'> {
  const policies: OwnedDataPolicy[] = []
  if (tenant.dataPolicy !== undefined) policies.push({ of: 'tenant', policy: tenant.dataPolicy })
  if (key.dataPolicy !== undefined) policies.push({ of: 'key', policy: key.dataPolicy })
  return policies.length === 0 ? {} : { dataPolicies: policies }
}

/** Whether a key's requests are let through while the limiter is away. */
function mayGoUnchecked({ hasNoBudget, teamId }: KeyRecord, { unchecked }: TenantRecord): boolean {
  if (unchecked === undefined || hasNoBudget !== true) return false
  return teamId === null || !unchecked.exceptTeams.includes(teamId)
}
