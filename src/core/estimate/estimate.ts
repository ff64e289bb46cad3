// How many tokens a prompt is likely to have: sizes reservations, which actual usage then settles. Long prompts are
// sampled, so the cost of estimating is bounded.
import { estimateTokenCount } from 'tokenx'
import { asciiTokens } from './ascii-tokens.ts'
import type { Target } from '../directory.ts'
import type { Amounts } from '../limits/amounts.ts'
import { type Price, costNanoUsd, dearestTier, priceAt } from '../money/price.ts'
import { type ExtraTokens, PLAIN, extraTokens } from './prompt-extras.ts'
import {
  NO_USAGE,
  type Units,
  type Usage,
  completionTokens,
  promptTokens as inputTokens,
  withUnits,
} from '../money/usage.ts'

/** Text up to this length is estimated whole. */
const WHOLE_CHARS_MAX = 300
const SAMPLES = 3
const SAMPLE_CHARS = WHOLE_CHARS_MAX / SAMPLES
/** Room for what the estimate misses. */
const PROMPT_MARGIN = 1.25
/** Output assumed where the client names no bound, and paid for first where more can follow: most replies are shorter. */
const LIKELY_OUTPUT_TOKENS = 1_024
/** A reply that ends earlier for want of money is of no use: it is refused instead. */
const USEFUL_OUTPUT_TOKENS = 64
/** The same for a model that thinks first. */
const USEFUL_REASONING_TOKENS = 1_024
/** For text we saw pass but whose usage was never reported, by a model that nothing is known of. */
const CHARS_PER_TOKEN = 4
const PICO_PER_NANO = 1_000

/**
 * What has far shorter tokens than words have, and would be taken for a few long words: letters and digits mixed (ids, hashes,
 * base64: one to two characters a token), and scripts of which vocabularies hold little more than single characters (Hebrew, Arabic,
 * those of India, Thai, Ethiopic and the like; models differ by two and more, which the learned factor follows).
 */
const DENSE_CHARS_PER_TOKEN = 1.6
export const DENSE = {
  languageConfigs: [
    { pattern: /^(?=\D*\d)(?=\d*[A-Za-z])[A-Za-z0-9]{4,}$/, averageCharsPerToken: DENSE_CHARS_PER_TOKEN },
    { pattern: /[\u0530-\u10FF\u1200-\u1CFF]/, averageCharsPerToken: 1.5 },
  ],
}

/** Likely tokens of `text`. Zero for empty text. */
export function estimateTokens(text: string): number {
  if (text.length <= WHOLE_CHARS_MAX) return countTokens(text)
  return estimateBySamples(text.length, (from, chars) => text.slice(from, from + chars))
}

/** Likely tokens of a long text of `chars` characters, of which `sampleAt` gives a few where it is asked. */
export function estimateBySamples(chars: number, sampleAt: (from: number, chars: number) => string): number {
  let sampled = 0
  const stride = Math.floor((chars - SAMPLE_CHARS) / (SAMPLES - 1))
  for (let sample = 0; sample < SAMPLES; sample++) {
    sampled += countTokens(sampleAt(sample * stride, SAMPLE_CHARS))
  }
  return Math.ceil((sampled * chars) / (SAMPLES * SAMPLE_CHARS))
}

function countTokens(text: string): number {
  return asciiTokens(text, DENSE_CHARS_PER_TOKEN) ?? estimateTokenCount(text, DENSE)
}

/** Likely tokens of `chars` characters of text that is no longer at hand; `charsPerToken` where the model's is known. */
export function tokensOfChars(chars: number, charsPerToken: number | null = null): number {
  return Math.ceil(chars / (charsPerToken ?? CHARS_PER_TOKEN))
}

/** What a request is going to need at most, as far as can be known. */
export interface Demand {
  readonly amounts: Amounts
  /** Output bound of each reply. */
  readonly maxOutputTokens: number
  /** Likely tokens of the prompt, pictures and the like included, without what providers write around it. */
  readonly promptTokens: number
  /** What of the prompt isn't text. */
  readonly extras: ExtraTokens
  /** The money for the prompt, as far as `amounts` have it. */
  readonly promptNanoUsd: number
  /** What a token of output costs at most. */
  readonly outputPicoUsd: number
  /** Output tokens of all replies that `amounts.nanoUsd` pays for. */
  readonly paidOutputTokens: number
  /** Whether that is only what is likely: then more has to be reserved while the reply is made. */
  readonly isElastic: boolean
  /** The money without which the request is of no use; null where it is all or nothing. */
  readonly leastNanoUsd: number | null
}

/** What of a request decides how much it needs. */
export interface Asked {
  readonly maxOutputTokens: number | null
  readonly choices: number
  /** The output without which the request would be refused (a budget of thinking). */
  readonly leastOutputTokens?: number
  /** What is sold by other measures than tokens. */
  readonly units?: Units
}

/** What else is known when an attempt is sized. */
export interface Sizing {
  /** Actual tokens of this model's prompts per estimated one. */
  readonly factor: number
  readonly extras: ExtraTokens
  readonly isSpoken: boolean
  /** Whether the reply is metered while it is made: then only likely output has to be paid for beforehand. */
  readonly mayExtend: boolean
  /** Whether the output bound can be lowered to what there is money for. */
  readonly mayClamp: boolean
}

/** Nothing known: a few turns of text, and all or nothing. */
export const UNSIZED: Sizing = {
  factor: 1,
  extras: extraTokens(PLAIN, '', () => 0),
  isSpoken: false,
  mayExtend: false,
  mayClamp: false,
}

/**
 * What to reserve for one attempt. Tokens: the prompt and a likely output. Money: the prompt with a margin, which is never
 * below what this model's prompts have come to, and the whole output bound, or a likely output where more is reserved as
 * it is made; at full price. A target without a price, or with a price of nothing, needs no money.
 */
export function demand(promptTokens: number, request: Asked, target: Target, sizing: Sizing = UNSIZED): Demand {
  const { factor, extras, isSpoken } = sizing
  const { choices } = request
  const bound = request.maxOutputTokens ?? target.maxOutputTokens
  const expected = Math.min(bound, request.maxOutputTokens ?? LIKELY_OUTPUT_TOKENS)
  const likely = Math.ceil(promptTokens * factor) + extras.media + extras.audio
  const most = mostInput(promptTokens, target, sizing, request.units)
  const price = target.price === null ? null : dearest(priceAt(target.price, most.input + most.audioInput), isSpoken)
  const moneyOf = (outputTokens: number): number =>
    price === null ? 0 : costNanoUsd({ ...most, output: outputTokens }, price)
  const isElastic = sizing.mayExtend && bound > LIKELY_OUTPUT_TOKENS && !isSpoken && showsOutput(target)
  const paidOutputTokens = (isElastic ? LIKELY_OUTPUT_TOKENS : bound) * choices
  const amounts: Amounts = {
    requests: 1,
    inputTokens: likely + extras.overhead,
    outputTokens: expected * choices,
    slots: 1,
    nanoUsd: moneyOf(paidOutputTokens),
  }
  const leastNanoUsd = moneyOf(Math.min(bound, leastOutput(request, target)) * choices)
  return {
    amounts,
    maxOutputTokens: bound,
    promptTokens: likely,
    extras,
    promptNanoUsd: moneyOf(0),
    outputPicoUsd: price?.output ?? 0,
    paidOutputTokens,
    isElastic: isElastic && amounts.nanoUsd > 0,
    leastNanoUsd: sizing.mayClamp && leastNanoUsd < amounts.nanoUsd ? leastNanoUsd : null,
  }
}

/** The most output tokens of all replies that `nanoUsd` pay for besides the prompt; Infinity where output costs nothing. */
export function payableOutput({ promptNanoUsd, outputPicoUsd }: Demand, nanoUsd: number): number {
  if (outputPicoUsd === 0) return Infinity
  return Math.max(0, Math.floor(((nanoUsd - promptNanoUsd) * PICO_PER_NANO) / outputPicoUsd))
}

/** What `tokens` more of output cost at most, in nano-USD. */
export function outputNanoUsd({ outputPicoUsd }: Demand, tokens: number): number {
  return Math.ceil((tokens * outputPicoUsd) / PICO_PER_NANO)
}

/** Whether everything that a model is paid for can be seen in its stream: known, and not known to reason unseen. */
export function showsOutput({ capabilities }: Target): boolean {
  if (capabilities?.reasoning !== undefined) return !capabilities.reasoning
  return capabilities?.contextTokens !== undefined
}

/** What is charged for however the reply turns out: the call, and the time that the target has for it. */
function ofOwn({ price, timeouts }: Target, units: Units = {}): Usage {
  if (price?.units === undefined) return NO_USAGE
  return withUnits(NO_USAGE, { ...units, requests: 1, busyMilliseconds: timeouts.totalMs })
}

function mostInput(promptTokens: number, target: Target, { factor, extras }: Sizing, units?: Units): Usage {
  const { capabilities } = target
  const input = Math.ceil(promptTokens * Math.max(1, factor) * PROMPT_MARGIN) + extras.overhead + extras.media
  // No prompt is longer than what the model reads.
  return {
    ...ofOwn(target, units),
    input: Math.min(input, capabilities?.contextTokens ?? Infinity),
    audioInput: extras.audio,
  }
}

function leastOutput({ leastOutputTokens = 0 }: Asked, { capabilities }: Target): number {
  const useful = capabilities?.reasoning === true ? USEFUL_REASONING_TOKENS : USEFUL_OUTPUT_TOKENS
  return Math.max(useful, leastOutputTokens)
}

/** What an attempt weighed in the end. */
export function weightOf(usage: Usage, nanoUsd: number): Amounts {
  return { requests: 1, inputTokens: inputTokens(usage), outputTokens: completionTokens(usage), slots: 0, nanoUsd }
}

/** What the tokens may cost at most: the prompt may be written to the provider's cache, the output may be reasoning, or
 *  sound, and the provider may serve from a dearer tier. */
function dearest(given: Price, isSpoken: boolean): Price {
  const price = given.tiers === undefined ? given : dearestTier(given)
  return {
    ...price,
    ...(given.units === undefined ? {} : { units: given.units }),
    input: Math.max(price.input, price.cacheWrite, price.cacheWriteLong),
    output: Math.max(price.output, price.reasoning, isSpoken ? price.audioOutput : 0),
  }
}
