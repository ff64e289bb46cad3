// Brings what is switched off to the tenants' limiters, past KV, whose edges may be a minute behind: every reply of a limiter
// to an isolate brings a newer list along. Like everything that is published, it can be repeated at any time.
import type { Switches } from '../../core/switches.ts'
import { SWITCH_KINDS } from '../../core/switches.ts'
import type { GatewayEnv } from '../../env.ts'
import { type SwitchRow, pageRows } from '../store.ts'

/** Where switches are published: the part of the gateway's environment that is used. */
export type SwitchEnv = Pick<GatewayEnv, 'DB' | 'TENANT_LIMITER'>

/** Limiters that are told at the same time. */
const LIMITERS_AT_ONCE = 50
const TENANTS_PER_PAGE = 1_000

/** What is off, with the revision that it is of. Read in one transaction, so that no list has the revision of another. */
export async function readSwitches(db: D1Database): Promise<Switches> {
  const [revised, listed] = await db.batch<{ revision: number } | SwitchRow>([
    db.prepare(`SELECT revision FROM configuration WHERE id = 1`),
    db.prepare(`SELECT * FROM switches ORDER BY since_ms, id`),
  ])
  const revision = revised?.results.find((row) => 'revision' in row)?.revision ?? 0
  const rows = (listed?.results ?? []).filter((row) => 'kind' in row)
  const off = Object.fromEntries(
    SWITCH_KINDS.map((kind) => [kind, rows.filter((row) => row.kind === kind).map(({ subject }) => subject)] as const),
  )
  return { revision, off: Object.fromEntries(Object.entries(off).filter(([, ids]) => ids.length > 0)) }
}

/** Tells the limiter of the tenant that it is about, or everybody's. All are told whom that succeeds with; rejects if it
 *  doesn't with some. */
export async function pushSwitches(env: SwitchEnv, tenantId: string | null): Promise<void> {
  const switches = await readSwitches(env.DB)
  if (tenantId !== null) return tell(env, tenantId, switches)
  let failed = 0
  for (let afterId: string | null = ''; afterId !== null;) {
    const page: readonly { readonly id: string }[] = await pageRows(env.DB, 'tenants', afterId, TENANTS_PER_PAGE)
    for (let start = 0; start < page.length; start += LIMITERS_AT_ONCE) {
      const group = page.slice(start, start + LIMITERS_AT_ONCE)
      const outcomes = await Promise.allSettled(group.map(({ id }) => tell(env, id, switches)))
      failed += outcomes.filter(({ status }) => status === 'rejected').length
    }
    afterId = page.length < TENANTS_PER_PAGE ? null : (page.at(-1)?.id ?? null)
  }
  if (failed > 0) throw new Error(`${failed} limiters could not be told what is switched off`)
}

async function tell(env: SwitchEnv, tenantId: string, switches: Switches): Promise<void> {
  await env.TENANT_LIMITER.get(env.TENANT_LIMITER.idFromName(tenantId)).takeSwitches(switches)
}
