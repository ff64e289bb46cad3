// An isolate's part in what its region knows of speeds (core/health/speed-pool.ts). Asked about, at the target's shared object, is only
// what somebody chooses by, in the background of a request that has been answered, and for each target at most every half
// minute: a request itself waits for nobody. Loaded with the first such request.
import type { Target } from '../core/directory.ts'
import type { Paces, SpeedWord } from '../core/health/speed-pool.ts'
import type { Situation, Speed } from '../core/strategies/strategy.ts'
import type { Later } from '../ports.ts'

/** The shared object of a target. */
export interface SharedSpeeds {
  /** Takes what was measured since, null for nothing, and returns what all know. */
  speed(model: string, told: Paces | null): Promise<SpeedWord>
}

export interface RegionPorts {
  readonly shared: (targetId: string) => SharedSpeeds
  readonly nowMs: () => number
}

/** How often a target is told and asked about. */
const ASK_MS = 30_000
/** A target that nobody has chosen by its speed for so long isn't asked about. */
const WANTED_MS = 120_000
/** An old word is better than none: it is asked for again with the next request. */
const WORD_MS = 600_000
/** Who was sent to find out and hasn't by then needn't any more. */
const TRY_MS = 120_000
/** Targets asked about after one request. */
const ASKED_MAX = 8
const TARGETS_MAX = 500

interface Wanted {
  readonly targetId: string
  readonly model: string
  wantedAtMs: number
  askedAtMs: number
  /** Sums since it was last told. */
  calls: number
  ttftMs: number
  pacedCalls: number
  tokensPerSecond: number
  word: SpeedWord | null
  wordAtMs: number
}

/** What one call showed. `tokensPerSecond`: 0 where that can't be told. */
export interface Call {
  readonly ttftMs: number
  readonly tokensPerSecond: number
}

/** What an isolate knows itself. */
export interface OwnSpeed extends Speed {
  /** Calls in the averages. */
  readonly calls: number
}

export class RegionSpeeds {
  readonly #ports: RegionPorts
  readonly #wanted = new Map<string, Wanted>()
  #dueAtMs = -Infinity

  constructor(ports: RegionPorts) {
    this.#ports = ports
  }

  /** How fast a target is that somebody chooses by its speed: `own` is what this isolate knows itself. */
  of(name: string, target: Target, own: OwnSpeed | null): ReturnType<Situation['speed']> {
    const word = this.#word(name, target)
    if (own !== null) return blended(own, own.calls, word?.known ?? null)
    if (word === null || word.known !== null) return word?.known ?? null
    return word.mayTry ? null : 'tried-elsewhere'
  }

  /** The region's word; null where it isn't known yet. */
  #word(name: string, { id: targetId, model }: Target): SpeedWord | null {
    const nowMs = this.#ports.nowMs()
    const wanted = this.#wanted.get(name)
    if (wanted === undefined) {
      if (this.#wanted.size >= TARGETS_MAX) this.#wanted.clear()
      this.#wanted.set(name, { targetId, model, ...UNHEARD, wantedAtMs: nowMs })
      this.#dueAtMs = -Infinity
      return null
    }
    wanted.wantedAtMs = nowMs
    const { word, wordAtMs } = wanted
    if (word === null || nowMs - wordAtMs > WORD_MS) return null
    return word.mayTry && nowMs - wordAtMs > TRY_MS ? { ...word, mayTry: false } : word
  }

  /** Notes a call, and asks about what is due, in the background. */
  note(name: string, { ttftMs, tokensPerSecond }: Call, later: Later): void {
    const nowMs = this.#ports.nowMs()
    const wanted = this.#wanted.get(name)
    if (wanted !== undefined) {
      wanted.calls += 1
      wanted.ttftMs += ttftMs
      if (tokensPerSecond > 0) {
        wanted.pacedCalls += 1
        wanted.tokensPerSecond += tokensPerSecond
      }
    }
    if (nowMs < this.#dueAtMs) return
    const due = this.#due(nowMs)
    this.#dueAtMs = due.length > ASKED_MAX ? -Infinity : nowMs + ASK_MS / 4
    for (const one of due.slice(0, ASKED_MAX)) later(this.#ask(one, nowMs))
  }

  #due(nowMs: number): readonly Wanted[] {
    if (this.#wanted.size === 0) return []
    return [...this.#wanted.values()].filter(
      ({ wantedAtMs, askedAtMs }) => nowMs - wantedAtMs <= WANTED_MS && nowMs - askedAtMs >= ASK_MS,
    )
  }

  async #ask(wanted: Wanted, nowMs: number): Promise<void> {
    const { calls, ttftMs, pacedCalls, tokensPerSecond } = wanted
    const told: Paces | null =
      calls === 0
        ? null
        : { count: calls, ttftMs: ttftMs / calls, tokensPerSecond: pacedCalls === 0 ? 0 : tokensPerSecond / pacedCalls }
    Object.assign(wanted, { askedAtMs: nowMs, ...NO_CALLS })
    try {
      wanted.word = await this.#ports.shared(wanted.targetId).speed(wanted.model, told)
      wanted.wordAtMs = this.#ports.nowMs()
    } catch {
      // It is asked again when it is due: until then it counts what this isolate knows by itself.
    }
  }
}

/** The region's word counts for so many calls of the isolate's own. */
const WORD_CALLS = 4
/** Of which no more than these count: its average has forgotten the others. */
const OWN_CALLS_MAX = 16

/** What an isolate goes by that has made `calls` calls itself: its own road to the provider the more, the more it has been seen. */
export function blended(own: Speed, calls: number, region: Speed | null): Speed {
  if (region === null) return own
  const weight = Math.min(calls, OWN_CALLS_MAX)
  const mean = (ours: number, theirs: number): number => (ours * weight + theirs * WORD_CALLS) / (weight + WORD_CALLS)
  const { tokensPerSecond: ours } = own
  const { tokensPerSecond: theirs } = region
  const tokensPerSecond = ours > 0 && theirs > 0 ? mean(ours, theirs) : Math.max(ours, theirs)
  return { ttftMs: mean(own.ttftMs, region.ttftMs), tokensPerSecond }
}

const NO_CALLS = { calls: 0, ttftMs: 0, pacedCalls: 0, tokensPerSecond: 0 } as const
const UNHEARD = { ...NO_CALLS, askedAtMs: -Infinity, word: null, wordAtMs: -Infinity } as const
