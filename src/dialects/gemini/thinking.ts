// How much a Gemini model is to think: a budget in tokens up to version 2.5, a level from 3 on, nothing before 2.5.
// https://ai.google.dev/gemini-api/docs/thinking and, for what efforts mean, https://ai.google.dev/gemini-api/docs/openai#thinking
// (read 2026-11-21)
import type { JsonObject } from '../../core/json.ts'
import type { ReasoningRequest } from '../../core/neutral.ts'
import type { GeminiFamily } from '../../wire/gemini.ts'
import { withoutUndefined } from '../../wire/write.ts'

/** Tokens that an effort buys. */
const BUDGETS: Readonly<Record<string, number>> = { minimal: 1024, low: 1024, medium: 8192, high: 24_576 }
const LEVELS: Readonly<Record<string, string>> = {
  minimal: 'MINIMAL',
  low: 'LOW',
  medium: 'MEDIUM',
  high: 'HIGH',
  xhigh: 'HIGH',
  max: 'HIGH',
}
/** The most that a model may think, in tokens. */
const BUDGET_MAX = 24_576
const BUDGET_MAX_PRO = 32_768
/** The least that a pro model of version 2.5 thinks. */
const BUDGET_MIN_PRO = 128
/** The model decides. */
const DYNAMIC_BUDGET = -1

/** The `thinkingConfig`; undefined where the model is to do as it likes, or doesn't think at all. */
export function writeThinking(reasoning: ReasoningRequest | undefined, family: GeminiFamily): JsonObject | undefined {
  if (reasoning === undefined || !canThink(family)) return undefined
  const off = isOff(reasoning)
  const includeThoughts = off || reasoning.summary === 'none' ? undefined : true
  const amount =
    (family.version ?? 0) >= 3 ? levelOf(reasoning, family) : { thinkingBudget: budgetOf(reasoning, family) }
  return withoutUndefined({ includeThoughts, ...amount })
}

/** Why the model can't do as it is asked; null where it can. */
export function thinkingObjection(reasoning: ReasoningRequest | undefined, family: GeminiFamily): string | null {
  if (reasoning === undefined) return null
  const off = isOff(reasoning)
  if (!canThink(family)) return off ? null : 'this model does not think'
  if (off) return family.isPro && family.version !== null ? 'this model always thinks' : null
  const { effort } = reasoning
  return effort === undefined || LEVELS[effort] !== undefined ? null : `this model knows no effort '${effort}'`
}

function isOff({ effort, mode, maxTokens }: ReasoningRequest): boolean {
  return effort === 'none' || mode === 'off' || maxTokens === 0
}

/** Names that don't tell their version are believed to. */
function canThink({ version, isGemma }: GeminiFamily): boolean {
  return version === null || version >= (isGemma ? 4 : 2.5)
}

function levelOf(reasoning: ReasoningRequest, { isPro }: GeminiFamily): JsonObject {
  const { effort, maxTokens } = reasoning
  if (isOff(reasoning)) return { thinkingLevel: isPro ? 'LOW' : 'MINIMAL' }
  if (effort !== undefined) {
    // Pro models have no level below.
    return { thinkingLevel: isPro && effort === 'minimal' ? 'LOW' : LEVELS[effort] }
  }
  return { thinkingBudget: maxTokens === undefined ? undefined : Math.min(maxTokens, BUDGET_MAX_PRO) }
}

function budgetOf(reasoning: ReasoningRequest, { isPro, version }: GeminiFamily): number | undefined {
  const { effort, maxTokens, mode } = reasoning
  const most = isPro ? BUDGET_MAX_PRO : BUDGET_MAX
  if (isOff(reasoning)) return isPro && version !== null ? BUDGET_MIN_PRO : 0
  if (maxTokens !== undefined) return Math.min(maxTokens, most)
  if (effort === undefined) return mode === undefined ? undefined : DYNAMIC_BUDGET
  return LEVELS[effort] === undefined ? undefined : (BUDGETS[effort] ?? most)
}
