// Calls the simulated providers in the test's own process: a clock that needs no waiting, and readers of raw streams.
import { handleSimulated } from '../../src/simulated/handle-simulated.ts'
import type { SimulatedClock } from '../../src/simulated/clock.ts'

/** Waits of this length or more are waits for ever: only an abort ends them. */
const FOREVER_MS = 30_000

/** A clock whose waits are over at once, but in order, and on the books. */
export interface InstantClock extends SimulatedClock {
  /** Lengths of all waits so far. */
  readonly waits: readonly number[]
  /** Waits that have not ended: timers that a real clock would still hold. */
  readonly open: number
}

/** A fresh clock, starting at a fixed time. */
export function instantClock(): InstantClock {
  let nowMs = Date.UTC(2026, 0, 31)
  let open = 0
  const waits: number[] = []
  return {
    waits,
    get open() {
      return open
    },
    nowMs: () => nowMs,
    wait: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason)
        open += 1
        waits.push(ms)
        const leave = () => {
          open -= 1
          reject(signal.reason)
        }
        signal.addEventListener('abort', leave, { once: true })
        if (ms >= FOREVER_MS) return
        setImmediate(() => {
          if (signal.aborted) return
          signal.removeEventListener('abort', leave)
          open -= 1
          nowMs += ms
          resolve()
        })
      }),
  }
}

/** In Node the signal of a request that was collected hears of no abort: the latest are held on to. */
const KEPT_MAX = 200
const kept: Request[] = []

/** What the simulated providers answer. Whoever aborts the request is heard, however late. */
export function askSimulated(request: Request, clock?: SimulatedClock): Promise<Response> {
  kept.push(request)
  if (kept.length > KEPT_MAX) kept.shift()
  return clock === undefined ? handleSimulated(request) : handleSimulated(request, clock)
}

/** Sends a body to one of the wires, with a credential. */
export function call(
  wire: 'openai' | 'anthropic',
  body: object,
  options: { readonly clock?: SimulatedClock; readonly signal?: AbortSignal } = {},
): Promise<Response> {
  const path = wire === 'openai' ? '/openai/v1/chat/completions' : '/anthropic/v1/messages'
  const request = new Request(`http://simulated${path}`, {
    method: 'POST',
    headers: { authorization: 'Bearer test', 'anthropic-version': '2023-06-01', 'content-type': 'application/json' },
    body: JSON.stringify({
      max_tokens: wire === 'anthropic' ? 1_000_000_000 : undefined,
      messages: [{ role: 'user', content: 'Why does the tide come in twice a day?' }],
      ...body,
    }),
    ...(options.signal ? { signal: options.signal } : {}),
  })
  return askSimulated(request, options.clock ?? instantClock())
}

/** All writes of a body, as they came; `broken` when it ended in an error. */
export async function readWrites(response: Response): Promise<{ writes: Uint8Array[]; text: string; broken: boolean }> {
  const writes: Uint8Array[] = []
  let broken = false
  try {
    for await (const write of response.body ?? []) writes.push(write)
  } catch {
    broken = true
  }
  return { writes, text: Buffer.concat(writes).toString('utf8'), broken }
}

/** The `data:` payloads of a stream's text. */
export function payloadsIn(text: string): string[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('data: '))
    .map((line) => line.slice(6))
}
