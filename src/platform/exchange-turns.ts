// Whose turn it is to talk to a limiter. One exchange is under way at a time, and what comes up meanwhile goes into the next;
// but where somebody waits and an answer is overdue, one more may begin, since messages get lost; at once where the one under way is
// for nobody who waits, since the limiter takes its time to answer that. Times are epoch ms.
import type { LimiterCall, LimiterReply } from '../core/limits/limits.ts'
import type { HolderPorts } from './holder-ports.ts'

/** An exchange that takes longer is taken for lost. */
const EXCHANGE_MS_MAX = 5_000
/** An answer is overdue after so many times what one usually takes, this at least. */
const OVERDUE_TIMES = 3
const OVERDUE_MS_MIN = 250
/** How often a message is sent that is turned away at once. */
const SENDS_MAX = 2

export class ExchangeTurns {
  #turn = 0
  #sinceMs: number | null = null
  /** It began while another was under way: no third one begins. */
  #isSecond = false
  /** Somebody waits for it: the limiter answers at once. */
  #isAwaited = true
  #mustGoOn = false

  /** Whether an exchange is under way. */
  get isTaken(): boolean {
    return this.#sinceMs !== null
  }

  /** A turn, or null where the exchange under way will see to it. `usualMs`: what an exchange takes; null where nobody waits
   *  for this one. */
  take(nowMs: number, usualMs: number | null): number | null {
    const sinceMs = this.#sinceMs ?? -Infinity
    if (nowMs < sinceMs + this.#patienceMs(usualMs)) {
      this.#mustGoOn = true
      return null
    }
    this.#isSecond = nowMs < sinceMs + EXCHANGE_MS_MAX
    this.#turn += 1
    return this.#turn
  }

  /** A message is about to leave. `isAwaited`: somebody waits for its answer. */
  start(nowMs: number, isAwaited: boolean): void {
    this.#sinceMs = nowMs
    this.#mustGoOn = false
    this.#isAwaited = isAwaited
  }

  /** There is more to say. */
  goOn(): void {
    this.#mustGoOn = true
  }

  /** Whether more came up. False once the turn is somebody else's. */
  goesOn(turn: number): boolean {
    return turn === this.#turn && this.#mustGoOn
  }

  /** Ends a turn; false when it is somebody else's. */
  end(turn: number): boolean {
    if (turn !== this.#turn) {
      this.#isSecond = false
      return false
    }
    this.#sinceMs = null
    return true
  }

  #patienceMs(usualMs: number | null): number {
    if (usualMs === null || this.#isSecond) return EXCHANGE_MS_MAX
    if (!this.#isAwaited) return 0
    return Math.min(EXCHANGE_MS_MAX, Math.max(OVERDUE_MS_MIN, OVERDUE_TIMES * usualMs))
  }
}

/** The answer to a message; null when none came in time. An object that was just restarted (a deployment does that) is asked once
 *  more: a message may be repeated. */
export async function sentInTime(
  { send, sleep }: Pick<HolderPorts, 'send' | 'sleep'>,
  message: LimiterCall,
): Promise<LimiterReply | null> {
  const late = sleep(EXCHANGE_MS_MAX).then(() => null)
  for (let sends = 1; ; sends++) {
    try {
      return await Promise.race([send(message), late])
    } catch {
      if (sends === SENDS_MAX) return null
    }
  }
}
