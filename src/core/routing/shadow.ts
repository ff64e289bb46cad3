// Shadow traffic: a share of a route's requests is sent to another target, or along another route, as well. Nobody waits for
// what comes of it, no client's limits pay for it, and it is in the ledger by itself.
import type { Exclusion } from './plan.ts'

export interface ShadowPolicy {
  /** Where to: a target's id, … */
  readonly target?: string
  /** … or a route's: its own choice is made then. One of the two is there. */
  readonly route?: string
  /** Share of the requests, in per cent: more than 0, at most 100. */
  readonly percent: number
  /** The most that they may cost in a day of UTC. Missing: nothing bounds that. */
  readonly budgetNanoUsd?: number
}

/** What the ledger has in place of the key's id for what was mirrored. */
export const SHADOW_KEY_ID = 'shadow'

/** SQL: true of what clients asked for themselves. */
export const IS_LIVE_KEY = `key_id <> '${SHADOW_KEY_ID}'`

/** Why a request isn't mirrored: what speaks against the target, or that there is none. */
export type ShadowExclusion = Exclusion | { readonly targetId: string; readonly reason: 'gone' }

/** A shadow in a few words, as a plan's line has it. */
export function shadowText({ target, route, percent }: ShadowPolicy): string {
  return `shadow ${target ?? `route ${route ?? ''}`} (${percent}%)`
}
