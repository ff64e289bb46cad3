// Budgets as the limiters have them: how they are asked, and how a budget is shown.
import type { LimiterStanding, NodeStanding } from '../../core/limits/limits.ts'
import type { GatewayEnv } from '../../env.ts'
import { writeUsd } from '../prices/amount.ts'

const LIMITER_WAIT_MS = 2000

/** What a tenant's limiter says of its budgets; null where it fails or takes too long. */
export async function standingOf(env: GatewayEnv, tenantId: string): Promise<LimiterStanding | null> {
  try {
    const asked: Promise<LimiterStanding> = env.TENANT_LIMITER.get(env.TENANT_LIMITER.idFromName(tenantId)).live()
    return await Promise.race([asked, scheduler.wait(LIMITER_WAIT_MS).then(() => null)])
  } catch {
    return null
  }
}

/** A budget as it stands, whether it was set by itself or among the rules. */
export function viewStanding({ scope, id, model, period, limitNanoUsd, spentNanoUsd, windowEndMs }: NodeStanding) {
  return {
    ...{ scope, id, model },
    period: typeof period === 'string' ? period : { every_days: period.everyDays, from: period.from },
    limit_usd: writeUsd(limitNanoUsd),
    used_usd: writeUsd(spentNanoUsd),
    resets_at_ms: windowEndMs,
  }
}

/** How far a budget is used; one of nothing is used up. */
export function shareOf({ spentNanoUsd, limitNanoUsd }: NodeStanding): number {
  return limitNanoUsd === 0 ? 1 : spentNanoUsd / limitNanoUsd
}
