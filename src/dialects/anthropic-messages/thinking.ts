// How much an Anthropic model is to think: newer ones decide for themselves and take an effort, older ones take a budget
// of tokens. https://platform.claude.com/docs/en/build-with-claude/adaptive-thinking and /extended-thinking
import type { JsonObject } from '../../core/json.ts'
import type { NeutralMessage, NeutralRequest, ReasoningRequest, Signature } from '../../core/neutral.ts'
import { isOwnSignature } from '../../wire/anthropic-messages-write-block.ts'

/** What the request says of thinking, in this wire's words. */
export interface Thinking {
  readonly thinking?: JsonObject
  /** For `output_config`. */
  readonly effort?: string
  /** Whether the model will think: then it can't be held to a tool, a temperature or a top_p. */
  readonly isOn: boolean
}

/** True for an effort in this wire's own words that comes without a word on thinking: it doesn't ask for any. */
function isEffortAlone({ wire, reasoning }: NeutralRequest): boolean {
  return wire === 'anthropic-messages' && reasoning?.mode === undefined
}

/** The API's own minimum of thinking. */
const THINKING_TOKENS_MIN = 1024
/** How much thinking an effort buys at most, in tokens; what is left of the bound stays for the answer. */
const THINKING_TOKENS: Readonly<Record<string, number>> = {
  low: 2048,
  medium: 8192,
  high: 24_576,
  xhigh: 32_768,
  max: 63_999,
}
const USUAL_THINKING_TOKENS = 8192
/** Share of the bound that thinking may take where the client didn't say how much. */
const THINKING_SHARE = 0.8

/**
 * Thinking for what was asked for. No budget where the bound leaves no room, or where the conversation is in the middle of
 * a tool call that was made without signed thinking: the API takes none that starts in mid-turn. (Models that decide for
 * themselves don't mind.) `isOwn` tells whether a signature can be checked where the request goes.
 */
export function writeThinking(
  request: NeutralRequest,
  model: string,
  maxTokens: number,
  isOwn: (signature: Signature | undefined) => boolean = isOwnSignature,
): Thinking {
  const reasoning = request.reasoning
  if (reasoning === undefined) return { isOn: false }
  const { effort, mode, maxTokens: budget } = reasoning
  if (isEffortAlone(request)) return { ...(effort === undefined ? {} : { effort }), isOn: false }
  const version = versionOf(model)
  const isNew = version !== null && version >= ADAPTIVE_VERSION
  if (mode === 'off' || (effort === 'none' && isNew)) return { thinking: { type: 'disabled' }, isOn: false }
  if (!asksForThinking(request)) return { isOn: false }
  const isAdaptive = version === null ? mode === 'adaptive' : isNew && !(mode === 'on' && budget !== undefined)
  if (isAdaptive)
    return { thinking: { type: 'adaptive', ...display(reasoning) }, ...adaptiveEffort(effort, version), isOn: true }
  const tokens = isInUnsignedTurn(request.messages, isOwn) ? null : budgetFor(reasoning, maxTokens)
  if (tokens === null) return { isOn: false }
  const thinking = { type: 'enabled', budget_tokens: tokens, ...display(reasoning) }
  const isBoth = mode === 'on' && budget !== undefined && effort !== undefined
  return { thinking, ...(isBoth ? { effort } : {}), isOn: true }
}

/** True where the client wants thinking at all: an effort of `none` or `minimal` wants none. */
export function asksForThinking(request: NeutralRequest): boolean {
  const { reasoning } = request
  if (reasoning === undefined || reasoning.mode === 'off' || isEffortAlone(request)) return false
  if (reasoning.effort === 'none' || reasoning.effort === 'minimal') return false
  return reasoning.mode !== undefined || reasoning.effort !== undefined || (reasoning.maxTokens ?? 0) > 0
}

/** The first version that decides for itself; budgets are deprecated there, and refused later. */
const ADAPTIVE_VERSION = 4.06
/** The first version that knows an effort between `high` and `max`. */
const XHIGH_VERSION = 4.07

/** Version in a model's name, `claude-opus-4-6` as 4.06; null for none. A date is no version. */
function versionOf(model: string): number | null {
  const match = /claude-(?:[a-z]+-)?(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)/.exec(model)
  return match === null ? null : Number(match[1]) + Number(match[2] ?? 0) / 100
}

function adaptiveEffort(effort: string | undefined, version: number | null): { readonly effort?: string } {
  if (effort === undefined || THINKING_TOKENS[effort] === undefined) return {}
  return { effort: effort === 'xhigh' && version !== null && version < XHIGH_VERSION ? 'high' : effort }
}

function display({ summary }: ReasoningRequest): { readonly display?: string } {
  if (summary === undefined) return {}
  return { display: summary === 'none' ? 'omitted' : 'summarized' }
}

function budgetFor({ effort, maxTokens: wanted }: ReasoningRequest, maxTokens: number): number | null {
  const share = Math.floor(maxTokens * THINKING_SHARE)
  if (wanted !== undefined && wanted >= THINKING_TOKENS_MIN && wanted < maxTokens) return wanted
  const most = wanted ?? THINKING_TOKENS[effort ?? ''] ?? USUAL_THINKING_TOKENS
  const budget = Math.min(Math.max(most, THINKING_TOKENS_MIN), share)
  return budget < THINKING_TOKENS_MIN ? null : budget
}

function isInUnsignedTurn(
  messages: readonly NeutralMessage[],
  isOwn: (signature: Signature | undefined) => boolean,
): boolean {
  const isContinued = messages.at(-1)?.parts.some((part) => part.kind === 'tool-result') ?? false
  if (!isContinued) return false
  const turn = messages.findLast((message) => message.role === 'assistant')
  return turn?.parts.some((part) => part.kind === 'reasoning' && isOwn(part.signature ?? part.redacted)) !== true
}
