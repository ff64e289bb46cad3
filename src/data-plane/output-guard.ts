// Keeps a reply that is being relayed within what is reserved for it, whatever the provider makes of its bound: when more comes
// than was reserved, more is reserved; when there is no more, the reply ends. Money spent is at most one piece above.
import type { UpstreamFailure } from '../core/failure.ts'
import { tokensOfChars } from '../core/estimate.ts'
import { costNanoUsd } from '../core/price.ts'
import { NO_USAGE, completionTokens } from '../core/usage.ts'
import type { Speaker } from '../protocols/protocol.ts'
import type { Attempt } from './attempt.ts'
import type { Lane } from './lane.ts'
import type { StreamWatch } from './upstream-stream.ts'

/** Reserved at a time: enough to be rare, too little to matter. Tokens. */
const STEP_TOKENS = 256

/** Why a reply ends that its limits have no more for. Nothing is wrong with the target. */
export const OVERRUN: UpstreamFailure = {
  class: 'client',
  status: 429,
  message: 'The reply became longer than its bound, and the limits have no more for it.',
  code: 'output_bound_exceeded',
  type: null,
  param: null,
  retryAfterMs: null,
}

/** The part of a stream's watch that asks for more; nothing where no limit stands behind the attempt, or nothing is known of
 *  how long the reply may be. */
export function outputGuard(attempt: Attempt<Speaker>, lane: Lane): Pick<StreamWatch, 'mayGoOn'> {
  const { exchange, plan, reservation } = attempt
  const { maxOutputTokens } = exchange.facts
  if (maxOutputTokens === null || maxOutputTokens === 0) return {}
  if (!reservation.limitsMoney && !reservation.limitsTokens) return {}
  const { price } = plan.target
  let held = reservation.amounts.outputTokens
  const mayGoOn = (): null | UpstreamFailure | Promise<UpstreamFailure | null> => {
    const { usage, visibleChars } = lane
    const seen = Math.max(tokensOfChars(visibleChars), usage === null ? 0 : completionTokens(usage))
    if (seen <= held) return null
    const outputTokens = seen - held + STEP_TOKENS
    const nanoUsd = price === null ? 0 : costNanoUsd({ ...NO_USAGE, output: outputTokens }, price)
    const more = { requests: 0, inputTokens: 0, outputTokens, slots: 0, nanoUsd }
    const gotten = reservation.extend(more, exchange.later)
    held += outputTokens
    return gotten instanceof Promise ? gotten.then(orOverrun) : orOverrun(gotten)
  }
  return { mayGoOn }
}

function orOverrun(isGranted: boolean): UpstreamFailure | null {
  return isGranted ? null : OVERRUN
}
