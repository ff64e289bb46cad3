// What the ledger needs from time to time: days and facets summed, old events and credentials forgotten. Each for itself, so that one that
// fails holds up no other; all go on where they stopped.
import type { LimiterStanding } from '../core/limits/limits.ts'
import { auditBudgets, auditDays, isAlarming } from './audit.ts'
import { forgetFormer } from './credentials/forget.ts'
import { sumDays } from './days.ts'
import { type Archive, KEPT_DAYS_DEFAULT, pruneApplied, pruneEvents, readKeptDays } from './prune.ts'
import { sumFacets } from './report-facets.ts'

/** Settings and bindings of the upkeep. */
export interface UpkeepEnv {
  readonly DB: D1Database
  /** Days for which single events are kept, or `forever`; 30 unless set. */
  readonly EVENTS_KEPT_DAYS?: string
  /** Where events go before they are forgotten; nowhere unless bound. */
  readonly ARCHIVE?: Archive
  readonly TENANT_LIMITER: { idFromName(name: string): DurableObjectId; get(id: DurableObjectId): Auditable }
}

/** The part of a tenant's limiter that is used; absent where it can't be asked. */
export interface Auditable {
  live?(): Promise<LimiterStanding>
}

/** Tenants whose budgets are compared in an hour: all in turn. */
const AUDITED_MAX = 20

const HOUR_MS = 3_600_000
/** 120,000 events an hour: D1 is busy with a turn for some ten milliseconds. */
const TURNS_MAX = 60

/** Does what is due. Never throws: what fails is logged and tried again the next time. */
export async function upkeep(env: UpkeepEnv, nowMs: number): Promise<void> {
  const { DB: db } = env
  const keptDays = readKeptDays(env.EVENTS_KEPT_DAYS)
  if (keptDays === undefined) {
    const setting = env.EVENTS_KEPT_DAYS ?? ''
    console.error(
      JSON.stringify({ event: 'ledger-setting', name: 'EVENTS_KEPT_DAYS', setting, used: KEPT_DAYS_DEFAULT }),
    )
  }
  const pruning = {
    keptDays: keptDays === undefined ? KEPT_DAYS_DEFAULT : keptDays,
    archive: env.ARCHIVE ?? null,
    turnsMax: TURNS_MAX,
  }
  const tasks = {
    days: () => sumDays(db, nowMs),
    facets: () => sumFacets(db, nowMs),
    events: () => pruneEvents(db, nowMs, pruning),
    applied: () => pruneApplied(db, nowMs),
    credentials: () => forgetFormer(db, nowMs),
    audit: () => audit(env, nowMs),
  }
  for (const [task, run] of Object.entries(tasks)) {
    try {
      await run()
    } catch (error) {
      console.error(JSON.stringify({ event: 'ledger-upkeep', task, reason: String(error) }))
    }
  }
}

/** Logs a line for each difference that nothing explains. */
async function audit({ DB: db, TENANT_LIMITER: limiters }: UpkeepEnv, nowMs: number): Promise<void> {
  for (const days of await auditDays(db, nowMs)) console.error(JSON.stringify({ event: 'ledger-days-differ', ...days }))
  const turn = Math.floor(nowMs / HOUR_MS) * AUDITED_MAX
  const found = await db
    .prepare(
      `SELECT tenant_id FROM usage_zones ORDER BY tenant_id
       LIMIT ${AUDITED_MAX} OFFSET ?1 % max((SELECT count(*) FROM usage_zones), 1)`,
    )
    .bind(turn)
    .all<{ tenant_id: string }>()
  for (const { tenant_id: tenantId } of found.results) {
    const standing = await limiters.get(limiters.idFromName(tenantId)).live?.()
    if (standing === undefined) continue
    for (const budget of (await auditBudgets(db, tenantId, standing)).filter(isAlarming)) {
      console.error(JSON.stringify({ event: 'ledger-budget-differs', ...budget }))
    }
  }
}
