// The objects where small requests meet, as the gateway runs them: those that know how to call a provider, with the gateway's own
// credentials. Here because objects know nothing but the core; what a call needs is loaded with the first one.
import { TaskBatcher as UncallingBatcher } from '../durable-objects/task-batcher.ts'
import type { Batch, BatchAnswer } from './core/batch.ts'

export class TaskBatcher extends UncallingBatcher {
  protected override async call(batch: Batch): Promise<readonly BatchAnswer[]> {
    const { callBatch } = await import('./platform/call-batch.ts')
    return callBatch(batch, this.env)
  }
}
