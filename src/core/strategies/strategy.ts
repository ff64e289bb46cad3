// How the members of a group are put in order. A strategy is one file and one line in the registry.
import type { Target } from '../directory.ts'

/** A target that may serve the present request. */
export interface Candidate {
  readonly target: Target
}

/** A target of a group, or a group within it, with what is left of it for this request: never nothing. */
export interface Member {
  /** The same in every isolate and for every request: what a stable choice is made by. */
  readonly name: string
  /** How much of the traffic it is to get beside the others: 0 for none unless they fail. */
  readonly weight: number
  /** In the order in which they would be tried; the first stands for the member. */
  readonly candidates: readonly [Candidate, ...Candidate[]]
}

/** How fast a target answered lately. */
export interface Speed {
  readonly ttftMs: number
  /** Output tokens per second once it has begun. */
  readonly tokensPerSecond: number
}

/** By what a client's requests may belong together. */
export type AffinityKind = 'session' | 'user' | 'key' | 'prefix'

/** What the strategies may know of the request and of the world. All of it is asked only when it is needed. */
export interface Situation {
  /** When the request began, epoch ms. */
  readonly nowMs: number
  /** In [0, 1). */
  draw(): number
  /** What this request may cost at a target, in nano-USD; null without a price. */
  costNanoUsd(target: Target): number | null
  /** Null when nothing is known of late; 'tried-elsewhere' where somebody else has been sent to find out. */
  speed(target: Target): Speed | 'tried-elsewhere' | null
  /** Calls under way at a target, as far as this isolate knows. */
  inFlight(target: Target): number
  /** Tokens of output that the request is likely to get. */
  readonly likelyOutputTokens: number
  /** What the request has in common with others; null where it names none. */
  affinity(kind: AffinityKind): string | null
}

/** What a strategy needs besides the members. */
export interface StrategyOptions {
  /** `sticky`, `split`: by what a client stays with its member; the first that the request has. */
  readonly by?: readonly AffinityKind[]
  /** `split`: another name makes another assignment. */
  readonly experiment?: string
}

export interface Strategy {
  readonly name: string
  /** A permutation of `members`: none added, none left out. */
  order(members: readonly Member[], situation: Situation, options: StrategyOptions): readonly Member[]
}

/** Members from the smallest to the greatest value; equals stay as they are. Each value is computed once. */
export function sortedBy(members: readonly Member[], value: (member: Member) => number): readonly Member[] {
  return members
    .map((member) => ({ member, value: value(member) }))
    .toSorted((a, b) => compare(a.value, b.value))
    .map(({ member }) => member)
}

/** `Infinity` equals itself, which a subtraction doesn't see. */
function compare(a: number, b: number): number {
  return a === b ? 0 : a < b ? -1 : 1
}
