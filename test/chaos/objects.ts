// How limiter objects are asked for what they have stored, past every fault.
import * as z from 'zod/mini'
import type { Centre } from './processes.ts'

export const GAUGE = z.object({
  kind: z.string(),
  spentNanoUsd: z.optional(z.number()),
  heldNanoUsd: z.optional(z.number()),
  window: z.optional(z.object({ startMs: z.number() })),
})
const MONEY = z.object({ nanoUsd: z.number() })
export const LEASE = z.object({
  holder: z.string(),
  state: z.string(),
  granted: MONEY,
  settled: MONEY,
  returned: MONEY,
  knownNanoUsd: z.number(),
  reconcileAtMs: z.nullable(z.number()),
})
/** A lease that the limiter remembers: in the end, what a dead gateway may have spent. */
export type Hold = z.infer<typeof LEASE>

/** Throws while the centre is dead. */
export async function callObject(
  centre: Centre,
  kind: 'tenant' | 'side',
  name: string,
  method: 'books' | 'setForward',
): Promise<unknown> {
  const body = JSON.stringify({ kind, name, method, args: [] })
  const answer = await fetch(centre.doorUrl ?? '', { method: 'POST', body })
  return answer.json()
}

export function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
