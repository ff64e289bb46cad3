// What a model call consumed, as disjoint buckets: every token is in exactly one of them, so that pricing is a plain
// sum. Dialects convert a provider's own counting (some count cached tokens inside the prompt, some outside) once. What is
// sold by other measures than tokens is counted beside them. Counts, never money.

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
  /** What is counted besides tokens; missing for nothing. */
  readonly units?: Units
  /** The service tier that a provider says it served from, where that is not its usual one. */
  readonly tier?: ServiceTier
}

/** Measures other than tokens. None of them stands for tokens: a provider that sells pictures by the piece and by the
 *  token has a price for one of the two. */
export const UNIT_KINDS = [
  'requests',
  'images',
  'characters',
  'milliseconds',
  'searches',
  'busyMilliseconds',
  'processedInput',
  'processedOutput',
] as const
export type UnitKind = (typeof UNIT_KINDS)[number]

/**
 * Non-negative integers. `requests`: calls, where calls have a price. `images`: pictures that were made. `characters`: of
 * text that was spoken. `milliseconds`: of sound that was heard. `searches`: of the web, by the provider. `busyMilliseconds`:
 * how long the model was at work on it, as the gateway measured, where that has a price. `processedInput`, `processedOutput`: tokens
 * that the model went through, of a provider that bills others (Cohere): the buckets have what is billed, and these no price.
 */
export type Units = Readonly<Partial<Record<UnitKind, number>>>

/** Tiers with prices of their own at some provider. */
export const SERVICE_TIERS = ['batch', 'flex', 'priority'] as const
export type ServiceTier = (typeof SERVICE_TIERS)[number]

/** The tier by a provider's own name; undefined for its usual one, by whatever name. */
export function serviceTierOf(name: string | null): ServiceTier | undefined {
  return SERVICE_TIERS.find((tier) => tier === name?.toLowerCase())
}

/** Usage as served from a tier, by the provider's own name for it; as it is for the usual one. */
export function withTier(usage: Usage, name: string | null): Usage {
  const tier = serviceTierOf(name)
  return tier === undefined ? usage : { ...usage, tier }
}

/** Usage with more units: counts of the same kind are added up. None leaves it as it is. */
export function withUnits(usage: Usage, more: Units): Usage {
  const units = addUnits(usage.units ?? {}, more)
  return Object.keys(units).length === 0 ? usage : { ...usage, units }
}

/** `a` plus `sign` times `b`, without the kinds that come to nothing. */
export function addUnits(a: Units, b: Units, sign: 1 | -1 = 1): Units {
  const units: Partial<Record<UnitKind, number>> = {}
  for (const kind of UNIT_KINDS) {
    const count = (a[kind] ?? 0) + sign * (b[kind] ?? 0)
    if (count !== 0) units[kind] = count
  }
  return units
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
export type UsageBucket = (typeof USAGE_BUCKETS)[number]

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
