// Pauses that a target asks for: by a 429, by a Retry-After, or by being out of capacity again and again. Nothing of that
// makes it broken. By model: a provider limits each of them apart, and one target may serve many.
import type { Target } from '../core/directory.ts'
import type { UpstreamClass } from '../core/failure.ts'

interface Cooldown {
  untilMs: number
  /** Overloads in a row. */
  overloads: number
}

/** After a 429 that names no delay, and after the second overload in a row; then doubling. */
const COOLDOWN_MS = 1_000
const COOLDOWN_MS_MAX = 60_000
const COOLDOWNS_MAX = 100

export class Cooldowns {
  readonly #byModel = new Map<string, Cooldown>()

  /** How long a model is not to be called; 0 for no time. */
  leftMs(model: string, nowMs: number): number {
    if (this.#byModel.size === 0) return 0
    return Math.max(0, (this.#byModel.get(model)?.untilMs ?? 0) - nowMs)
  }

  /** Others were asked for a pause until then. A longer one that is known stays. */
  restUntil(model: string, untilMs: number): void {
    const known = this.#byModel.get(model)
    if (known === undefined || known.untilMs < untilMs) this.#rest(model, untilMs, known?.overloads)
  }

  /** Takes in how a call went. True when the target has no room and begins a pause: after it, it has to prove itself anew. */
  note(
    { model, credentials }: Target,
    { failure, retryAfterMs }: { readonly failure: UpstreamClass | null; readonly retryAfterMs: number | null },
    nowMs: number,
  ): boolean {
    if (failure === null) this.#forget(model, nowMs)
    // Of several credentials each has its own pauses.
    if (failure === 'throttled' && credentials === undefined) {
      this.#rest(model, nowMs + Math.min(retryAfterMs ?? COOLDOWN_MS, COOLDOWN_MS_MAX))
    }
    return failure === 'overloaded' && this.#overloaded(model, retryAfterMs, nowMs)
  }

  /** True when it makes a pause: a first overload that names none is left to the retry. */
  #overloaded(model: string, retryAfterMs: number | null, nowMs: number): boolean {
    const known = this.#byModel.get(model)
    // What was under way when the pause began is no further sign.
    if (known !== undefined && nowMs < known.untilMs) return false
    const overloads = (known?.overloads ?? 0) + 1
    const grownMs = overloads === 1 ? 0 : COOLDOWN_MS * 2 ** Math.min(overloads - 2, 10)
    const pauseMs = Math.min(Math.max(retryAfterMs ?? 0, grownMs), COOLDOWN_MS_MAX)
    this.#rest(model, nowMs + pauseMs, overloads)
    return pauseMs > 0
  }

  #rest(model: string, untilMs: number, overloads = 0): void {
    if (this.#byModel.size >= COOLDOWNS_MAX) this.#byModel.clear()
    this.#byModel.set(model, { untilMs, overloads })
  }

  #forget(model: string, nowMs: number): void {
    if (this.#byModel.size === 0) return
    const known = this.#byModel.get(model)
    if (known !== undefined && nowMs >= known.untilMs) this.#byModel.delete(model)
  }
}
