// Worker 1, the gateway: answers every request and holds the Durable Objects.
import { createApp } from './app.ts'

export { SideLimiter, TargetBreaker, TenantLimiter } from '../durable-objects/index.ts'

export default createApp()
