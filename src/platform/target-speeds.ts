// How fast targets answered this isolate lately: averages that follow the last dozen or so answers, forgotten when nothing
// was heard for a while; and which of them have become slow beside their siblings. Bounded. Averages are mixed with the
// region's (`region-speeds.ts`); who has become slow is this isolate's own finding: a neighbour's road to the provider is
// another one.
import type { Target } from '../core/directory.ts'
import {
  type Latency,
  type Recent,
  afterLatency,
  hasRisen,
  keepRecent,
  keptShares,
  p95Of,
} from '../core/health/latency.ts'
import { late } from '../core/late.ts'
import type { Later, Log, Measured, Speeds } from '../ports.ts'
import type { Call, OwnSpeed, RegionPorts, RegionSpeeds } from './region-speeds.ts'

/** Part of a new measurement in the average. */
const WEIGHT = 0.2
/** After so long a silence a target has to be tried to be known. */
const KNOWN_MS = 120_000
/** Too little output to tell a pace by. */
const TOKENS_MIN = 8
const TARGETS_MAX = 2_000

/** Targets that are chosen by speed before it is known how the region is asked. */
const CHOSEN_MAX = 100

const asking = late(() => import('./region-speeds.ts'))

/** Averages of streamed replies; of whole ones, which are one token that took its time, where none are streamed. */
interface Averages extends OwnSpeed {
  readonly isStreamed: boolean
  readonly atMs: number
}

interface Known {
  speed: Averages
  /** When anything was heard. */
  atMs: number
  /** Of streamed replies and of whole ones: those take as long as they are, and are compared among themselves. */
  readonly latencies: { streamed: Latency | null; whole: Latency | null }
  readonly recent: { readonly streamed: Recent; readonly whole: Recent }
}

export interface SpeedPorts {
  readonly nowMs: () => number
  readonly draw: () => number
  readonly log: Log
  /** What the isolates of a region know together; missing: each goes by its own. */
  readonly shared?: RegionPorts['shared']
}

/** Measurements by target and model: a target may serve many. */
export function targetSpeeds({ nowMs, draw, log, shared }: SpeedPorts): Speeds {
  const region = shared === undefined ? null : lateRegion({ shared, nowMs })
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
    of(target) {
      const name = nameOf(target, target.model)
      const speed = known.get(name)?.speed
      const own = speed === undefined || nowMs() - speed.atMs > KNOWN_MS ? null : speed
      return region === null ? own : region.of(name, target, own)
    },
    note(target, measured, later) {
      const name = nameOf(target, target.model)
      const atMs = nowMs()
      let heard = known.get(name)
      if (heard === undefined || atMs - heard.atMs > KNOWN_MS) {
        if (known.size >= TARGETS_MAX) known.clear()
        heard = unmeasured(measured, atMs)
        known.set(name, heard)
      } else heard.speed = following(heard.speed, measured, atMs)
      heard.atMs = atMs
      const kind = measured.isStreamed ? 'streamed' : 'whole'
      const latency = afterLatency(heard.latencies[kind], measured.ttftMs, atMs)
      heard.latencies[kind] = latency
      keepRecent(heard.recent[kind], measured.ttftMs)
      if (hasRisen(latency, atMs)) suspectUntilMs = atMs + KNOWN_MS
      if (heard.speed.isStreamed !== measured.isStreamed) return
      region?.note(name, { ttftMs: measured.ttftMs, tokensPerSecond: paceOf(measured) }, later)
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

/** The region's part, loaded with the first call while somebody chooses by speed. */
function lateRegion(ports: RegionPorts) {
  const chosen = new Map<string, Target>()
  let region: RegionSpeeds | null = null
  async function begin(name: string, call: Call): Promise<void> {
    const { RegionSpeeds: Made } = await asking.load()
    region ??= new Made(ports)
    for (const [one, target] of chosen) region.of(one, target, null)
    chosen.clear()
    const work: Promise<void>[] = []
    region.note(name, call, (one) => work.push(one))
    await Promise.all(work)
  }
  return {
    of(name: string, target: Target, own: OwnSpeed | null): ReturnType<Speeds['of']> {
      if (region !== null) return region.of(name, target, own)
      if (chosen.size < CHOSEN_MAX) chosen.set(name, target)
      return own
    },
    note(name: string, call: Call, later: Later): void {
      if (region !== null) region.note(name, call, later)
      // What can't be loaded is tried again with the next call.
      else if (chosen.size > 0) later(begin(name, call).catch(() => undefined))
    },
  }
}

function unmeasured(measured: Measured, atMs: number): Known {
  return {
    speed: first(measured, atMs),
    atMs,
    latencies: { streamed: null, whole: null },
    recent: { streamed: { ms: [], next: 0 }, whole: { ms: [], next: 0 } },
  }
}

function first(measured: Measured, atMs: number): Averages {
  const { ttftMs, isStreamed } = measured
  return { ttftMs, tokensPerSecond: paceOf(measured), calls: 1, isStreamed, atMs }
}

/** A whole reply says nothing of the first token where streams do. */
function following(before: Averages, measured: Measured, atMs: number): Averages {
  const isOver = atMs - before.atMs > KNOWN_MS
  if (isOver || (measured.isStreamed && !before.isStreamed)) return first(measured, atMs)
  if (measured.isStreamed !== before.isStreamed) return before
  const pace = paceOf(measured)
  return {
    ...before,
    ttftMs: before.ttftMs + WEIGHT * (measured.ttftMs - before.ttftMs),
    tokensPerSecond: pace > 0 ? followed(before.tokensPerSecond, pace) : before.tokensPerSecond,
    calls: before.calls + 1,
    atMs,
  }
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
