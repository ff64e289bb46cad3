// Delivers a script as a response body: one write per pull, so that a reader that doesn't read costs no memory, at the
// script's pace, and no longer than the client stays.
import type { BookedCall } from './books.ts'
import { waitForever, waitUntil, type SimulatedClock } from './clock.ts'
import type { Step } from './script.ts'

/** After so many writes without a pause, others get their turn on the event loop. */
const WRITES_PER_TURN = 512

/** The body. Ends the call in the books as completed, aborted (cancelled, or `signal` aborts) or in error. */
export function deliver(
  steps: Iterable<Step>,
  call: BookedCall,
  clock: SimulatedClock,
  signal: AbortSignal,
): ReadableStream<Uint8Array> {
  const left = new AbortController()
  const leave = (): void => {
    call.end('aborted')
    left.abort(new Error('the client left'))
  }
  const remaining = steps[Symbol.iterator]()
  const pacer = paceWrites(clock, left.signal)
  signal.addEventListener('abort', leave, { once: true })
  const finish = (ending: 'completed' | 'errors'): void => {
    signal.removeEventListener('abort', leave)
    call.end(ending)
  }

  async function pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    for (;;) {
      const next = remaining.next()
      if (next.done === true) {
        finish('completed')
        controller.close()
        return
      }
      const step = next.value
      switch (step.do) {
        case 'write':
          await pacer(step.gapMs)
          call.produced(step.tokens)
          if (step.isFailure) call.end('errors')
          controller.enqueue(step.bytes)
          return
        case 'pause':
          await waitUntil(call.isReleased, clock, left.signal)
          break
        case 'stall':
          return waitForever(clock, left.signal)
        case 'cut':
          finish('errors')
          controller.error(new Error('the simulated provider broke the connection'))
          return
      }
    }
  }
  return new ReadableStream({ pull, cancel: leave }, { highWaterMark: 0 })
}

/** Keeps the script's time: a write that came late doesn't delay those after it. */
function paceWrites(clock: SimulatedClock, signal: AbortSignal): (gapMs: number) => Promise<void> {
  let dueMs = clock.nowMs()
  let writes = 0
  return async (gapMs) => {
    dueMs += gapMs
    const waitMs = gapMs > 0 ? dueMs - clock.nowMs() : 0
    if (waitMs > 0) await clock.wait(waitMs, signal)
    else if (++writes % WRITES_PER_TURN === 0) await clock.wait(0, signal)
    signal.throwIfAborted()
  }
}
