// The Durable Objects of the gateway, as its entry re-exports them.
export { RegionalLimiter } from './regional-limiter.ts'
export { SideLimiter } from './side-limiter.ts'
export { TargetBreaker } from './target-breaker.ts'
export { TaskBatcher } from './task-batcher.ts'
export { TenantLimiter } from './tenant-limiter.ts'
