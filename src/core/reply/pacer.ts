// When to let go of pieces that arrive in lumps, so that they leave evenly: each lump is spread over the time until the next
// one is likely to come. Pure: the time is given.

/** Weight of the newest interval in the running mean. */
const NEWEST = 0.4
/** Pieces this close together are one lump. */
const LUMP_MS = 3

/**
 * A queue of pieces, by count. Whatever arrives and whenever it is asked: a piece that finds the queue empty is due at once,
 * none is due before one that came earlier, none waits longer than `lagMsMax`. Times are epoch ms; a clock that goes back
 * makes pieces due sooner, never later than their bound.
 */
export class Pacer {
  readonly #lagMsMax: number
  /** When each waiting piece came. */
  #arrivals: number[] = []
  /** When each is due. */
  #dues: number[] = []
  #lastLumpMs: number | null = null
  /** Likely time between two lumps; null while there was but one. */
  #intervalMs: number | null = null

  constructor(lagMsMax: number) {
    this.#lagMsMax = lagMsMax
  }

  /** Pieces waiting. */
  get waiting(): number {
    return this.#arrivals.length
  }

  /** When the next piece is due; null for none. */
  get nextMs(): number | null {
    return this.#dues[0] ?? null
  }

  /** Takes up `count` pieces that have just come. */
  add(nowMs: number, count: number): void {
    if (count <= 0) return
    this.#noteLump(nowMs)
    for (let i = 0; i < count; i += 1) this.#arrivals.push(nowMs)
    const windowMs = Math.min(this.#intervalMs ?? this.#lagMsMax, this.#lagMsMax)
    const stepMs = windowMs / this.#arrivals.length
    this.#dues = this.#arrivals.map((arrivalMs, i) => Math.min(arrivalMs + this.#lagMsMax, nowMs + stepMs * i))
  }

  /** How many pieces are due, which are thereby let go of. */
  take(nowMs: number): number {
    let count = 0
    while (count < this.#dues.length && (this.#dues[count] ?? 0) <= nowMs) count += 1
    return this.#letGo(count)
  }

  /** How many pieces wait, all of which are let go of. */
  takeAll(): number {
    return this.#letGo(this.#arrivals.length)
  }

  #letGo(count: number): number {
    this.#arrivals = this.#arrivals.slice(count)
    this.#dues = this.#dues.slice(count)
    return count
  }

  #noteLump(nowMs: number): void {
    const sinceMs = this.#lastLumpMs === null ? null : nowMs - this.#lastLumpMs
    if (sinceMs !== null && sinceMs >= 0 && sinceMs < LUMP_MS) return
    this.#lastLumpMs = nowMs
    if (sinceMs === null || sinceMs < 0) return
    this.#intervalMs = this.#intervalMs === null ? sinceMs : this.#intervalMs + NEWEST * (sinceMs - this.#intervalMs)
  }
}
