// When an object writes what its calls have told: at once where somebody waits for the answer or nothing was written of late, else
// with what others tell meanwhile. A call is answered when what it told is written, so an object that dies between owes nobody
// anything. Times are epoch ms.

/** What nobody waits for is written so long after the last commit, at the latest. */
const COMMIT_GAP_MS = 100

export class GroupCommit {
  readonly #write: (nowMs: number) => Promise<void>
  #lastMs = -Infinity
  /** The commit that is due in a while. */
  #pending: { readonly done: PromiseWithResolvers<void>; readonly timer: ReturnType<typeof setTimeout> } | null = null

  /** `write` writes everything there is to write before it first waits for anything. */
  constructor(write: (nowMs: number) => Promise<void>) {
    this.#write = write
  }

  /** Writes, also on behalf of those who wait. Rejects, for all of them, where it can't. */
  async now(nowMs: number): Promise<void> {
    const pending = this.#pending
    this.#pending = null
    if (pending !== null) clearTimeout(pending.timer)
    this.#lastMs = nowMs
    const written = this.#write(nowMs)
    if (pending !== null) written.then(pending.done.resolve, pending.done.reject)
    return written
  }

  /** Writes within a tenth of a second. Rejects where it can't. */
  soon(nowMs: number): Promise<void> {
    const waitMs = Math.min(this.#lastMs + COMMIT_GAP_MS - nowMs, COMMIT_GAP_MS)
    if (waitMs <= 0) return this.now(nowMs)
    if (this.#pending === null) {
      const done = Promise.withResolvers<void>()
      const timer = setTimeout(() => void this.now(Date.now()).catch(() => {}), waitMs)
      this.#pending = { done, timer }
    }
    return this.#pending.done.promise
  }
}
