// What the isolates of a region know together of a target's speed: each tells now and then what it has measured since it last
// did, and hears the average of all. So an isolate that has just begun knows what its neighbours do, and a quiet one isn't
// misled by its only call. Times are epoch ms.
import type { Speed } from '../strategies/strategy.ts'

/** Averages of what one isolate measured since it last told. */
export interface Paces extends Speed {
  /** How many calls, at least 1. */
  readonly count: number
}

/** What the region knows. */
export interface SpeedWord {
  /** Null for nothing of late. */
  readonly known: Speed | null
  /** Nothing is known, and whoever hears this is to find out. */
  readonly mayTry: boolean
}

/** What nobody has measured for so long isn't known any more. */
const KNOWN_MS = 120_000
/** One isolate in so long is sent to find out. */
const TRY_MS = 30_000
/** One message counts for so many calls at most: one busy isolate with a bad road isn't the region. */
const TOLD_MAX = 10
/** The average follows the last so many calls. */
const MEMORY = 30
/** From so many calls on the average is worth something, … */
const SETTLED = 8
/** … and one message can't say that it is so many times off. */
const APART_MAX = 3
/** Models of one target. */
const MODELS_MAX = 100

interface Pooled {
  readonly speed: Speed | null
  readonly calls: number
  readonly atMs: number
  /** When the next may try. */
  readonly tryAtMs: number
}

const NOTHING: Pooled = { speed: null, calls: 0, atMs: -Infinity, tryAtMs: -Infinity }

/** The averages of one target, by model. Bounded: of too many models the one that was told of first is forgotten. */
export class SpeedPool {
  readonly #models = new Map<string, Pooled>()

  /** Takes in what an isolate measured, null for nothing, and says what is known then. Clocks that go back change nothing but
   *  how long it is known. */
  hear(model: string, told: Paces | null, nowMs: number): SpeedWord {
    const kept = this.#models.get(model) ?? NOTHING
    const before = nowMs - kept.atMs > KNOWN_MS ? { ...NOTHING, tryAtMs: kept.tryAtMs } : kept
    const after = told === null ? before : following(before, told, nowMs)
    const mayTry = after.speed === null && nowMs >= after.tryAtMs
    if (!this.#models.has(model) && this.#models.size >= MODELS_MAX) {
      for (const oldest of this.#models.keys()) {
        this.#models.delete(oldest)
        break
      }
    }
    this.#models.set(model, mayTry ? { ...after, tryAtMs: nowMs + TRY_MS } : after)
    return { known: after.speed, mayTry }
  }
}

function following({ speed, calls, tryAtMs }: Pooled, told: Paces, nowMs: number): Pooled {
  const count = Math.min(Math.max(1, told.count), TOLD_MAX)
  const isSettled = calls >= SETTLED
  const part = count / (calls + count)
  return {
    speed: {
      ttftMs: mixed(speed?.ttftMs ?? null, told.ttftMs, part, isSettled),
      tokensPerSecond: paced(speed?.tokensPerSecond ?? 0, told.tokensPerSecond, part, isSettled),
    },
    calls: Math.min(calls + count, MEMORY),
    atMs: nowMs,
    tryAtMs,
  }
}

function mixed(before: number | null, told: number, part: number, isSettled: boolean): number {
  if (before === null) return told
  const near = isSettled ? Math.min(Math.max(told, before / APART_MAX), before * APART_MAX) : told
  return before + part * (near - before)
}

/** 0 stands for a pace that isn't known. */
function paced(before: number, told: number, part: number, isSettled: boolean): number {
  if (told <= 0) return before
  return mixed(before <= 0 ? null : before, told, part, isSettled)
}
