// The whole system in one Worker, for `npm run dev` only: the gateway's endpoints, the usage consumer's queue and
// schedule, and the simulated providers behind a binding to itself. `npm start` and tests run them as the three Workers
// that they are.
import { WorkerEntrypoint } from 'cloudflare:workers'
import gateway from './gateway.ts'
import { handleSimulated } from './simulated/handle-simulated.ts'
import { consumeQueue, runSchedule } from './usage-consumer.ts'
import type { GatewayEnv, UsageEnv } from './env.ts'

export { RegionalLimiter } from '../durable-objects/regional-limiter.ts'
export { SideLimiter } from '../durable-objects/side-limiter.ts'
export { TenantLimiter } from '../durable-objects/tenant-limiter.ts'
export { TaskBatcher } from './calling-batcher.ts'
export { Control } from './gateway.ts'
export { TargetBreaker } from './checked-breaker.ts'
export { LiveUpdates } from './live-updates.ts'

/** The simulated providers, which `env.local` binds as SIMULATED. */
export class Simulated extends WorkerEntrypoint {
  override fetch(request: Request): Promise<Response> {
    return handleSimulated(request)
  }
}

export default {
  fetch: gateway.fetch,
  queue: consumeQueue,
  scheduled: runSchedule,
} satisfies ExportedHandler<GatewayEnv & UsageEnv>
