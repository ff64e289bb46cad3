// Notices that nobody has asked for a while, on behalf of all requests of an isolate: one of them watches at a time, in turns,
// since a platform ends what a request has going 30 s after its answer. Times are epoch ms.
import type { Later } from '../ports.ts'

interface IdlePorts {
  readonly nowMs: () => number
  readonly sleep: (ms: number) => Promise<void>
}

/** Nobody has asked for so long; where it is worth waiting, for twice as long. */
export const QUIET_MS = 8_000
/** Whoever comes so long after the one who watches takes over. */
const TURN_MS = 10_000

export class IdleWatch {
  readonly #ports: IdlePorts
  readonly #onQuiet: (mayWait: boolean) => Promise<boolean>
  /** When the present turn began. */
  #turnMs = -Infinity
  #lastUseMs = 0

  /** `onQuiet` is called each time that nobody has asked for 8 s; where it answers that it is worth waiting, which it may the first
   *  time only, again when nobody has for 16 s. */
  constructor(ports: IdlePorts, onQuiet: (mayWait: boolean) => Promise<boolean>) {
    this.#ports = ports
    this.#onQuiet = onQuiet
  }

  /** Somebody asks. */
  note(nowMs: number): void {
    this.#lastUseMs = nowMs
  }

  /** A request that can watch until 26 s from now, and does where nobody else can for as long as it takes. */
  watch(nowMs: number, later: Later): void {
    if (nowMs < this.#turnMs + TURN_MS) return
    this.#turnMs = nowMs
    // Whatever began or ended: it is quiet 8 s from now at the earliest.
    this.#lastUseMs = nowMs
    later(this.#turn(nowMs))
  }

  async #turn(turnMs: number): Promise<void> {
    for (;;) {
      while (this.#idleMs < QUIET_MS) if (!(await this.#stays(turnMs, QUIET_MS))) return
      const usedMs = this.#lastUseMs
      if (!(await this.#onQuiet(true))) break
      if (!(await this.#stays(turnMs, 2 * QUIET_MS))) return
      if (this.#lastUseMs !== usedMs) continue
      await this.#onQuiet(false)
      break
    }
    if (this.#turnMs === turnMs) this.#turnMs = -Infinity
  }

  get #idleMs(): number {
    return this.#ports.nowMs() - this.#lastUseMs
  }

  /** Waits until nobody has asked for so long, unless somebody does; false where the turn has become another's. */
  async #stays(turnMs: number, forMs: number): Promise<boolean> {
    await this.#ports.sleep(Math.max(0, forMs - this.#idleMs))
    return this.#turnMs === turnMs
  }
}
