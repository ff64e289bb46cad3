// Worker 1, the gateway: answers every request and holds the Durable Objects.
import { WorkerEntrypoint } from 'cloudflare:workers'
import { createApp } from './app.ts'
import type { CanaryFinding, RevisionFinding } from './core/routing/canary.ts'
import type { ControlPlane, GatewayEnv } from './env.ts'
import { servicesOf } from './platform/services.ts'

export { RegionalLimiter, SideLimiter, TenantLimiter } from '../durable-objects/index.ts'
export { TaskBatcher } from './calling-batcher.ts'
export { TargetBreaker } from './checked-breaker.ts'
export { LiveUpdates } from './live-updates.ts'

/** What the usage consumer may have done here. Reached by its binding only. */
export class Control extends WorkerEntrypoint<GatewayEnv> implements ControlPlane {
  async rollBack(finding: CanaryFinding): Promise<boolean> {
    const { rollBack } = await import('./control-plane/routes/canary.ts')
    const isDone = await rollBack(this.env, finding, Date.now())
    await this.#tellChanged()
    return isDone
  }

  async takeBack(finding: RevisionFinding): Promise<boolean> {
    const { takeBack } = await import('./control-plane/configuration/watch.ts')
    const isDone = await takeBack(this.env, finding, Date.now())
    await this.#tellChanged()
    return isDone
  }

  async refreshPrices(): Promise<void> {
    if ((this.env.PRICE_LIST_URL ?? '') === '') return
    const { refreshList } = await import('./control-plane/prices/price-lists.ts')
    const refreshed = await refreshList(this.env, Date.now())
    if (!refreshed.ok) console.error(JSON.stringify({ event: 'price-list-refused', reason: refreshed.error }))
  }

  async #tellChanged(): Promise<void> {
    servicesOf(this.env).directory.forgetAll()
    const { tellNoted } = await import('./control-plane/live/tell-listeners.ts')
    await tellNoted(this.env)
  }
}

export default createApp()
