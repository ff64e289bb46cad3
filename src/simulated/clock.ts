// Time for the simulation, as an argument, so that tests run without waiting.

/** A clock that can be waited on. */
export interface SimulatedClock {
  nowMs(): number
  /** Resolves after `ms`. Rejects with the signal's reason as soon as it aborts, and leaves no timer behind. */
  wait(ms: number, signal: AbortSignal): Promise<void>
}

/** The runtime's own clock. */
export const systemClock: SimulatedClock = {
  nowMs: () => Date.now(),
  wait: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(signal.reason)
        return
      }
      const leave = (): void => {
        clearTimeout(timer)
        reject(signal.reason)
      }
      const timer = setTimeout(() => {
        signal.removeEventListener('abort', leave)
        resolve()
      }, ms)
      signal.addEventListener('abort', leave, { once: true })
    }),
}

/** One tick of an endless wait. A timer is always pending, or workerd would take the request for hung and end it. */
const FOREVER_TICK_MS = 30_000
const RELEASE_TICK_MS = 5

/** Waits until the signal aborts; then rejects with its reason. */
export async function waitForever(clock: SimulatedClock, signal: AbortSignal): Promise<never> {
  for (;;) await clock.wait(FOREVER_TICK_MS, signal)
}

/** Waits until `isMet`. It looks every few ms: in workerd a promise had better not be resolved by another request. */
export async function waitUntil(isMet: () => boolean, clock: SimulatedClock, signal: AbortSignal): Promise<void> {
  while (!isMet()) await clock.wait(RELEASE_TICK_MS, signal)
}
