// How fast targets answered this isolate lately: averages that follow the last dozen or so answers, forgotten when nothing
// was heard for a while. Bounded; nothing here is shared, since a neighbour's road to the provider is another one.
import type { Target } from '../core/directory.ts'
import type { Speed } from '../core/strategies/strategy.ts'
import type { Speeds } from '../ports.ts'

/** Part of a new measurement in the average. */
const WEIGHT = 0.2
/** After so long a silence a target has to be tried to be known. */
const KNOWN_MS = 120_000
/** Too little output to tell a pace by. */
const TOKENS_MIN = 8
const TARGETS_MAX = 2_000

interface Known {
  ttftMs: number
  tokensPerSecond: number
  atMs: number
}

/** Measurements by target and model: a target may serve many. */
export function targetSpeeds(nowMs: () => number): Speeds {
  const known = new Map<string, Known>()
  return {
    of(target): Speed | null {
      const speed = known.get(nameOf(target))
      return speed === undefined || nowMs() - speed.atMs > KNOWN_MS ? null : speed
    },
    note(target, ttftMs, outputTokens, writingMs) {
      const name = nameOf(target)
      const atMs = nowMs()
      const pace = outputTokens >= TOKENS_MIN && writingMs > 0 ? (1000 * outputTokens) / writingMs : 0
      const before = known.get(name)
      if (before === undefined || atMs - before.atMs > KNOWN_MS) {
        if (known.size >= TARGETS_MAX) known.clear()
        known.set(name, { ttftMs, tokensPerSecond: pace, atMs })
        return
      }
      before.ttftMs += WEIGHT * (ttftMs - before.ttftMs)
      if (pace > 0) before.tokensPerSecond = followed(before.tokensPerSecond, pace)
      before.atMs = atMs
    },
  }
}

function followed(before: number, pace: number): number {
  return before === 0 ? pace : before + WEIGHT * (pace - before)
}

function nameOf(target: Target): string {
  return `${target.id}\n${target.model}`
}
