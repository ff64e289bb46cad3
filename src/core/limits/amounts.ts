// How much of each limited resource something takes or is given, as a fixed vector of integers: cheap to add and to
// compare, since every admission does.

/** What an attempt weighs. Tokens in all are input + output. */
export interface Amounts {
  readonly requests: number
  readonly inputTokens: number
  readonly outputTokens: number
  /** Concurrent attempts: taken while one runs, given back when it ends. */
  readonly slots: number
  readonly nanoUsd: number
}

/** The same with tokens in all as a resource of its own: a grant may have more of them than input and output make. */
export interface Counts extends Amounts {
  readonly tokens: number
}

export type Resource = keyof Counts

/** In the order in which a refusal names them. */
export const RESOURCES = ['slots', 'requests', 'tokens', 'inputTokens', 'outputTokens', 'nanoUsd'] as const

/** Yes or no for each resource. */
export type Flags = Readonly<Record<Resource, boolean>>

export const NOTHING: Counts = { requests: 0, inputTokens: 0, outputTokens: 0, tokens: 0, slots: 0, nanoUsd: 0 }
export const NONE: Flags = allFlags(false)
export const ALL: Flags = allFlags(true)

/** The weights of one attempt, tokens in all included. */
export function counted(amounts: Amounts): Counts {
  const { requests, inputTokens, outputTokens, slots, nanoUsd } = amounts
  return { requests, inputTokens, outputTokens, tokens: inputTokens + outputTokens, slots, nanoUsd }
}

/** a + b, resource by resource. */
export function plus(a: Counts, b: Counts): Counts {
  return {
    requests: a.requests + b.requests,
    inputTokens: a.inputTokens + b.inputTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    tokens: a.tokens + b.tokens,
    slots: a.slots + b.slots,
    nanoUsd: a.nanoUsd + b.nanoUsd,
  }
}

/** a − b, resource by resource; may be negative. */
export function minus(a: Counts, b: Counts): Counts {
  return {
    requests: a.requests - b.requests,
    inputTokens: a.inputTokens - b.inputTokens,
    outputTokens: a.outputTokens - b.outputTokens,
    tokens: a.tokens - b.tokens,
    slots: a.slots - b.slots,
    nanoUsd: a.nanoUsd - b.nanoUsd,
  }
}

/** The greater of each resource. */
export function greatest(a: Counts, b: Counts): Counts {
  return {
    requests: Math.max(a.requests, b.requests),
    inputTokens: Math.max(a.inputTokens, b.inputTokens),
    outputTokens: Math.max(a.outputTokens, b.outputTokens),
    tokens: Math.max(a.tokens, b.tokens),
    slots: Math.max(a.slots, b.slots),
    nanoUsd: Math.max(a.nanoUsd, b.nanoUsd),
  }
}

/** Each resource times `factor`, rounded up. */
export function times(a: Counts, factor: number): Counts {
  return each((resource) => Math.ceil(a[resource] * factor))
}

/** A vector from what `of` says of each resource. */
export function each(of: (resource: Resource) => number): Counts {
  return {
    requests: of('requests'),
    inputTokens: of('inputTokens'),
    outputTokens: of('outputTokens'),
    tokens: of('tokens'),
    slots: of('slots'),
    nanoUsd: of('nanoUsd'),
  }
}

/** Flags from what `of` says of each resource. */
export function flags(of: (resource: Resource) => boolean): Flags {
  return {
    requests: of('requests'),
    inputTokens: of('inputTokens'),
    outputTokens: of('outputTokens'),
    tokens: of('tokens'),
    slots: of('slots'),
    nanoUsd: of('nanoUsd'),
  }
}

function allFlags(value: boolean): Flags {
  return flags(() => value)
}
