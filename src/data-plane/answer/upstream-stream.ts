// A provider's open stream: the reader, the clock that watches it and the lane that understands it. First it is read
// until the first content (until then another target may still take over), then it is relayed.
import type { TargetTimeouts } from '../../core/directory.ts'
import type { UpstreamFailure } from '../../core/failure.ts'
import type { Ending } from '../../core/money/usage-event.ts'
import type { CutReason } from './allowance.ts'
import type { ClientSink } from './client-stream.ts'
import { BROKEN_OFF, type Lane, type LaneStep } from './lane.ts'
import { REASONS } from './last-words.ts'

/** Bytes or characters held back while waiting for the first content. */
const HELD_LENGTH_MAX = 65_536
/** A client's proxies give up on a silent stream; this keeps them patient. */
export const PING_AFTER_MS = 15_000
const TICK_MS_MIN = 20
const TICK_MS_MAX = 5_000

/** How a relay ended; `failure` is for the client when it wasn't the client who ended it. */
export interface RelayEnd {
  readonly ending: Ending
  readonly failure: UpstreamFailure | null
  /** Which limit ended it. */
  readonly cut?: CutReason
}

/** Why our own side cut the provider's stream. */
type Cut = 'client-left' | 'timed-out' | 'cut-by-limit'

export interface StreamWatch {
  readonly timeouts: TargetTimeouts
  /** Epoch ms by which everything has to be over. */
  readonly deadlineMs: number
  readonly nowMs: () => number
  /** Called while the stream is open, at least this often. */
  readonly onTick: () => void
  readonly tickMs: number
  /** Asked after each piece that went to the client: why nothing more may follow; null when it may. */
  readonly mayGoOn?: () => Stop | null | Promise<Stop | null>
  /** Asked with every tick: why the stream has to end; null when it may go on. */
  readonly mustEnd?: () => CutReason | null
  /** What ends the client's stream in order; null where it can't be ended so. */
  readonly lastWords?: (reason: CutReason) => string | null
}

/** Why a stream is stopped: a failure to be told, or a limit, which ends it in order. */
export type Stop = UpstreamFailure | CutReason

export class UpstreamStream {
  readonly lane: Lane
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>
  readonly #abort: AbortController
  readonly #watch: StreamWatch
  #held: (Uint8Array | string)[] = []
  #heldLength = 0
  #hasEnded = false
  #lastReadMs: number
  /** When something went out. What is held back is nothing to a client. */
  #lastOutMs = 0
  /** Which limit wants the stream to end. */
  #due: CutReason | null = null

  constructor(body: ReadableStream<Uint8Array>, lane: Lane, abort: AbortController, watch: StreamWatch) {
    this.lane = lane
    this.#reader = body.getReader()
    this.#abort = abort
    this.#watch = watch
    this.#lastReadMs = watch.nowMs()
  }

  /** Why we stopped the provider; null when we didn't, or for another reason. */
  get #cut(): Cut | null {
    const { reason } = this.#abort.signal
    return reason === 'client-left' || reason === 'timed-out' || reason === 'cut-by-limit' ? reason : null
  }

  /** Stops the provider. The relay, or the wait for content, then ends with `cut`. */
  cut(cut: Cut): void {
    this.#abort.abort(cut)
  }

  /** Reads until there is something to show. Null when there is; else why there never will be. */
  async untilContent(): Promise<UpstreamFailure | null> {
    try {
      while (!this.lane.hasContent && !this.#hasEnded && this.#heldLength <= HELD_LENGTH_MAX) {
        const step = await this.#next()
        if (step.out !== null) {
          this.#held.push(step.out)
          this.#heldLength += step.out.length
        }
        if (step.failure !== null) return this.#stop(step.failure)
      }
      return null
    } catch {
      if (this.#abort.signal.reason === ENDED) return this.#stop(ENDED_BY_OPERATOR)
      return this.#stop(this.#cut === 'timed-out' ? SILENT : BROKEN_OFF)
    }
  }

  /** Relays everything to the client, the held beginning first. Never rejects; ends exactly once. The client's stream is
   *  left open when there is a failure to tell, closed or given up otherwise. */
  async relay(client: ClientSink): Promise<RelayEnd> {
    const timer = setInterval(() => this.#tick(client), tickMs(this.#watch))
    this.#lastOutMs = this.#watch.nowMs()
    try {
      await client.begin(this.#held)
      this.#held = []
      while (!this.#hasEnded) {
        const step = await this.#next()
        if (step.out !== null) this.#lastOutMs = this.#lastReadMs
        const wait = step.out === null ? null : client.write(step.out)
        if (wait !== null) await wait
        if (step.failure !== null) return this.#failed('provider-cut', step.failure)
        const may = this.#hasEnded ? null : this.#watch.mayGoOn?.()
        const stop = may instanceof Promise ? await may : may
        if (typeof stop === 'string') return await this.#cutBy(stop, client)
        if (stop !== null && stop !== undefined) return this.#failed('provider-cut', stop)
      }
      return await this.#finish(client)
    } catch {
      return client.isGone ? this.#left(client) : await this.#broken(client)
    } finally {
      clearInterval(timer)
    }
  }

  async #next(): Promise<LaneStep> {
    const { done, value } = await this.#reader.read()
    this.#lastReadMs = this.#watch.nowMs()
    this.#hasEnded = done
    return done ? this.lane.end() : this.lane.push(value)
  }

  #tick(client: ClientSink): void {
    const nowMs = this.#watch.nowMs()
    this.#watch.onTick()
    if (client.isGone) return this.cut('client-left')
    this.#due ??= this.lane.isComplete ? null : (this.#watch.mustEnd?.() ?? null)
    if (this.#due !== null) return this.cut('cut-by-limit')
    if (nowMs >= this.#watch.deadlineMs) return this.cut('timed-out')
    if (client.isBlocked) {
      this.#lastReadMs = nowMs
      return
    }
    if (nowMs - this.#lastReadMs >= this.#watch.timeouts.idleMs) return this.cut('timed-out')
    if (nowMs - Math.max(client.lastWriteMs, this.#lastOutMs) >= PING_AFTER_MS) client.ping()
  }

  /** The provider's stream broke, or was cut by us. A reply that was whole by then is a good one. */
  #broken(client: ClientSink): RelayEnd | Promise<RelayEnd> {
    if (this.#cut === 'client-left') return this.#left(client)
    if (this.lane.isComplete) return this.#ended(client, this.lane.end())
    if (this.#due !== null) return this.#cutBy(this.#due, client)
    return this.#failed(this.#cut ?? 'provider-cut', this.#cut === 'timed-out' ? SILENT : BROKEN_OFF)
  }

  /** What came last of a reply that seemed whole may have begun another choice: then it is not. */
  async #ended(client: ClientSink, last: LaneStep): Promise<RelayEnd> {
    if (last.failure === null || this.lane.isComplete) return this.#finish(client, last.out)
    try {
      if (last.out !== null) await client.write(last.out)
    } catch {
      return this.#left(client)
    }
    return this.#failed('provider-cut', last.failure)
  }

  /** Ends the stream in order, for want of leave to go on. */
  async #cutBy(cut: CutReason, client: ClientSink): Promise<RelayEnd> {
    this.#abort.abort('cut-by-limit')
    const words = this.#watch.lastWords?.(cut) ?? null
    if (words === null) return { ending: 'cut-by-limit', failure: cutShort(cut), cut }
    try {
      await client.close(words)
      return { ending: 'cut-by-limit', failure: null, cut }
    } catch {
      return this.#left(client)
    }
  }

  /** `last`: what ends a reply that was whole before its stream was over. */
  async #finish(client: ClientSink, last: LaneStep['out'] = null): Promise<RelayEnd> {
    try {
      if (last !== null) await client.write(last)
      await client.close(null)
      return { ending: 'finished', failure: null }
    } catch {
      return this.#left(client)
    }
  }

  #left(client: ClientSink): RelayEnd {
    this.#abort.abort('client-left')
    client.abort('client-left')
    return { ending: 'client-left', failure: null }
  }

  #failed(ending: Ending, failure: UpstreamFailure): RelayEnd {
    this.#abort.abort(ending)
    return { ending, failure }
  }

  #stop(failure: UpstreamFailure): UpstreamFailure {
    this.#abort.abort('failed')
    return failure
  }
}

/** A stream that can't be ended in order. Nothing is wrong with the target. */
function cutShort(cut: CutReason): UpstreamFailure {
  return { ...SILENT, class: 'client', status: 429, message: 'The reply was ended by a limit.', code: REASONS[cut] }
}

/** Why a call is stopped that an operator wants to end before it has answered. */
export const ENDED = 'ended'

/** Nobody else is to be asked, and nothing is wrong with the target. */
export const ENDED_BY_OPERATOR: UpstreamFailure = {
  class: 'client',
  status: 403,
  message: 'The request was ended by the operator of this gateway.',
  code: 'ended_by_operator',
  type: null,
  param: null,
  retryAfterMs: null,
}

/** A provider that stopped sending. */
export const SILENT: UpstreamFailure = {
  class: 'timeout',
  status: 0,
  message: 'The provider stopped sending.',
  code: null,
  type: null,
  param: null,
  retryAfterMs: null,
}

function tickMs(watch: StreamWatch): number {
  return Math.max(TICK_MS_MIN, Math.min(TICK_MS_MAX, watch.tickMs, Math.floor(watch.timeouts.idleMs / 4)))
}
