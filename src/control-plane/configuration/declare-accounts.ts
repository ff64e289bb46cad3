// Tenants, teams and keys of a document. A tenant is told by its name, teams and keys by theirs within it; ids stay.
import { formatVirtualKey, randomBase62 } from '../../core/virtual-key.ts'
import { BLANK_KEY, NO_PEPPER, PEPPER_LENGTH_MIN, mintKey } from '../keys/key-record.ts'
import { changeKey, tooWide } from '../keys/keys.ts'
import { NO_LIMITS, changeLimits } from '../tenants/limits-record.ts'
import { unacceptable } from '../http/refusal.ts'
import { changeRules, rulesProblem } from '../tenants/side-limits-record.ts'
import { readInstant } from '../schemas.ts'
import type { KeyRow, TeamRow, TenantRow } from '../store.ts'
import { BLANK_TENANT, changeTenant } from '../tenants/tenants.ts'
import type { Declaring } from './declaring.ts'
import type { ConfigurationDocument } from './schemas.ts'
import { keyItem, teamItem, tenantItem } from './view.ts'

type Entries<Section extends 'tenants' | 'teams' | 'keys'> = NonNullable<ConfigurationDocument[Section]>

export function declareTenants(declaring: Declaring, entries: Entries<'tenants'>): void {
  const { ports } = declaring.context
  for (const [index, body] of entries.entries()) {
    const at = `tenants[${index}]`
    const before = declaring.findTenant(body.name)
    const id = before?.id ?? `ten_${randomBase62(14, ports.randomBytes)}`
    if (!declaring.once('tenants', before?.id ?? body.name, at, body.name)) continue
    const created_at_ms = before?.created_at_ms ?? ports.nowMs()
    const changed = changeTenant({ ...BLANK_TENANT, id, name: body.name, created_at_ms }, body)
    if (!changed.ok) {
      declaring.refuse(at, changed.error)
      continue
    }
    const row: TenantRow = { ...changed.value, end_user_limits: stillTold(before, changed.value.end_user_limits) }
    declaring.putTenant(declaring.settled(before, row, tenantItem))
  }
}

/** Those that had rules go on being told. */
function stillTold(
  before: { readonly end_user_limits: string | null } | undefined,
  rules: string | null,
): string | null {
  return rules ?? (before?.end_user_limits == null ? null : '[]')
}

export function declareTeams(declaring: Declaring, entries: Entries<'teams'>): void {
  const { ports } = declaring.context
  for (const [index, body] of entries.entries()) {
    const at = `teams[${index}]`
    const tenant = declaring.tenant(body.tenant, at)
    if (tenant === undefined) continue
    const before = declaring.team(tenant.id, body.name)
    if (!declaring.once('teams', before?.id ?? `${tenant.id}/${body.name}`, at, body.name)) continue
    const limits = changeLimits(NO_LIMITS, body.limits)
    if (!limits.ok) {
      declaring.refuse(at, limits.error)
      continue
    }
    const problemOfUsers = rulesProblem('end_user_limits', body.end_user_limits)
    if (problemOfUsers !== null) {
      declaring.refuse(at, problemOfUsers)
      continue
    }
    const row: TeamRow = {
      id: before?.id ?? `team_${randomBase62(14, ports.randomBytes)}`,
      tenant_id: tenant.id,
      name: body.name,
      ...limits.value,
      end_user_limits: stillTold(before, changeRules(null, body.end_user_limits)),
      created_at_ms: before?.created_at_ms ?? ports.nowMs(),
    }
    declaring.putTeam(declaring.settled(before, row, teamItem))
  }
}

/** Keys: their policies. One that isn't there yet is minted, and its secret told once. */
export async function declareKeys(declaring: Declaring, entries: Entries<'keys'>): Promise<void> {
  for (const [index, body] of entries.entries()) {
    const at = `keys[${index}]`
    const tenant = declaring.tenant(body.tenant, at)
    if (tenant === undefined) continue
    const before = declaring.key(tenant.id, body.name)
    if (!declaring.once('virtual_keys', before?.id ?? `${tenant.id}/${body.name}`, at, body.name)) continue
    const wider = tooWide(body, tenant)
    if (wider !== null) {
      declaring.refuse(at, wider)
      continue
    }
    const team = body.team == null ? null : declaring.team(tenant.id, body.team)
    if (team === undefined) {
      const message = `team must be a team of this tenant; there is no ${JSON.stringify(body.team)}.`
      declaring.refuse(at, unacceptable('team', 'unknown_team', message))
      continue
    }
    await declareKey(declaring, body, at, { before, tenant, teamId: team?.id ?? null })
  }
}

async function declareKey(
  declaring: Declaring,
  body: Entries<'keys'>[number],
  at: string,
  owner: { readonly before: KeyRow | undefined; readonly tenant: TenantRow; readonly teamId: string | null },
): Promise<void> {
  const { ports } = declaring.context
  const { before, tenant, teamId } = owner
  const made = before === undefined ? await minted(declaring, body.name, tenant, teamId, at) : null
  const blank = before ?? made
  if (blank === null) return
  const expiresAtMs = body.expires_at == null ? null : readInstant(body.expires_at)
  // What has expired meanwhile may go on standing in a file.
  const isAsBefore = before !== undefined && before.expires_at_ms === expiresAtMs
  const { expires_at: _expires, ...rest } = body
  const changed = changeKey(
    { ...blank, ...BLANK_KEY, team_id: teamId, expires_at_ms: isAsBefore ? expiresAtMs : null },
    isAsBefore ? rest : body,
    ports.nowMs(),
  )
  if (!changed.ok) {
    declaring.refuse(at, changed.error)
    return
  }
  if (before !== undefined && before.team_id !== teamId) {
    const message = `team can't change: what the key spent is counted for its team. Make another key, and revoke this one.`
    declaring.refuse(at, unacceptable('team', 'invalid_field', message))
    return
  }
  const row: KeyRow = { ...changed.value, end_user_limits: stillTold(before, changed.value.end_user_limits) }
  declaring.putKey(declaring.settled(before, row, keyItem))
}

async function minted(
  declaring: Declaring,
  name: string,
  tenant: TenantRow,
  teamId: string | null,
  at: string,
): Promise<KeyRow | null> {
  const { env, ports } = declaring.context
  if ((env.KEY_PEPPER ?? '').length < PEPPER_LENGTH_MIN) {
    declaring.refuse(at, NO_PEPPER)
    return null
  }
  const { row, key } = await mintKey(name, { tenant_id: tenant.id, team_id: teamId }, env, ports)
  declaring.minted.push({ tenant: tenant.name, name, id: row.id, key: formatVirtualKey(key) })
  return row
}
