// Whether the client is still there. One listener a request, whatever is tried on its behalf.

import type { Later } from '../ports.ts'

export class Client {
  #hasLeft = false
  #onLeave: (() => void) | null = null
  #unfinished: Promise<unknown> | null = null

  /** Watches `signal`, which aborts when the client leaves. */
  constructor(signal: AbortSignal, later: Later) {
    this.#hasLeft = signal.aborted
    if (!this.#hasLeft) signal.addEventListener('abort', () => this.#leave(later))
  }

  get hasLeft(): boolean {
    return this.#hasLeft
  }

  /** Calls `act` when the client leaves, at once if it has left. Replaces what was to be called before; null for nothing. */
  onLeave(act: (() => void) | null): void {
    this.#onLeave = act
    if (this.#hasLeft) act?.()
  }

  /** A request ends at once when its client leaves; `work` then goes on all the same, so that what was spent is settled.
   *  (Keeping every request alive from the start would cost a tenth of it.) */
  finish(work: Promise<unknown>): void {
    this.#unfinished = work
  }

  #leave(later: Later): void {
    this.#hasLeft = true
    if (this.#unfinished !== null) later(this.#unfinished.then(nothing, nothing))
    this.#onLeave?.()
  }
}

function nothing(): void {
  // How it ended is told elsewhere.
}
