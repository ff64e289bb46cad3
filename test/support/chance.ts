// Chance from a seed: the same seed draws the same numbers, so that a failed simulation can be run again.

export interface Chance {
  /** A whole number in [0, most); 0 when there is none. */
  below(most: number): number
  pick<T>(choices: readonly T[]): T
}

/** Mulberry32: small, quick, and good enough to shuffle schedules. */
export function chance(seed: number): Chance {
  let state = seed >>> 0
  const draw = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return {
    below: (most) => Math.floor(draw() * most),
    pick(choices) {
      const choice = choices[Math.floor(draw() * choices.length)]
      if (choice === undefined) throw new Error('nothing to pick from')
      return choice
    },
  }
}
