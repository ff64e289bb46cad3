// Where small requests of one tenant for one target meet, from all isolates of a region, to be put to the provider together.
// Nothing is stored: what is lost with the object, its isolates ask for themselves. How a call is made, the gateway's entry knows.
import { DurableObject } from 'cloudflare:workers'
import { BATCH_CHARS_MAX, type Batch, type BatchAnswer, type BatchEntry } from '../src/core/batch.ts'
import { Gatherer } from '../src/core/gatherer.ts'
import type { GatewayEnv } from '../src/env.ts'

export class TaskBatcher extends DurableObject<GatewayEnv> {
  readonly #gatherer = new Gatherer<BatchEntry, BatchAnswer>()

  /** Answers in the order of the entries, when the call that they became part of has been answered. */
  async ask(batch: Batch): Promise<readonly BatchAnswer[]> {
    const { batching } = batch.target
    if (batching === undefined || this.#gatherer.isFull) return this.call(batch)
    const bounds = {
      inputs: batching.maxBatchSize,
      chars: BATCH_CHARS_MAX,
      // The other half was spent in the isolate.
      waitMs: Math.floor(batching.maxWaitMs / 2),
    }
    return this.#gatherer.add(batch.key, { entries: batch.entries, isGone: () => false }, bounds, {
      sleep,
      keep: (work) => this.ctx.waitUntil(work),
      send: (entries) => this.call({ ...batch, entries }),
    })
  }

  /** Puts the batch to its provider. The gateway's entry knows how; this alone knows nothing. */
  protected async call(batch: Batch): Promise<readonly BatchAnswer[]> {
    throw new Error(`nobody can call ${batch.target.id}`)
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms)
  })
}
