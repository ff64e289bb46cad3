// One per tenant and place, of tenants that want it: lends isolates near it slices of what it holds of the tenant's limits. It takes
// the same messages as the tenant's limiter. What it does is loaded with the first of them: most gateways never have one.
import { DurableObject } from 'cloudflare:workers'
import { LEASE_TTL_MS, type LimiterCall, type LimiterReply } from '../src/core/limits/limits.ts'
import type { GatewayEnv } from '../src/env.ts'
import type { RegionalOffice } from './regional-office.ts'

export class RegionalLimiter extends DurableObject<GatewayEnv> {
  readonly #office: Promise<RegionalOffice>

  constructor(ctx: DurableObjectState, env: GatewayEnv) {
    super(ctx, env)
    this.#office = ctx.blockConcurrencyWhile(async () => {
      const { RegionalOffice } = await import('./regional-office.ts')
      const limiterOf = (tenantId: string) => env.TENANT_LIMITER.get(env.TENANT_LIMITER.idFromName(tenantId))
      const ttlMs = Number(env.LEASE_TTL_MS ?? LEASE_TTL_MS)
      const office = new RegionalOffice({ storage: ctx.storage, limiterOf, ttlMs }, Date.now())
      await office.arm(Date.now())
      return office
    })
  }

  /** Takes in a holder's reports, admissions and events, then grants what it wants. Safe to repeat, lose and reorder. Rejects
   *  where something is wanted that only the tenant's limiter could grant, and that is out of reach. */
  async call(message: LimiterCall): Promise<LimiterReply> {
    return (await this.#office).call(message)
  }

  /** Passes on what is to be told, renews, expires and gives back. Never throws: an alarm that fails too often is dropped. */
  override async alarm(): Promise<void> {
    await (await this.#office).alarm()
  }
}
