// What the limits have to say of a stream that is under way: how much more it may say, whether it may go on at all, and how
// it ends when it may not.
import { completionTokens } from '../../core/money/usage.ts'
import type { Speaker } from '../../protocols/protocol.ts'
import { Allowance, type CutReason } from './allowance.ts'
import type { Attempt } from '../attempt.ts'
import type { Lane } from './lane.ts'
import { REASONS } from './last-words.ts'
import type { StreamWatch } from './upstream-stream.ts'
import { usedSoFar } from '../used.ts'

/** The part of a stream's watch that the limits have. A stream without a budget isn't metered. */
export function streamLimits(
  attempt: Attempt<Speaker>,
  lane: Lane,
): Pick<StreamWatch, 'mayGoOn' | 'mustEnd' | 'lastWords'> {
  const allowance = isMetered(attempt) ? new Allowance(attempt, lane) : null
  return {
    ...(allowance === null ? {} : { mayGoOn: () => allowance.mayGoOn() }),
    mustEnd: () => whyEnd(attempt),
    lastWords: (reason) => lastWords(attempt, lane, reason),
  }
}

/** Whether money is limited, and the reply costs any. */
export function isMetered(attempt: Attempt<Speaker>): boolean {
  return attempt.maxOutputTokens !== null
}

/** Why an operator wants an attempt to end; null where none does. */
export function byOperator({ exchange, reservation }: Attempt<Speaker>): CutReason | null {
  if (reservation.isRevoked()) return 'key-revoked'
  if (reservation.isCancelled?.() === true) return 'cancelled'
  return exchange.services.switches.ofCaller(exchange.caller) === null ? null : 'switched-off'
}

function whyEnd(attempt: Attempt<Speaker>): CutReason | null {
  const { reservation } = attempt
  return byOperator(attempt) ?? (reservation.hasLostSlot() ? 'slot-lost' : null)
}

function lastWords(attempt: Attempt<Speaker>, lane: Lane, reason: CutReason): string | null {
  const { facts, requestId } = attempt.exchange
  const usage = usedSoFar(attempt, lane.usage, lane.visibleChars)
  const note = { reason: REASONS[reason], output_tokens: completionTokens(usage), request_id: requestId }
  return lane.cut?.({ usage, wantsUsage: facts.wantsUsage, choices: facts.choices, note }) ?? null
}
