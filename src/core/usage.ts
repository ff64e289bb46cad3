// What a model call consumed, as disjoint buckets: every token is in exactly one of them, so that pricing is a plain
// sum. Dialects convert a provider's own counting (some count cached tokens inside the prompt, some outside) once.
// Counts, never money.

/** Token counts of one call. All are non-negative integers, and no token is counted twice. */
export interface Usage {
  /** Prompt tokens that were read afresh. */
  readonly input: number
  /** Prompt tokens served from the provider's prompt cache. */
  readonly cacheRead: number
  /** Prompt tokens written to the provider's cache for five minutes (or its default lifetime). */
  readonly cacheWrite: number
  /** Prompt tokens written to the provider's cache for one hour. */
  readonly cacheWriteLong: number
  /** Visible output tokens. */
  readonly output: number
  /** Output tokens spent on reasoning. */
  readonly reasoning: number
  /** Prompt tokens that were audio. */
  readonly audioInput: number
  /** Output tokens that were audio. */
  readonly audioOutput: number
}

/** The name of every bucket. */
export const USAGE_BUCKETS = [
  'input',
  'cacheRead',
  'cacheWrite',
  'cacheWriteLong',
  'output',
  'reasoning',
  'audioInput',
  'audioOutput',
] as const satisfies readonly (keyof Usage)[]

/** No tokens at all. */
export const NO_USAGE: Usage = {
  input: 0,
  cacheRead: 0,
  cacheWrite: 0,
  cacheWriteLong: 0,
  output: 0,
  reasoning: 0,
  audioInput: 0,
  audioOutput: 0,
}

/** All prompt tokens, cached or not: what providers report as the prompt's size. */
export function promptTokens(usage: Usage): number {
  return usage.input + usage.cacheRead + usage.cacheWrite + usage.cacheWriteLong + usage.audioInput
}

/** All output tokens, reasoning included. */
export function completionTokens(usage: Usage): number {
  return usage.output + usage.reasoning + usage.audioOutput
}

/** Everything a call consumed: what a tokens-per-minute limit counts. */
export function totalTokens(usage: Usage): number {
  return promptTokens(usage) + completionTokens(usage)
}
