// From the ledger to the telemetry queue: messages that the ledger has, as they came. A collector that is away keeps its own
// queue waiting, and nobody else.
import type { Delivery } from '../consume.ts'

/** The part of the telemetry queue that is used. */
export interface TelemetryQueue {
  sendBatch(messages: readonly { readonly body: unknown }[]): Promise<unknown>
}

/** Queue limits: 100 messages and 256 KB a batch; a message is at most 128 KB. */
const MESSAGES_MAX = 100
const CHARS_MAX = 200_000
/** A queue that doesn't answer holds the ledger's batch up no longer than this. */
const DEADLINE_MS = 2_000

/** Hands messages on. Rejects where the queue doesn't take them in time. */
export async function forward(queue: TelemetryQueue, messages: readonly Delivery[]): Promise<void> {
  const sends = Promise.all(batches(messages).map((batch) => queue.sendBatch(batch)))
  let timer: ReturnType<typeof setTimeout> | null = null
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('the telemetry queue does not answer')), DEADLINE_MS)
  })
  try {
    await Promise.race([sends, late])
  } finally {
    clearTimeout(timer)
  }
}

function batches(messages: readonly Delivery[]): readonly { readonly body: unknown }[][] {
  const all: { readonly body: unknown }[][] = []
  let chars = Infinity
  for (const { body } of messages) {
    const length = JSON.stringify(body).length
    chars += length
    const last = all.at(-1)
    if (last === undefined || last.length >= MESSAGES_MAX || chars > CHARS_MAX) {
      all.push([{ body }])
      chars = length
    } else last.push({ body })
  }
  return all
}
