// The limiter port over one Durable Object per tenant: a lease holder for each tenant that this isolate serves. Where an end
// user's or a target's limits have a say as well, all are asked together (`beside.ts`).
import { late } from '../core/late.ts'
import type { LimiterObject, LimiterPath, SecretEnd } from '../core/limits/limits.ts'
import type { LimitState } from '../core/limits/standing.ts'
import type { SwitchBoard } from '../core/switches.ts'
import type { Beside, Limiter, Log, Refusal, Reservation } from '../ports.ts'
import type { Asked, BesidePorts } from './beside.ts'
import { type HolderPorts, LeaseHolder } from './lease-holder.ts'
import type { HealthDesk } from './target-news.ts'

export interface LimiterPorts extends BesidePorts {
  readonly object: (tenantId: string) => LimiterObject
  /** The way to tenants' limiters near this isolate; null where nobody knows where it is. Missing: there are none. */
  readonly near?: () => ((tenantId: string) => Pick<LimiterObject, 'call'>) | null
  readonly onRevoked: (keyIds: readonly string[]) => void
  readonly onSecretEnds?: (ends: readonly SecretEnd[]) => void
  readonly switches: SwitchBoard
  /** What is known of targets; missing: this isolate tells nobody, and is told nothing. */
  readonly health?: HealthDesk
  readonly log: Log
}

/** Tenants with a holder at once; the least recently met is let go of when it is idle. */
const HOLDERS_MAX = 2_000

/** Tenants known to have limiters near their isolates, at once; of those beyond, the tenant's own object is asked. */
const REGIONAL_MAX = 10_000

/** The limiter, which is told where tenants' limits are kept. */
export interface PlacedLimiter extends Limiter {
  /** Tells whether a tenant has limiters near its isolates. From then on those are asked, or no longer; what is held goes back
   *  to where it is from, and what runs goes on under it. */
  place(tenantId: string, isRegional: boolean): void
}

export function leasedLimiter(ports: LimiterPorts): PlacedLimiter {
  const holders = new Map<string, LeaseHolder>()
  const regional = new Set<string>()

  function holderOf(tenantId: string): LeaseHolder {
    const known = holders.get(tenantId)
    if (known !== undefined) return known
    if (holders.size >= HOLDERS_MAX) forgetIdle(holders)
    // Decided once: a lease is known only where it is from.
    const object = (regional.has(tenantId) ? ports.near?.() : null) ?? ports.object
    const send: HolderPorts['send'] = (message) => object(tenantId).call(message)
    const holder = new LeaseHolder(tenantId, ports.newId(), { ...ports, send })
    holders.set(tenantId, holder)
    return holder
  }

  const besides = late(async () => (await import('./beside.ts')).besideLimits(ports))

  function admitByTenant({ path, amounts, template, later, leastNanoUsd }: Asked) {
    return holderOf(path.tenantId).admit(path, amounts, template, later, leastNanoUsd)
  }

  function admitByAll(asked: Asked, beside: Beside): Reservation | Promise<Reservation | Refusal> {
    const limits = besides.now()
    if (limits !== null) return limits.admit(asked, beside, () => admitByTenant(asked))
    return besides.load().then(
      (loaded) => loaded.admit(asked, beside, () => admitByTenant(asked)),
      (error: unknown): Refusal => {
        ports.log.warn('not-loaded', { part: 'beside', error: String(error) })
        return { kind: 'unavailable' }
      },
    )
  }

  return {
    admit(path, amounts, template, later, leastNanoUsd, beside = null) {
      if (beside === null) return holderOf(path.tenantId).admit(path, amounts, template, later, leastNanoUsd)
      return admitByAll({ path, amounts, template, later, leastNanoUsd }, beside)
    },
    async admitShadow(asked, later) {
      const { admitShadow } = await besides.load()
      const holder = holderOf(asked.path.tenantId)
      return admitShadow(asked, later, {
        admitted: (amounts) => holder.announce(asked.template, amounts, later),
        settled: (event) => holder.conclude(event, later),
      })
    },
    record: (event, later) => holderOf(event.tenantId).record(event, later),
    isRevoked: keyQuestions(ports, holderOf),
    limits: (path) => limitsInTime(ports, path),
    async limitsBeside(tenantId, model, beside) {
      const late = ports.sleep(LIMITS_MS_MAX).then(() => 'unavailable' as const)
      try {
        const { limits } = await besides.load()
        return await Promise.race([limits(tenantId, model, beside), late])
      } catch {
        return 'unavailable'
      }
    },
    place(tenantId, isRegional) {
      if (moves(regional, tenantId, isRegional)) holders.delete(tenantId)
    },
    inHand: (path) => holders.get(path.tenantId)?.inHand(path) ?? null,
  }
}

/** How long a look at the limits may take, and a question about a key. */
const LIMITS_MS_MAX = 3_000
const REVOKED_MS_MAX = 1_000

/** Whether keys are revoked, asked of the tenant's own limiter where that wasn't heard of lately. While it is away a key goes on
 *  as the directory knows it. */
function keyQuestions(
  ports: LimiterPorts,
  holderOf: (tenantId: string) => LeaseHolder,
): NonNullable<Limiter['isRevoked']> {
  async function ask(path: LimiterPath): Promise<boolean> {
    const askedAtMs = ports.nowMs()
    const said = await limitsInTime(ports, path, REVOKED_MS_MAX)
    const holder = holderOf(path.tenantId)
    if (said === 'revoked') {
      holder.revoke(path.keyId)
      ports.onRevoked([path.keyId])
    } else if (said === 'unavailable') holder.keys.unheard(path.keyId, askedAtMs)
    else holder.keys.heard([path.keyId], askedAtMs)
    return said === 'revoked'
  }
  return (path, later) => {
    const { isRevoked, isDue } = holderOf(path.tenantId).keys.newsOf(path.keyId, ports.nowMs())
    if (!isDue) return isRevoked === true
    const asked = ask(path)
    if (isRevoked === null) return asked
    later(asked.then(() => {}))
    return isRevoked
  }
}

async function limitsInTime(
  { object, sleep }: LimiterPorts,
  path: LimiterPath,
  msMax = LIMITS_MS_MAX,
): Promise<readonly LimitState[] | 'revoked' | 'unavailable'> {
  const late = sleep(msMax).then(() => 'unavailable' as const)
  try {
    return (await Promise.race([object(path.tenantId).limits(path), late])) ?? 'revoked'
  } catch {
    return 'unavailable'
  }
}

/** Notes where a tenant's limits are. Whether that is news. */
function moves(regional: Set<string>, tenantId: string, isRegional: boolean): boolean {
  if (regional.has(tenantId) === isRegional) return false
  if (regional.size >= REGIONAL_MAX) regional.clear()
  if (isRegional) regional.add(tenantId)
  else regional.delete(tenantId)
  return true
}

function forgetIdle(holders: Map<string, LeaseHolder>): void {
  for (const [tenantId, holder] of holders) {
    if (!holder.isIdle) continue
    holders.delete(tenantId)
    return
  }
}
