// Refusals that an isolate remembers for a moment, so that a storm on a used-up limit costs no calls. Bounded: whoever may
// be refused may be invented.
import type { Counts, Resource } from '../core/amounts.ts'
import type { Denial } from '../core/limits.ts'

/** A refusal that is remembered. */
interface Denied {
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

  /** Notes that `amounts` were refused. */
  remember(name: string, amounts: Counts, denial: Denial, nowMs: number): void {
    const retryMs = 'retryAfterMs' in denial ? (denial.retryAfterMs ?? DENIAL_MS_MAX) : DENIAL_MS_MAX
    if (this.#denials.size >= DENIALS_MAX) this.#forgetPast(nowMs)
    this.#denials.set(name, { untilMs: nowMs + Math.min(DENIAL_MS_MAX, retryMs), amounts, denial })
  }

  /** The refusal of the like of this that is fresh enough to be repeated. */
  of(name: string, amounts: Counts, nowMs: number): Denial | null {
    const denied = this.#denials.get(name)
    if (denied === undefined || nowMs >= denied.untilMs || !coversDenied(amounts, denied)) return null
    return aged(denied.denial, denied.untilMs - nowMs)
  }

  /** Those that are past; all of them where none is. */
  #forgetPast(nowMs: number): void {
    for (const [name, { untilMs }] of this.#denials) if (nowMs >= untilMs) this.#denials.delete(name)
    if (this.#denials.size >= DENIALS_MAX) this.#denials.clear()
  }
}

/** Whether what was denied would be again: as much is asked for of what there was too little of. */
function coversDenied(amounts: Counts, denied: Denied): boolean {
  const resource = resourceOf(denied.denial)
  return resource === null || amounts[resource] >= denied.amounts[resource]
}

function resourceOf(denial: Denial): Resource | null {
  if (denial.kind === 'rate') return denial.unit
  if (denial.kind === 'slots') return 'slots'
  return denial.kind === 'budget' ? 'nanoUsd' : null
}

/** A remembered denial, with the wait that is left of it. */
function aged(denial: Denial, leftMs: number): Denial {
  if (denial.kind !== 'rate' || denial.retryAfterMs === null) return denial
  return { ...denial, retryAfterMs: Math.max(denial.retryAfterMs, leftMs) }
}
