// One per tenant: the authority over its limits and the outbox of its usage events. What it does is loaded with the first of them: an
// isolate that only serves requests has none. Nothing here is on the path of a warm request.
import { DurableObject } from 'cloudflare:workers'
import type {
  InFlight,
  LimiterCall,
  LimiterConfig,
  LimiterObject,
  LimiterPath,
  LimiterReply,
  LimiterStanding,
} from '../src/core/limits/limits.ts'
import type { SpentBudget } from '../src/core/limits/recovery.ts'
import type { LimitState } from '../src/core/limits/standing.ts'
import type { Switches } from '../src/core/switches.ts'
import type { GatewayEnv } from '../src/env.ts'
import type { EarlierCall, EarlierConfig } from './earlier-version.ts'
import type { TenantOffice } from './tenant-office.ts'

export class TenantLimiter extends DurableObject<GatewayEnv> implements LimiterObject {
  readonly #office: Promise<TenantOffice>

  constructor(ctx: DurableObjectState, env: GatewayEnv) {
    super(ctx, env)
    this.#office = ctx.blockConcurrencyWhile(async () => {
      const { TenantOffice } = await import('./tenant-office.ts')
      const office = new TenantOffice(ctx.storage, env)
      await office.arm(Date.now())
      return office
    })
  }

  async call(call: LimiterCall | EarlierCall): Promise<LimiterReply> {
    return (await this.#office).call(call)
  }

  async relay(messages: readonly LimiterCall[]): Promise<readonly LimiterReply[]> {
    return (await this.#office).relay(messages)
  }

  async hasLimits(): Promise<boolean> {
    return (await this.#office).hasLimits()
  }

  async configure(told: LimiterConfig | EarlierConfig, spent?: readonly SpentBudget[]): Promise<void> {
    await (await this.#office).configure(told, spent)
  }

  async revoke(keyId: string): Promise<void> {
    await (await this.#office).revoke(keyId)
  }

  async takeSwitches(switches: Switches): Promise<void> {
    await (await this.#office).takeSwitches(switches)
  }

  async inFlight(most: number): Promise<readonly InFlight[]> {
    return (await this.#office).inFlight(most)
  }

  async cancel(requestId: string): Promise<boolean> {
    return (await this.#office).cancel(requestId)
  }

  async confirm(outboxIds: readonly number[]): Promise<void> {
    await (await this.#office).confirm(outboxIds)
  }

  async live(): Promise<LimiterStanding> {
    return (await this.#office).live()
  }

  async limits(path: LimiterPath): Promise<readonly LimitState[] | null> {
    return (await this.#office).limits(path)
  }

  /** Never throws: an alarm that fails too often is dropped. */
  override async alarm(): Promise<void> {
    await (await this.#office).alarm()
  }
}
