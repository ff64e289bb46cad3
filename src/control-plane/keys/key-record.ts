// Virtual keys as they are made, kept and shown. A secret is shown once and kept only as a keyed digest.
import { mintVirtualKey, randomBase62, type VirtualKey } from '../../core/virtual-key.ts'
import { dataPolicyOf, viewDataPolicy } from '../tenants/data-policy-record.ts'
import { hmacHex } from '../digest.ts'
import { type KeptSecret, keptSecret, viewSecrets } from './key-secrets.ts'
import { NO_LIMITS, viewLimits } from '../tenants/limits-record.ts'
import type { AdminPorts, AdminTypes } from '../ports.ts'
import { notFound, type Refusal } from '../http/refusal.ts'
import { readRules } from '../tenants/side-limits-record.ts'
import { type KeyRow, readTexts } from '../store.ts'

type MintingEnv = Pick<AdminTypes['Bindings'], 'KEY_PEPPER' | 'ENVIRONMENT'>

/** A virtual key as the API shows it: of its secrets what they end in, never a digest. */
export function viewKey(row: KeyRow, nowMs: number, spentNanoUsd?: number) {
  return {
    id: row.id,
    kid: row.kid,
    tenant_id: row.tenant_id,
    team_id: row.team_id,
    name: row.name,
    cost_center: row.cost_center,
    tags: readTexts(row.tags),
    models: readTexts(row.models),
    pass_through: row.pass_through,
    data_policy: viewDataPolicy(dataPolicyOf(row.data_policy)),
    status: statusOf(row, nowMs),
    created_at_ms: row.created_at_ms,
    expires_at_ms: row.expires_at_ms,
    limits: viewLimits(row, spentNanoUsd),
    end_user_limits: readRules(row.end_user_limits),
    ...viewSecrets(row.hashes, nowMs),
  }
}

/** How a key stands. */
export function statusOf(row: KeyRow, nowMs: number): 'active' | 'revoked' | 'expired' {
  if (row.revoked_at_ms !== null) return 'revoked'
  return row.expires_at_ms !== null && row.expires_at_ms <= nowMs ? 'expired' : 'active'
}

/** Whose a key is. */
export type KeyOwner = Pick<KeyRow, 'tenant_id' | 'team_id'>

/** What a key says of which nothing is said. */
export const BLANK_KEY = {
  cost_center: null,
  tags: '[]',
  models: '[]',
  pass_through: null,
  data_policy: null,
  end_user_limits: null,
  ...NO_LIMITS,
  expires_at_ms: null,
} as const satisfies Partial<KeyRow>

/** A key without limits that nobody has seen yet. The secret KEY_PEPPER has to be there. */
export async function mintKey(
  name: string,
  owner: KeyOwner,
  env: MintingEnv,
  ports: AdminPorts,
): Promise<{ readonly row: KeyRow; readonly key: VirtualKey }> {
  const nowMs = ports.nowMs()
  const { key, secret } = await mintSecret(env, ports, { nowMs })
  const row: KeyRow = {
    id: `key_${randomBase62(14, ports.randomBytes)}`,
    kid: key.kid,
    ...owner,
    name,
    hashes: JSON.stringify([secret]),
    ...BLANK_KEY,
    created_at_ms: nowMs,
    revoked_at_ms: null,
  }
  return { row, key }
}

/** A secret that nobody has seen yet, of the key of that `kid` or of a new one; and what is stored of it. */
export async function mintSecret(
  env: MintingEnv,
  ports: AdminPorts,
  { kid, nowMs }: { readonly kid?: string; readonly nowMs: number },
): Promise<{ readonly key: VirtualKey; readonly secret: KeptSecret }> {
  const key = mintVirtualKey(env.ENVIRONMENT === 'production' ? 'live' : 'test', ports.randomBytes, kid)
  const digest = await hmacHex(env.KEY_PEPPER ?? '', key.secret)
  return { key, secret: keptSecret(key, digest, nowMs) }
}

export const PEPPER_LENGTH_MIN = 16

export const NO_PEPPER: Refusal = {
  status: 503,
  code: 'pepper_missing',
  field: null,
  message: `Keys can't be made until the secret KEY_PEPPER (${PEPPER_LENGTH_MIN} characters or more) is set.`,
}

export function unknownKey(id: string): Refusal {
  return notFound('key', id)
}
