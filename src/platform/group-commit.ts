// Group commit: when a holder ships what it owes. What is done is told at once when nothing was told for a while, so that it
// outlives an isolate that dies a moment later; under load it waits for company, and all requests of that time share a call.
// Times are epoch ms.

/** A commit that hasn't begun so long after it was due died with the request that waited for it. */
const LOST_AFTER_MS = 5_000

export class CommitPace {
  /** So long company is waited for. */
  readonly #gatherMs: number
  #dueMs: number | null = null
  #begunMs = -Infinity

  constructor(gatherMs: number) {
    this.#gatherMs = gatherMs
  }

  /** When to ship what has just come up; null when a commit is due by then. What `isUrgent` doesn't wait where company is
   *  unlikely: where there was no commit for twice the time of waiting. (For once that time, a moderate load would come to
   *  commits one right after the other, each for a request or two.) */
  due(nowMs: number, isUrgent: boolean): number | null {
    const isQuiet = nowMs >= this.#begunMs + 2 * this.#gatherMs
    const dueMs = isUrgent && isQuiet ? nowMs : nowMs + this.#gatherMs
    if (this.#dueMs !== null && this.#dueMs <= dueMs && nowMs < this.#dueMs + LOST_AFTER_MS) return null
    this.#dueMs = dueMs
    return dueMs
  }

  /** Whether the commit that was due then is still to be made: an earlier one may have shipped what it was for. */
  isWanted(dueMs: number): boolean {
    return this.#dueMs === dueMs
  }

  /** Everything that was owed is on its way. */
  begun(nowMs: number): void {
    this.#begunMs = nowMs
    this.#dueMs = null
  }
}
