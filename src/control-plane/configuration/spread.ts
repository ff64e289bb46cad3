// Publishes what a change of many things touched, each once: the routing snapshot, then limits and records of tenants, keys
// and targets, and what is switched off.
import { announce } from '../publish/announce.ts'
import type { PublishEnv } from '../publish/publish.ts'
import { publishKey, publishRouting, publishTenant, pushLimits } from '../publish/publish.ts'
import { pushEndUsers, pushTargetLimits } from '../publish/publish-side.ts'
import { pushSwitches } from '../publish/publish-switches.ts'
import type { Refusal } from '../http/refusal.ts'
import type { KeyRow, TargetRow, TeamRow, TenantRow } from '../store.ts'
import type { RowChange } from './state.ts'

/** Things that are published one by one; where more were touched, the rest is left to `POST /admin/publish`. */
const ONE_BY_ONE_MAX = 60
const AT_ONCE = 6
const TOUCH_ROUTING: ReadonlySet<string> = new Set([
  'credentials',
  'targets',
  'routes',
  'presets',
  'prices',
  'switches',
])

/** What came of publishing: why not all of it, and whether there is more to be published than one call can. */
export interface Spread {
  readonly problem: Refusal | null
  readonly isPartial: boolean
}

/** Publishes changes that are committed. */
export async function spread(env: PublishEnv, changes: readonly RowChange[]): Promise<Spread> {
  const works = [...routing(env, changes), ...limits(env, changes), ...keys(env, changes), ...targets(env, changes)]
  const now = works.slice(0, ONE_BY_ONE_MAX)
  let problem: Refusal | null = null
  for (let start = 0; start < now.length; start += AT_ONCE) {
    problem = (await announce(...now.slice(start, start + AT_ONCE))) ?? problem
  }
  return { problem, isPartial: works.length > now.length }
}

type Work = () => Promise<void>

function routing(env: PublishEnv, changes: readonly RowChange[]): readonly Work[] {
  const hasSwitches = changes.some(({ table }) => table === 'switches')
  return [
    ...(changes.some(({ table }) => TOUCH_ROUTING.has(table)) ? [() => publishRouting(env)] : []),
    ...(hasSwitches ? [() => pushSwitches(env, null)] : []),
  ]
}

/** Of each tenant that something of is different. Revoked keys end at the limiter first. */
function limits(env: PublishEnv, changes: readonly RowChange[]): readonly Work[] {
  const own = rowsIn<TenantRow>(changes, 'tenants')
  const others = [...rowsIn<TeamRow>(changes, 'teams'), ...rowsIn<KeyRow>(changes, 'virtual_keys')]
  const ids = new Set([...own.map(({ id }) => id), ...others.map((row) => row.tenant_id)])
  const withUsers = new Set([
    ...own.filter((row) => row.end_user_limits !== null).map(({ id }) => id),
    ...others.filter((row) => row.end_user_limits !== null).map((row) => row.tenant_id),
  ])
  const revoked = changes.flatMap(({ table, after }) => {
    const row = table === 'virtual_keys' ? asKey(after) : null
    return row === null || row.revoked_at_ms === null ? [] : [row]
  })
  const ending = revoked.map((row) => async () => {
    await env.TENANT_LIMITER.get(env.TENANT_LIMITER.idFromName(row.tenant_id)).revoke(row.id)
  })
  const telling = [...ids].map((id) => async () => {
    await publishTenant(env, id)
    await pushLimits(env, id)
    if (withUsers.has(id)) await pushEndUsers(env, id)
  })
  return [...ending, ...telling]
}

function keys(env: PublishEnv, changes: readonly RowChange[]): readonly Work[] {
  const rows = new Map(rowsIn<KeyRow>(changes, 'virtual_keys').map((row) => [row.id, row]))
  return [...rows.values()].map((row) => () => publishKey(env, row))
}

function targets(env: PublishEnv, changes: readonly RowChange[]): readonly Work[] {
  const limited = rowsIn<TargetRow>(changes, 'targets').filter((row) => row.limit_rules !== null)
  return [...new Set(limited.map(({ id }) => id))].map((id) => () => pushTargetLimits(env, id))
}

/** What rows of a table were and are. */
function rowsIn<Row extends object>(changes: readonly RowChange[], table: string): readonly Row[] {
  const sides = changes.filter((change) => change.table === table).flatMap(({ before, after }) => [before, after])
  return sides.filter((row): row is Row & NonNullable<RowChange['after']> => row !== null)
}

function asKey(row: RowChange['after']): KeyRow | null {
  const [key] = rowsIn<KeyRow>([{ table: 'virtual_keys', id: '', before: row, after: null }], 'virtual_keys')
  return key ?? null
}
