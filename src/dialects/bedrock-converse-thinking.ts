// How a model on Bedrock is asked to think: each family has its own words, all beside the common fields.
// https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-extended-thinking.html
// https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html
import type { JsonObject } from '../core/json.ts'
import type { NeutralMessage, NeutralRequest } from '../core/neutral.ts'
import type { ModelFamily } from '../wire/bedrock-converse.ts'
import { withoutUndefined } from '../wire/write.ts'

/** What to send so that a model thinks, or doesn't. */
export interface Thinking {
  readonly fields: JsonObject
  /** While it thinks, it can't be held to a temperature, a top_p or a tool. */
  readonly fixesSampling: boolean
  /** What it thinks counts against the output bound, which then has to be above the budget. */
  readonly needsBound: boolean
}

/** The API's own minimum of thinking. */
const THINKING_TOKENS_MIN = 1024
/** How much thinking an effort buys at most, in tokens; what is left of the bound stays for the answer. */
const THINKING_TOKENS: Readonly<Record<string, number>> = {
  low: 2048,
  medium: 8192,
  high: 24_576,
  xhigh: 32_768,
  max: 32_768,
}
/** Efforts that Nova and the open models of OpenAI know. */
const PLAIN_EFFORTS: Readonly<Record<string, string>> = {
  minimal: 'low',
  low: 'low',
  medium: 'medium',
  high: 'high',
  xhigh: 'high',
  max: 'high',
}

/** True for a request that means thinking at all. */
export function asksForThinking(request: NeutralRequest): boolean {
  const { effort, maxTokens, mode } = request.reasoning ?? {}
  if (mode === 'off' || effort === 'none') return false
  if (mode !== undefined || maxTokens !== undefined) return true
  return effort !== undefined && effort !== 'minimal'
}

/** True for a family that can be asked to think, or not to. */
export function canBeAskedToThink(family: ModelFamily): boolean {
  return family === 'anthropic' || family === 'nova' || family === 'openai'
}

/** What asks this family of models to think as the client wants; null for nothing to say. `bound`: the output bound. */
export function converseThinking(request: NeutralRequest, family: ModelFamily, bound: number): Thinking | null {
  const { reasoning } = request
  if (reasoning === undefined) return null
  if (family === 'anthropic') return anthropicThinking(request, bound)
  const effort = PLAIN_EFFORTS[reasoning.effort ?? 'medium'] ?? 'medium'
  if (family === 'openai') return plain({ reasoning_effort: asksForThinking(request) ? effort : 'low' })
  if (family !== 'nova') return null
  if (!asksForThinking(request)) return plain({ reasoningConfig: { type: 'disabled' } })
  // At high effort Nova takes neither a temperature nor a bound.
  return plain({ reasoningConfig: { type: 'enabled', maxReasoningEffort: effort } }, effort === 'high')
}

function plain(fields: JsonObject, fixesSampling = false): Thinking {
  return { fields, fixesSampling, needsBound: false }
}

/**
 * None where the bound leaves no room, or where the conversation is in the middle of a tool call that was made without
 * signed thinking: the model takes no thinking that starts in mid-turn.
 */
function anthropicThinking(request: NeutralRequest, bound: number): Thinking | null {
  const { effort, maxTokens, mode } = request.reasoning ?? {}
  if (!asksForThinking(request)) return mode === 'off' ? plain({ thinking: { type: 'disabled' } }) : null
  if (isInUnsignedTurn(request.messages)) return null
  if (mode === 'adaptive') {
    const config = effort === undefined ? undefined : { effort }
    const fields = withoutUndefined({ thinking: { type: 'adaptive' }, output_config: config })
    return { fields, fixesSampling: true, needsBound: false }
  }
  const wanted = maxTokens ?? THINKING_TOKENS[effort ?? 'medium'] ?? THINKING_TOKENS_MIN
  const budget = Math.min(wanted, Math.floor(bound * 0.8))
  if (budget < THINKING_TOKENS_MIN) return null
  return { fields: { thinking: { type: 'enabled', budget_tokens: budget } }, fixesSampling: true, needsBound: true }
}

function isInUnsignedTurn(messages: readonly NeutralMessage[]): boolean {
  const isContinued = messages.at(-1)?.parts.some((part) => part.kind === 'tool-result') ?? false
  if (!isContinued) return false
  const turn = messages.findLast((message) => message.role === 'assistant')
  return turn?.parts.some((part) => part.kind === 'reasoning' && (part.signature ?? part.redacted)) !== true
}
