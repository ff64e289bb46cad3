// A clock that a test turns by hand: time passes only in `advance`, sleepers wake in order of their time, and everything
// that a wake-up sets off has run before the next sleeper wakes. No real time passes.

export interface VirtualClock {
  nowMs(): number
  sleep(ms: number): Promise<void>
  /** Lets `ms` pass. */
  advance(ms: number): Promise<void>
  /** Lets time pass until `promise` is settled, at most `withinMs`; throws when it isn't by then. */
  until<T>(promise: Promise<T>, withinMs?: number): Promise<T>
}

interface Sleeper {
  readonly atMs: number
  readonly wake: () => void
}

const UNTIL_MS_MAX = 60_000

export function virtualClock(startMs = Date.UTC(2026, 4, 4, 12)): VirtualClock {
  let nowMs = startMs
  let sleepers: Sleeper[] = []

  /** Wakes the next sleeper due by `limitMs`; false when there is none. */
  async function wakeNext(limitMs: number): Promise<boolean> {
    let next: Sleeper | null = null
    for (const sleeper of sleepers) {
      if (sleeper.atMs <= limitMs && (next === null || sleeper.atMs < next.atMs)) next = sleeper
    }
    if (next === null) return false
    sleepers = sleepers.filter((sleeper) => sleeper !== next)
    nowMs = Math.max(nowMs, next.atMs)
    next.wake()
    await settled()
    return true
  }

  return {
    nowMs: () => nowMs,
    sleep: (ms) =>
      new Promise((wake) => {
        sleepers.push({ atMs: nowMs + Math.max(0, ms), wake })
      }),
    async advance(ms) {
      const endMs = nowMs + ms
      await settled()
      while (await wakeNext(endMs));
      nowMs = endMs
    },
    async until(promise, withinMs = UNTIL_MS_MAX) {
      const endMs = nowMs + withinMs
      const outcome = { isSettled: false }
      const note = (): void => {
        outcome.isSettled = true
      }
      promise.then(note, note)
      await settled()
      while (!outcome.isSettled && (await wakeNext(endMs)));
      if (!outcome.isSettled) throw new Error(`not settled within ${withinMs} ms of virtual time`)
      return promise
    },
  }
}

/** Resolves when every promise job that was waiting has run. */
export function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}
