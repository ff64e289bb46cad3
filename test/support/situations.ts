// A situation in which nothing is known, for tests that care for only some of it.
import type { Situation } from '../../src/core/strategies/strategy.ts'

export function someSituation(fields: Partial<Situation> = {}): Situation {
  return {
    nowMs: 0,
    draw: () => 0.5,
    costNanoUsd: () => null,
    speed: () => null,
    inFlight: () => 0,
    likelyOutputTokens: 1_000,
    affinity: () => null,
    ...fields,
  }
}

/** Draws that look like chance and are the same in every run (mulberry32). */
export function seededDraw(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
