// A discrete-event clock: what is due next happens next, and time jumps to it. Work that promises set off is done before
// time moves on, so that code written with promises runs in it as it is.
import { chance } from '../support/chance.ts'

export interface EventLoop {
  nowMs(): number
  /** Runs `action` after `ms`. */
  after(ms: number, action: () => void): void
  sleep(ms: number): Promise<void>
  /** Lets everything happen that is due until `endMs`. */
  runUntil(endMs: number): Promise<void>
}

interface Due {
  readonly atMs: number
  readonly order: number
  readonly action: () => void
}

export function eventLoop(): EventLoop {
  const heap: Due[] = []
  let nowMs = 0
  let order = 0

  function isBefore(a: Due | undefined, b: Due | undefined): boolean {
    if (a === undefined || b === undefined) return b === undefined
    return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
  }

  function swap(a: number, b: number): void {
    const [first, second] = [heap[a], heap[b]]
    if (first === undefined || second === undefined) return
    heap[a] = second
    heap[b] = first
  }

  function push(due: Due): void {
    let at = heap.push(due) - 1
    for (let parent = (at - 1) >> 1; at > 0 && isBefore(heap[at], heap[parent]); parent = (at - 1) >> 1) {
      swap(at, parent)
      at = parent
    }
  }

  function pop(): Due | undefined {
    const top = heap[0]
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return top
    heap[0] = last
    for (let at = 0; ;) {
      const [left, right] = [2 * at + 1, 2 * at + 2]
      const child = right < heap.length && isBefore(heap[right], heap[left]) ? right : left
      if (child >= heap.length || !isBefore(heap[child], heap[at])) return top
      swap(at, child)
      at = child
    }
  }

  const after = (ms: number, action: () => void): void => {
    order += 1
    push({ atMs: nowMs + Math.max(0, ms), order, action })
  }
  return {
    nowMs: () => nowMs,
    after,
    sleep: (ms) => new Promise((wake) => after(ms, wake)),
    async runUntil(endMs) {
      for (;;) {
        const next = heap[0]
        if (next === undefined || next.atMs > endMs) return
        pop()
        nowMs = next.atMs
        next.action()
        // A chain of promises between two events is short.
        for (let turn = 0; turn < 12; turn++) await Promise.resolve()
      }
    },
  }
}

/** Numbers as traffic has them, from a seed. */
export function distributions(seed: number) {
  const source = chance(seed)
  const unit = (): number => (source.below(1e9) + 1) / (1e9 + 1)
  const normal = (): number => Math.sqrt(-2 * Math.log(unit())) * Math.cos(2 * Math.PI * unit())
  return {
    unit,
    below: source.below,
    exponential: (mean: number): number => -mean * Math.log(unit()),
    logNormal: (median: number, sigma: number): number => median * Math.exp(sigma * normal()),
    /** Of a delay that is `ms` at best. */
    jittered: (ms: number): number => ms * (1 + 0.25 * Math.abs(normal())),
  }
}
