// How fast targets answered this isolate lately: averages that follow the last dozen or so answers, forgotten when nothing
// was heard for a while; and which of them have become slow beside their siblings. Bounded; nothing here is shared, since a
// neighbour's road to the provider is another one.
import type { Target } from '../core/directory.ts'
import { type Latency, type Recent, afterLatency, hasRisen, keepRecent, keptShares, p95Of } from '../core/latency.ts'
import type { Speed } from '../core/strategies/strategy.ts'
import type { Log, Measured, Speeds } from '../ports.ts'

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
  /** Of streamed replies and of whole ones: those take as long as they are, and are compared among themselves. */
  readonly latencies: { streamed: Latency | null; whole: Latency | null }
  readonly recent: { readonly streamed: Recent; readonly whole: Recent }
}

export interface SpeedPorts {
  readonly nowMs: () => number
  readonly draw: () => number
  readonly log: Log
}

/** Measurements by target and model: a target may serve many. */
export function targetSpeeds({ nowMs, draw, log }: SpeedPorts): Speeds {
  const known = new Map<string, Known>()
  /** Until then somebody may have become slow; where nobody has, nobody is asked about. */
  let suspectUntilMs = -Infinity

  function latencyOf(target: Target, model: string, isStreamed: boolean): Latency | null {
    const latencies = known.get(nameOf(target, model))?.latencies
    return (isStreamed ? latencies?.streamed : latencies?.whole) ?? null
  }

  function shares(targets: readonly Target[], model: string, isStreamed: boolean): readonly number[] | null {
    const atMs = nowMs()
    if (atMs > suspectUntilMs) return null
    return keptShares(
      targets.map((target) => latencyOf(target, model, isStreamed)),
      atMs,
    )
  }

  return {
    of(target): Speed | null {
      const speed = known.get(nameOf(target, target.model))
      return speed === undefined || nowMs() - speed.atMs > KNOWN_MS ? null : speed
    },
    note(target, measured) {
      const name = nameOf(target, target.model)
      const atMs = nowMs()
      let speed = known.get(name)
      if (speed === undefined || atMs - speed.atMs > KNOWN_MS) {
        if (known.size >= TARGETS_MAX) known.clear()
        speed = unmeasured(measured, atMs)
        known.set(name, speed)
      } else follow(speed, measured, atMs)
      const kind = measured.isStreamed ? 'streamed' : 'whole'
      const latency = afterLatency(speed.latencies[kind], measured.ttftMs, atMs)
      speed.latencies[kind] = latency
      keepRecent(speed.recent[kind], measured.ttftMs)
      if (hasRisen(latency, atMs)) suspectUntilMs = atMs + KNOWN_MS
    },
    p95Ms(target, isStreamed) {
      const recent = known.get(nameOf(target, target.model))?.recent
      return recent === undefined ? null : p95Of(isStreamed ? recent.streamed : recent.whole)
    },
    shares,
    spared(candidates, model, isStreamed) {
      if (nowMs() > suspectUntilMs) return null
      const targets = candidates.map(({ target }) => target)
      const kept = shares(targets, model, isStreamed)
      if (kept === null || kept.every((share) => share === 1)) return null
      const spared = targets.filter((_, index) => draw() >= (kept[index] ?? 1))
      for (const target of spared)
        log.warn('target-slow', { target: target.id, share: kept[targets.indexOf(target)] ?? 1 })
      return new Set(spared)
    },
  }
}

function unmeasured(measured: Measured, atMs: number): Known {
  return {
    ttftMs: measured.ttftMs,
    tokensPerSecond: paceOf(measured),
    atMs,
    latencies: { streamed: null, whole: null },
    recent: { streamed: { ms: [], next: 0 }, whole: { ms: [], next: 0 } },
  }
}

function follow(speed: Known, measured: Measured, atMs: number): void {
  const pace = paceOf(measured)
  speed.ttftMs += WEIGHT * (measured.ttftMs - speed.ttftMs)
  if (pace > 0) speed.tokensPerSecond = followed(speed.tokensPerSecond, pace)
  speed.atMs = atMs
}

function paceOf({ outputTokens, writingMs }: Measured): number {
  return outputTokens >= TOKENS_MIN && writingMs > 0 ? (1000 * outputTokens) / writingMs : 0
}

function followed(before: number, pace: number): number {
  return before === 0 ? pace : before + WEIGHT * (pace - before)
}

/** A target that passes every model on is as fast as the one that is asked for. */
function nameOf({ id, model }: Target, requested: string): string {
  return `${id}\n${model === '*' ? requested : model}`
}
