// How many tokens a prompt is likely to have: sizes reservations, which actual usage then settles. Long prompts are
// sampled, so the cost of estimating is bounded.
import { estimateTokenCount } from 'tokenx'
import type { Target } from './directory.ts'
import type { Amounts } from './amounts.ts'
import { type Price, costNanoUsd } from './price.ts'
import { NO_USAGE, type Usage, completionTokens, promptTokens as inputTokens } from './usage.ts'

/** Text up to this length is estimated whole. */
const WHOLE_CHARS_MAX = 300
const SAMPLES = 3
const SAMPLE_CHARS = WHOLE_CHARS_MAX / SAMPLES
/** Role names, separators and the like. */
const OVERHEAD_TOKENS = 16
/** Room for what the estimate misses. */
const PROMPT_MARGIN = 1.25
/** Output assumed for rate limits when the client names no bound: most replies are shorter. */
const LIKELY_OUTPUT_TOKENS = 1_024
/** For text we saw pass but whose usage was never reported. */
const CHARS_PER_TOKEN = 4

/** Likely tokens of `text`. Zero for empty text. */
export function estimateTokens(text: string): number {
  if (text.length <= WHOLE_CHARS_MAX) return estimateTokenCount(text)
  return estimateBySamples(text.length, (from, chars) => text.slice(from, from + chars))
}

/** Likely tokens of a long text of `chars` characters, of which `sampleAt` gives a few where it is asked. */
export function estimateBySamples(chars: number, sampleAt: (from: number, chars: number) => string): number {
  let sampled = 0
  const stride = Math.floor((chars - SAMPLE_CHARS) / (SAMPLES - 1))
  for (let sample = 0; sample < SAMPLES; sample++) {
    sampled += estimateTokenCount(sampleAt(sample * stride, SAMPLE_CHARS))
  }
  return Math.ceil((sampled * chars) / (SAMPLES * SAMPLE_CHARS))
}

/** Likely tokens of `chars` characters of text that is no longer at hand. */
export function tokensOfChars(chars: number): number {
  return Math.ceil(chars / CHARS_PER_TOKEN)
}

/** What a request is going to need at most, as far as can be known. */
export interface Demand {
  readonly amounts: Amounts
  /** Output bound that makes `amounts.nanoUsd` an upper bound. */
  readonly maxOutputTokens: number
}

/**
 * What to reserve for one attempt. Tokens: the prompt and a likely output; money: the prompt with a margin and the whole
 * output bound, at full price. A target without a price needs no money.
 */
export function demand(
  promptTokens: number,
  request: { readonly maxOutputTokens: number | null; readonly choices: number },
  target: Target,
): Demand {
  const bound = request.maxOutputTokens ?? target.maxOutputTokens
  const likely = Math.min(bound, request.maxOutputTokens ?? LIKELY_OUTPUT_TOKENS)
  const input = Math.ceil(promptTokens * PROMPT_MARGIN) + OVERHEAD_TOKENS
  const most: Usage = { ...NO_USAGE, input, output: bound * request.choices }
  return {
    amounts: {
      requests: 1,
      inputTokens: promptTokens + OVERHEAD_TOKENS,
      outputTokens: likely * request.choices,
      slots: 1,
      nanoUsd: target.price === null ? 0 : costNanoUsd(most, dearest(target.price)),
    },
    maxOutputTokens: bound,
  }
}

/** What an attempt weighed in the end. */
export function weightOf(usage: Usage, nanoUsd: number): Amounts {
  return { requests: 1, inputTokens: inputTokens(usage), outputTokens: completionTokens(usage), slots: 0, nanoUsd }
}

/** What the tokens may cost at most: the prompt may be written to the provider's cache, the output may be reasoning. */
function dearest(price: Price): Price {
  return {
    ...price,
    input: Math.max(price.input, price.cacheWrite, price.cacheWriteLong),
    output: Math.max(price.output, price.reasoning),
  }
}
