// The call of a batch from the object where its requests met.
import type { Batch, BatchAnswer } from '../core/batch.ts'
import { callTogether } from '../data-plane/tasks/call-together.ts'
import type { GatewayEnv } from '../env.ts'
import { fetchUpstream } from './upstream.ts'

/** Puts a batch to its provider, with the credentials of `env`. Never rejects for what the provider does. */
export function callBatch(batch: Batch, env: GatewayEnv): Promise<readonly BatchAnswer[]> {
  return callTogether(batch, { upstream: fetchUpstream({ ...env }), nowMs: () => Date.now() })
}
