// What may be missing of an attempt that died with its gateway, as a law of causes: a gateway tells with every call of the
// limiter all that is over by then. So of an attempt that was over, no later call may have arrived before the kill. Nothing
// here depends on how fast the machine is: what a call can know is told by the answers that its gateway had before it.

/** A call of a tenant's limiter, as it passed. Times are epoch ms of one clock. */
export interface HeardCall {
  /** Its holder counts its messages. One that is sent again has its number. */
  readonly number: number
  /** Its first outcome, an answer or none; null while there is no outcome. */
  endedAtMs: number | null
  /** When the limiter had it for good; null where it never said so. */
  takenAtMs: number | null
}

/** One message under way doesn't keep a holder from the next where its answer is overdue; two do. */
const UNDER_WAY_MAX = 2
/** What ends at the moment at which a call is made up goes with the next. */
const CALLS_OF_GRACE = 1

/** Calls of one holder that were made up after `endedAtMs` for certain, and arrived before `killedAtMs`. */
export function tellingCalls(calls: readonly HeardCall[], endedAtMs: number, killedAtMs: number): readonly HeardCall[] {
  const byNumber = new Map(calls.map((call) => [call.number, call]))
  return calls.filter((call) => {
    const isTaken = call.takenAtMs !== null && call.takenAtMs < killedAtMs
    return isTaken && madeUpAfterMs(call, byNumber) > endedAtMs
  })
}

/** It can't have been made up before: one of those before it had its answer by then. */
function madeUpAfterMs({ number }: HeardCall, byNumber: ReadonlyMap<number, HeardCall>): number {
  let afterMs = Infinity
  for (let back = 1; back <= UNDER_WAY_MAX; back += 1) {
    afterMs = Math.min(afterMs, byNumber.get(number - back)?.endedAtMs ?? -Infinity)
  }
  return afterMs
}

/** Why it must not be missing; null where it may be. `endedByMs`: it was over by then, and its gateway knew. */
export function whyNotMissing(
  { endedByMs, killedAtMs }: { readonly endedByMs: number; readonly killedAtMs: number },
  holders: readonly (readonly HeardCall[])[],
): string | null {
  if (endedByMs >= killedAtMs) return null
  const telling = holders.flatMap((calls) => tellingCalls(calls, endedByMs, killedAtMs))
  if (telling.length <= CALLS_OF_GRACE) return null
  return `over ${killedAtMs - endedByMs} ms before its gateway was killed, and ${telling.length} calls later nobody had heard of it`
}
