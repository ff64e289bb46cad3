// The limiter port over one Durable Object per tenant: a lease holder for each tenant that this isolate serves.
import type { LimiterObject } from '../core/limits.ts'
import type { Limiter } from '../ports.ts'
import { LeaseHolder } from './lease-holder.ts'

export interface LimiterPorts {
  readonly object: (tenantId: string) => LimiterObject
  readonly nowMs: () => number
  readonly sleep: (ms: number) => Promise<void>
  /** Names this isolate's life. */
  readonly newId: () => string
  readonly onRevoked: (keyIds: readonly string[]) => void
}

/** Tenants with a holder at once; the least recently met is let go of when it is idle. */
const HOLDERS_MAX = 2_000

export function leasedLimiter(ports: LimiterPorts): Limiter {
  const holders = new Map<string, LeaseHolder>()

  function holderOf(tenantId: string): LeaseHolder {
    const known = holders.get(tenantId)
    if (known !== undefined) return known
    if (holders.size >= HOLDERS_MAX) forgetIdle(holders)
    const holder = new LeaseHolder(tenantId, ports.newId(), {
      send: (message) => ports.object(tenantId).call(message),
      nowMs: ports.nowMs,
      sleep: ports.sleep,
      onRevoked: ports.onRevoked,
    })
    holders.set(tenantId, holder)
    return holder
  }

  return {
    admit: (path, amounts, template, later) => holderOf(path.tenantId).admit(path, amounts, template, later),
    record: (event, later) => holderOf(event.tenantId).record(event, later),
  }
}

function forgetIdle(holders: Map<string, LeaseHolder>): void {
  for (const [tenantId, holder] of holders) {
    if (!holder.isIdle) continue
    holders.delete(tenantId)
    return
  }
}
