// Refusals that an isolate remembers for a moment, so that a storm on a used-up limit costs no calls. Bounded: whoever may
// be refused may be invented.
import type { Counts, Resource } from '../core/limits/amounts.ts'
import type { Denial } from '../core/limits/limits.ts'
import { partsOf, partsWaitMs } from '../core/limits/token-bucket.ts'

/** A refusal that is remembered. */
interface Denied {
  readonly atMs: number
  readonly untilMs: number
  readonly amounts: Counts
  readonly denial: Denial
}

/** A refusal is remembered for at most this long. */
const DENIAL_MS_MAX = 1_000
const DENIALS_MAX = 2_000

export class Denials {
  /** By the name of the lease that was asked for. */
  readonly #denials = new Map<string, Denied>()
  /** Whether any of them may be for want of a slot. */
  #hasSlots = false

  /** Notes that `amounts` were refused. */
  remember(name: string, amounts: Counts, denial: Denial, nowMs: number): void {
    const retryMs = 'retryAfterMs' in denial ? (denial.retryAfterMs ?? DENIAL_MS_MAX) : DENIAL_MS_MAX
    if (this.#denials.size >= DENIALS_MAX) this.#forgetPast(nowMs)
    if (denial.kind === 'slots') this.#hasSlots = true
    this.#denials.set(name, { atMs: nowMs, untilMs: nowMs + Math.min(DENIAL_MS_MAX, retryMs), amounts, denial })
  }

  /** The refusal of the like of this that is fresh enough to be repeated, with what is left of its wait. */
  of(name: string, amounts: Counts, nowMs: number): Denial | null {
    const denied = this.#denials.get(name)
    if (denied === undefined || nowMs >= denied.untilMs) return null
    return denialFor(denied.denial, denied.amounts, amounts, nowMs - denied.atMs)
  }

  /** A slot is free again: whoever was refused for want of one may ask at once. */
  forgetSlots(): void {
    if (!this.#hasSlots) return
    this.#hasSlots = false
    for (const [name, { denial }] of this.#denials) if (denial.kind === 'slots') this.#denials.delete(name)
  }

  /** Those that are past; all of them where none is. */
  #forgetPast(nowMs: number): void {
    for (const [name, { untilMs }] of this.#denials) if (nowMs >= untilMs) this.#denials.delete(name)
    if (this.#denials.size >= DENIALS_MAX) this.#denials.clear()
  }
}

/** What `denial`, which was for `denied`, says to a request of `amounts` so much later: null where that one asks for less of
 *  what there was too little of, and may pass. */
export function denialFor(denial: Denial, denied: Counts, amounts: Counts, elapsedMs: number): Denial | null {
  const resource = resourceOf(denial)
  const more = resource === null ? 0 : amounts[resource] - denied[resource]
  if (more < 0) return null
  switch (denial.kind) {
    case 'rate':
      return rateDenialFor(denial, amounts[denial.unit], more, elapsedMs)
    case 'budget': {
      if (denial.retryAfterMs === null) return denial
      const isTooMuch = amounts.nanoUsd > denial.limitNanoUsd
      return { ...denial, retryAfterMs: isTooMuch ? null : denial.retryAfterMs - elapsedMs }
    }
    case 'slots':
      return denial
    case 'runaway':
      return { ...denial, retryAfterMs: Math.max(1, denial.retryAfterMs - elapsedMs) }
    case 'revoked':
    case 'stale-lease':
      return denial
  }
}

function rateDenialFor(
  denial: Denial & { readonly kind: 'rate' },
  units: number,
  more: number,
  elapsedMs: number,
): Denial | null {
  const { lacking, limitPerMinute, size, retryAfterMs } = denial
  const resetAfterMs = Math.max(0, denial.resetAfterMs - elapsedMs)
  if (retryAfterMs === null || units > size) return { ...denial, resetAfterMs, retryAfterMs: null }
  if (more > 0 && lacking === undefined) return null
  const waitMs = more > 0 ? partsWaitMs((lacking ?? 0) + partsOf(more), limitPerMinute) : retryAfterMs
  return { ...denial, resetAfterMs, retryAfterMs: Math.max(1, waitMs - elapsedMs) }
}

function resourceOf(denial: Denial): Resource | null {
  if (denial.kind === 'rate') return denial.unit
  if (denial.kind === 'slots') return 'slots'
  return denial.kind === 'budget' ? 'nanoUsd' : null
}
