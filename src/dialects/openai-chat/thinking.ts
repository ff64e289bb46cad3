// How much a model is to think, in the words of each provider of the chat wire: the wire itself has only an effort.
import type { Target } from '../../core/directory.ts'
import type { JsonObject } from '../../core/json.ts'
import type { NeutralRequest, ReasoningRequest } from '../../core/neutral.ts'
import { hasQuirk } from '../../core/quirk.ts'
import { withoutUndefined } from '../../wire/write.ts'

/** The members that ask for it; none where nothing is asked. */
export function writeReasoningSettings(request: NeutralRequest, target: Target): JsonObject {
  const asked = request.reasoning
  if (asked === undefined) return {}
  if (hasQuirk(target, 'thinking-type')) {
    if (!isThinking(asked)) return { thinking: { type: 'disabled' } }
    return withoutUndefined({ thinking: { type: 'enabled' }, reasoning_effort: asked.effort })
  }
  if (hasQuirk(target, 'enable-thinking')) {
    return withoutUndefined({ enable_thinking: isThinking(asked), thinking_budget: asked.maxTokens })
  }
  if (hasQuirk(target, 'reasoning-object')) return { reasoning: reasoningObject(asked, request.wire === 'openai-chat') }
  return request.wire === 'openai-chat' ? writeOwnWords(asked) : withoutUndefined({ reasoning_effort: effortOf(asked) })
}

/** Whether an effort asks for any thinking. */
export function isEffort(effort: string): boolean {
  return effort !== 'none' && effort !== 'minimal'
}

function isThinking({ effort, mode }: ReasoningRequest): boolean {
  return mode !== 'off' && (effort === undefined || isEffort(effort))
}

/** A client of this wire that said more than an effort said it to a provider that understands it. */
function writeOwnWords(asked: ReasoningRequest): JsonObject {
  const { effort, maxTokens, mode, summary } = asked
  if (mode === 'adaptive') {
    const { mode: _, ...rest } = asked
    return { thinking: { type: 'adaptive' }, ...writeOwnWords(rest) }
  }
  if (maxTokens === undefined && mode === undefined && summary === undefined) {
    return withoutUndefined({ reasoning_effort: effort })
  }
  return { reasoning: reasoningObject(asked, true) }
}

/** OpenRouter takes an effort or a number of tokens, not both. */
function reasoningObject(asked: ReasoningRequest, isOwn: boolean): JsonObject {
  const { effort, maxTokens, mode, summary } = asked
  const isHidden = summary === 'none'
  return withoutUndefined({
    effort: maxTokens === undefined || isOwn ? effort : undefined,
    max_tokens: maxTokens,
    enabled: mode === undefined ? undefined : mode !== 'off',
    exclude: isHidden ? true : undefined,
    summary: isHidden ? undefined : summary,
  })
}

/** Thinking tokens up to which an effort is the next lower one. */
const LOW_TOKENS_MAX = 2_048
const MEDIUM_TOKENS_MAX = 12_288

/** The effort that comes closest; nothing where it is left to the provider. */
function effortOf({ effort, maxTokens, mode }: ReasoningRequest): string | undefined {
  if (mode === 'off') return 'none'
  if (effort !== undefined) return effort === 'max' ? 'high' : effort
  if (maxTokens === undefined) return mode === 'on' ? 'medium' : undefined
  if (maxTokens <= LOW_TOKENS_MAX) return 'low'
  return maxTokens <= MEDIUM_TOKENS_MAX ? 'medium' : 'high'
}
