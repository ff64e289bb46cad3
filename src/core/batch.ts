// Small requests of one task that are put to a provider together: what of them travels to where they meet, and how what the call
// came to is divided among them. Shares are integers and add up to the whole, tokens and money alike. Money is nano-USD.
import type { Target, TaskName } from './directory.ts'
import type { UpstreamFailure } from './failure.ts'
import type { Json, JsonObject } from './json.ts'
import { type Price, costNanoUsd } from './money/price.ts'
import { NO_USAGE, UNIT_KINDS, USAGE_BUCKETS, type UnitKind, type Units, type Usage } from './money/usage.ts'

/** Characters of one call, whatever its number of inputs: far below what providers take in tokens. */
export const BATCH_CHARS_MAX = 400_000

/** What one request brings. */
export interface BatchEntry {
  readonly inputs: readonly Json[]
  /** Characters of its inputs, or four for each token. */
  readonly chars: number
  /** Tokens of its inputs, as estimated: its share of what the call is counted. */
  readonly weight: number
}

/** Requests that agree in all but their inputs. */
export interface Batch {
  /** Equal for those that may meet: tenant, target, task, and all that their bodies say besides. */
  readonly key: string
  readonly task: TaskName
  readonly target: Target
  /** What they all say. */
  readonly body: JsonObject
  readonly entries: readonly BatchEntry[]
}

/** What of a call is one request's. */
export interface BatchShare {
  /** Null where the provider counts nothing: then an estimate has to do. */
  readonly usage: Usage | null
  readonly units: Units
  /** Null where nothing was counted, or there is no price. */
  readonly costNanoUsd: number | null
}

/** Headers of an answer, by their names. */
export type ToldHeaders = Readonly<Record<string, string>>

export type BatchAnswer = {
  /** What the provider said of its own rate limits; missing where it said nothing. */
  readonly told?: ToldHeaders
} & (
  | {
      readonly ok: true
      /** Its reply, as JSON. */
      readonly text: string
      readonly share: BatchShare
      /** Requests in the call. */
      readonly together: number
    }
  | { readonly ok: false; readonly failure: UpstreamFailure; readonly isBilled: boolean }
)

/** Where small requests meet before they are sent. */
export interface Batcher {
  /** Their answers, in order. Rejects when it can't be reached, or is lost. */
  ask(batch: Batch): Promise<readonly BatchAnswer[]>
}

/** What a call came to. */
export interface BatchCall {
  /** Null where the provider counts nothing. */
  readonly usage: Usage | null
  /** What was counted besides tokens: the call, the time that it took. */
  readonly units: Units
  readonly price: Price | null
}

/**
 * Each request's share of a call, by weight. Of every count, and of the cost, the shares are non-negative integers that add up to
 * the whole; none is more than one off its true part. Weights of nothing at all count as equal.
 */
export function sharesOf({ usage, units, price }: BatchCall, weights: readonly number[]): readonly BatchShare[] {
  const isWeighed = weights.some((weight) => weight > 0)
  const total = isWeighed ? weights.reduce((sum, weight) => sum + weight, 0) : weights.length
  const hasCost = usage !== null && price !== null
  let weight = 0
  let before = partOf(usage ?? NO_USAGE, units, 0, total)
  return weights.map((own) => {
    weight += isWeighed ? own : 1
    const upTo = partOf(usage ?? NO_USAGE, units, weight, total)
    const share = {
      usage: usage === null ? null : { ...usage, ...difference(upTo.tokens, before.tokens) },
      units: unitsBetween(upTo.units, before.units),
      costNanoUsd: hasCost ? costOf(upTo, usage, price) - costOf(before, usage, price) : null,
    }
    before = upTo
    return share
  })
}

type Tokens = Record<(typeof USAGE_BUCKETS)[number], number>

interface Part {
  readonly tokens: Tokens
  readonly units: Units
}

/** What the first requests have together. */
function partOf(usage: Usage, units: Units, weight: number, total: number): Part {
  const tokens: Tokens = { ...NO_USAGE }
  for (const bucket of USAGE_BUCKETS) tokens[bucket] = portion(usage[bucket], weight, total)
  const counted: Partial<Record<UnitKind, number>> = {}
  for (const kind of UNIT_KINDS) if (units[kind] !== undefined) counted[kind] = portion(units[kind], weight, total)
  return { tokens, units: counted }
}

/** The whole where it is all of it, else rounded down. Exact for what a call can count. */
function portion(whole: number, weight: number, total: number): number {
  return weight >= total ? whole : Math.floor((whole * weight) / total)
}

function costOf({ tokens, units }: Part, { tier }: Usage, price: Price): number {
  return costNanoUsd({ ...tokens, units, ...(tier === undefined ? {} : { tier }) }, price)
}

function difference(after: Tokens, before: Tokens): Tokens {
  const between: Tokens = { ...NO_USAGE }
  for (const bucket of USAGE_BUCKETS) between[bucket] = after[bucket] - before[bucket]
  return between
}

function unitsBetween(after: Units, before: Units): Units {
  const between: Partial<Record<UnitKind, number>> = {}
  for (const kind of UNIT_KINDS) {
    const count = (after[kind] ?? 0) - (before[kind] ?? 0)
    if (count > 0) between[kind] = count
  }
  return between
}
