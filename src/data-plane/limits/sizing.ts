// How much an attempt reserves, and which output bound goes to the provider for it.
import type { Target } from '../../core/directory.ts'
import { type Demand, demand, payableOutput } from '../../core/estimate/estimate.ts'
import { PLAIN, extraTokens } from '../../core/estimate/prompt-extras.ts'
import type { Reservation } from '../../ports.ts'
import type { Speaker } from '../../protocols/protocol.ts'
import type { AttemptPlan } from '../attempt.ts'
import type { ReadExchange } from '../exchange.ts'
import { charsIn } from '../bodies/large-body.ts'

/** What of a budget's standing goes to the provider. */
export interface OutputBound {
  /** Output bound of each reply that goes to the provider; null where the client's own is left as it is. */
  readonly maxOutputTokens: number | null
  /** Whether that is lower than what was asked for, because the budgets have no more. */
  readonly isClamped: boolean
}

/** What to reserve for an attempt at `target`. */
export function demandOf(
  { facts, services, short, protocol }: ReadExchange<Speaker>,
  purpose: Pick<AttemptPlan, 'promptTokens' | 'isBoundable'>,
  target: Target,
): Demand {
  const extras = facts.promptExtras?.() ?? PLAIN
  const mayClamp = purpose.isBoundable === true
  // Only on the chat wire are several replies told apart, and all of them shown.
  const mayExtend = mayClamp && facts.isStreamed && (facts.choices === 1 || protocol.wire === 'openai-chat')
  return demand(purpose.promptTokens, facts, target, {
    factor: services.calibration.promptFactor(modelOf(target)),
    extras: extraTokens(extras, target.model, charsIn(short)),
    isSpoken: extras.isSpoken,
    mayExtend,
    mayClamp,
  })
}

/** By which name the counting of a target's model is remembered. */
export function modelOf({ provider, model }: Target): string {
  return `${provider}/${model}`
}

/** Where a budget stands behind the attempt, the provider is told what is paid for. */
export function boundOf(need: Demand, choices: number, { limitsMoney, amounts }: Reservation): OutputBound {
  if (!limitsMoney || need.amounts.nanoUsd === 0) return { maxOutputTokens: null, isClamped: false }
  if (amounts.nanoUsd >= need.amounts.nanoUsd) return { maxOutputTokens: need.maxOutputTokens, isClamped: false }
  const paid = Math.floor(payableOutput(need, amounts.nanoUsd) / choices)
  return { maxOutputTokens: Math.min(need.maxOutputTokens, Math.max(1, paid)), isClamped: paid < need.maxOutputTokens }
}
