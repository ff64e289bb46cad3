// Notices that nobody has asked for a while, on behalf of all requests of an isolate: one of them watches at a time, in turns,
// since a platform ends what a request has going 30 s after its answer. Times are epoch ms.
import type { Later } from '../ports.ts'

interface IdlePorts {
  readonly nowMs: () => number
  readonly sleep: (ms: number) => Promise<void>
}

/** Nobody has asked for so long. */
const IDLE_MS = 8_000
/** Whoever comes so long after the one who watches takes over. */
const TURN_MS = 15_000

export class IdleWatch {
  readonly #ports: IdlePorts
  readonly #onIdle: () => Promise<void>
  /** When the present turn began. */
  #turnMs = -Infinity
  #lastUseMs = 0

  /** `onIdle` is called once each time that nobody has asked for 8 s. */
  constructor(ports: IdlePorts, onIdle: () => Promise<void>) {
    this.#ports = ports
    this.#onIdle = onIdle
  }

  /** Somebody asks. */
  note(nowMs: number): void {
    this.#lastUseMs = nowMs
  }

  /** A request that can watch until 23 s from now, and does where nobody else can for as long as it takes. */
  watch(nowMs: number, later: Later): void {
    if (nowMs < this.#turnMs + TURN_MS) return
    this.#turnMs = nowMs
    later(this.#turn(nowMs))
  }

  async #turn(turnMs: number): Promise<void> {
    for (let idleMs = 0; idleMs < IDLE_MS; idleMs = this.#ports.nowMs() - this.#lastUseMs) {
      await this.#ports.sleep(IDLE_MS - idleMs)
      if (this.#turnMs !== turnMs) return
    }
    this.#turnMs = -Infinity
    await this.#onIdle()
  }
}
