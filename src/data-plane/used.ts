// What an attempt used, where the provider said so and where it didn't; and what is learned from it about estimates.
import { tokensOfChars } from '../core/estimate/estimate.ts'
import { NO_USAGE, type Usage, promptTokens } from '../core/money/usage.ts'
import type { Speaker } from '../protocols/protocol.ts'
import type { Attempt, AttemptEnd } from './attempt.ts'
import { modelOf } from './limits/sizing.ts'

/** What was used: as reported, else as far as it was seen. A report that came before the end knows the prompt, but not how
 *  much followed. */
export function used(attempt: Attempt<Speaker>, { ending, usage, isPartial, visibleChars }: AttemptEnd): Usage {
  if (usage !== null && !(isPartial ?? ending !== 'finished')) {
    learn(attempt, usage, visibleChars)
    return usage
  }
  return usedSoFar(attempt, usage, visibleChars)
}

/** What was used of a reply that isn't whole: what was reported, and at least what was seen. */
export function usedSoFar(attempt: Attempt<Speaker>, usage: Usage | null, visibleChars: number): Usage {
  const output = seenTokens(attempt, visibleChars)
  if (usage === null) return { ...NO_USAGE, input: attempt.demand.promptTokens, output }
  const more = output - usage.output - usage.reasoning
  return more <= 0 ? usage : { ...usage, output: usage.output + more }
}

/** Likely tokens of the output that was seen. */
function seenTokens({ exchange, plan }: Attempt<Speaker>, visibleChars: number): number {
  return tokensOfChars(visibleChars, exchange.services.calibration.charsPerToken(modelOf(plan.target)))
}

/** Holds estimates against a whole, reported usage. What isn't text has no estimate to be corrected. */
function learn({ exchange, plan, demand: need }: Attempt<Speaker>, usage: Usage, visibleChars: number): void {
  const { calibration } = exchange.services
  const { overhead, media, audio } = need.extras
  const model = modelOf(plan.target)
  if (media + audio === 0) calibration.learnPrompt(model, plan.promptTokens, promptTokens(usage) - overhead)
  if (usage.reasoning + usage.audioOutput === 0) calibration.learnReply(model, visibleChars, usage.output)
}
