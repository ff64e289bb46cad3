// A region's talk with the tenant's limiter: one exchange at a time, in which everybody who came meanwhile has a part. Each takes
// along what isolates have told, what the region's own leases have come to, and what is lacking.
import { type Counts, RESOURCES } from '../src/core/limits/amounts.ts'
import type { Denial, LeaseReport, LeaseWant, LimiterCall, LimiterReply } from '../src/core/limits/limits.ts'
import { type RegionalLimits, missingOf, nameOf, takeUpper, upperTalk } from '../src/core/limits/regional-limits.ts'

/** An exchange that takes longer is given up: isolates wait 5 s for theirs. */
const EXCHANGE_MS_MAX = 4_000
/** After a failure nobody is asked for so long. */
const RETRY_MS = 1_000

/** What came of an exchange. */
export interface Talked {
  /** False where the tenant's limiter couldn't be asked. */
  readonly isReached: boolean
  readonly refused: ReadonlyMap<string, Refused>
}

/** A refusal, and what was asked for. */
interface Refused {
  readonly denial: Denial
  readonly first: Counts
}

export interface TalkPorts {
  /** What isolates have told, a message each. */
  readonly relay: (nowMs: number) => readonly LimiterCall[]
  /** The region's own message, around what its leases say. Everything it follows from is durable before it leaves. */
  readonly own: (talk: {
    readonly reports: readonly LeaseReport[]
    readonly wants: readonly LeaseWant[]
  }) => LimiterCall
  readonly send: (calls: readonly LimiterCall[]) => Promise<readonly LimiterReply[]>
  /** The answers, in order; the region's own is the last. */
  readonly take: (calls: readonly LimiterCall[], replies: readonly LimiterReply[]) => void
  /** An exchange is over, and none follows. */
  readonly ended: () => void
}

const NOT_REACHED: Talked = { isReached: false, refused: new Map() }
const NOTHING_SAID: Talked = { isReached: true, refused: new Map() }

export class UpperTalk {
  readonly #region: RegionalLimits
  readonly #ports: TalkPorts
  #lacking: LeaseWant[] = []
  #running: Promise<Talked> | null = null
  #next: Promise<Talked> | null = null
  /** When the latest exchange began. */
  begunAtMs = -Infinity
  #failedAtMs = -Infinity

  constructor(region: RegionalLimits, ports: TalkPorts) {
    this.#region = region
    this.#ports = ports
  }

  get isRunning(): boolean {
    return this.#running !== null
  }

  /** Whether the tenant's limiter has just been out of reach. */
  isResting(nowMs: number): boolean {
    return nowMs < this.#failedAtMs + RETRY_MS
  }

  /** Tells what there is to tell and asks for what is lacking: at once, or with whoever waits for the exchange under way. Never
   *  rejects. */
  ask(lacking: readonly LeaseWant[]): Promise<Talked> {
    if (this.isResting(Date.now())) return Promise.resolve(NOT_REACHED)
    this.#lacking.push(...lacking)
    if (this.#next !== null) return this.#next
    if (this.#running === null) return this.#begin()
    this.#next = this.#running.then(() => {
      this.#next = null
      return this.#begin()
    })
    return this.#next
  }

  #begin(): Promise<Talked> {
    const run = this.#exchange().finally(() => {
      this.#running = null
      if (this.#next === null) this.#ports.ended()
    })
    this.#running = run
    return run
  }

  async #exchange(): Promise<Talked> {
    const sentAtMs = Date.now()
    this.begunAtMs = sentAtMs
    // Who asks for least is asked for first: what it is refused, nobody gets who asks for more.
    const asking = this.#lacking.map((wanted) => ({ wanted, first: missingOf(this.#region, wanted, wanted.first) }))
    asking.sort((a, b) => a.first.nanoUsd - b.first.nanoUsd)
    this.#lacking = []
    const firsts = new Map<string, Counts>()
    for (const { wanted, first } of asking.toReversed()) firsts.set(nameOf(wanted.path), first)
    try {
      const relayed = this.#ports.relay(sentAtMs)
      const lacking = asking.map(({ wanted }) => wanted)
      const talk = upperTalk(this.#region, lacking, sentAtMs)
      if (relayed.length + talk.reports.length + talk.wants.length === 0) {
        this.#ports.take([], [])
        return NOTHING_SAID
      }
      const calls = [...relayed, this.#ports.own(talk)]
      const replies = await inTime(this.#ports.send(calls))
      const reply = replies.at(-1)
      if (replies.length !== calls.length || reply === undefined) throw new Error('not every message was answered')
      const denied = takeUpper(this.#region, talk.reports, reply, sentAtMs)
      this.#ports.take(calls, replies)
      const refused = new Map<string, Refused>()
      for (const [name, denial] of denied) {
        const first = firsts.get(name)
        if (first !== undefined) refused.set(name, { denial, first })
      }
      return { isReached: true, refused }
    } catch (error) {
      this.#failedAtMs = Date.now()
      console.warn(JSON.stringify({ level: 'warn', event: 'tenant-limiter-unavailable', error: String(error) }))
      return NOT_REACHED
    }
  }
}

/** What a want is refused with: what was said to somebody who asked for no more. Null where nobody said anything to that. */
export function refusalFor(region: RegionalLimits, wanted: LeaseWant, { refused }: Talked): Denial | null {
  const said = refused.get(nameOf(wanted.path))
  if (said === undefined) return null
  const first = missingOf(region, wanted, wanted.first)
  return RESOURCES.every((resource) => first[resource] >= said.first[resource]) ? said.denial : null
}

/** An answer that comes later is let go of. */
async function inTime<T>(answer: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error('no answer in time')), EXCHANGE_MS_MAX)
  try {
    return await Promise.race([answer, late])
  } finally {
    clearTimeout(timer)
  }
}
