// Who waits for a limit of one tenant in this isolate, and whose turn it is. Keys take turns, each key's requests in the
// order in which they came. Whoever is at the front and can't have what it needs yet keeps what it waits for from those
// behind it, so that a large request isn't starved by small ones. Times are epoch ms on the isolate's clock.
import type { Denial, LimiterPath } from '../../core/limits/limits.ts'
import { matchesModel } from '../../core/limits/limits.ts'

/** A limit's refusal that may be waited out. */
export type Waitable = Extract<Denial, { kind: 'rate' | 'slots' }>

/** One waiting request. */
export interface Place {
  readonly path: LimiterPath
  readonly deadlineMs: number
  /** The latest refusal of it, or of the one that it waits behind. */
  denial: Waitable
  /** When it may be worth asking again. */
  readyAtMs: number
  /** It is asking. */
  isTrying: boolean
  /** When it was last known to live: a request may die without a word. */
  seenAtMs: number
  /** Has it look whether it is its turn. */
  wake: () => void
}

/** So many ask at once: what a limit has is not known before. */
const TRYING_MAX = 16
/** A place whose request wasn't seen for so long is given up. */
const DEAD_MS = 5_000

export class WaitingLine {
  /** By key; the key whose turn it is comes first. */
  readonly #queues = new Map<string, Place[]>()
  #size = 0

  get size(): number {
    return this.#size
  }

  /** The first who waits for something that a request at `path` needs, too; null where it may pass. */
  ahead(path: LimiterPath, nowMs: number): Place | null {
    for (const place of this.#inTurn(nowMs)) if (shares(place, path)) return place
    return null
  }

  enter(place: Place): void {
    const queue = this.#queues.get(place.path.keyId)
    if (queue === undefined) this.#queues.set(place.path.keyId, [place])
    else queue.push(place)
    this.#size += 1
  }

  /** Gives a place up. `isServed`: the next turn is another key's. */
  leave(place: Place, isServed: boolean): void {
    const { keyId } = place.path
    const queue = this.#queues.get(keyId)
    const at = queue?.indexOf(place) ?? -1
    if (queue === undefined || at === -1) return
    queue.splice(at, 1)
    this.#size -= 1
    if (queue.length === 0 || isServed) this.#queues.delete(keyId)
    if (queue.length > 0 && isServed) this.#queues.set(keyId, queue)
  }

  /** Whether it is its turn to ask. */
  mayTry(place: Place, nowMs: number): boolean {
    return this.#turns(nowMs).includes(place)
  }

  /** Wakes everybody whose turn it is. */
  wake(nowMs: number): void {
    for (const place of this.#turns(nowMs)) place.wake()
  }

  /** When a place may be served at the soonest: for requests per minute those before it are counted. */
  soonestMs(place: Place, nowMs: number): number {
    const { denial } = place
    const readyMs = Math.max(nowMs, place.readyAtMs)
    if (denial.kind !== 'rate' || denial.unit !== 'requests') return readyMs
    let before = 0
    for (const other of this.#inTurn(nowMs)) {
      if (other === place) break
      if (isOfSameLimit(other.denial, denial) && shares(other, place.path)) before += 1
    }
    return readyMs + Math.floor((before * 60_000) / denial.limitPerMinute)
  }

  /** Those who may ask now. */
  #turns(nowMs: number): readonly Place[] {
    const turns: Place[] = []
    const blocking: Place[] = []
    let trying = 0
    for (const place of this.#inTurn(nowMs)) {
      if (place.isTrying) trying += 1
      else if (blocking.some((other) => shares(other, place.path)) || trying + turns.length >= TRYING_MAX) continue
      else if (place.readyAtMs > nowMs) blocking.push(place)
      else turns.push(place)
    }
    return turns
  }

  /** All that live: the first of each key, then the second of each, … */
  *#inTurn(nowMs: number): Generator<Place> {
    for (const queue of [...this.#queues.values()]) {
      for (const place of [...queue]) if (isDead(place, nowMs)) this.leave(place, false)
    }
    const queues = [...this.#queues.values()].map((queue) => [...queue])
    for (let depth = 0, isMore = true; isMore; depth++) {
      isMore = false
      for (const queue of queues) {
        const place = queue[depth]
        if (place === undefined) continue
        isMore = true
        yield place
      }
    }
  }
}

function isDead({ seenAtMs, isTrying }: Place, nowMs: number): boolean {
  // Asking takes its time, but not for ever.
  return nowMs >= seenAtMs + DEAD_MS * (isTrying ? 2 : 1)
}

/** Whether a request at `path` needs what this one waits for. */
function shares({ path: own, denial: { scope, model } }: Place, path: LimiterPath): boolean {
  if (model !== null && !matchesModel(model, path.model)) return false
  if (scope === 'tenant') return true
  return scope === 'team' ? own.teamId === path.teamId : own.keyId === path.keyId
}

function isOfSameLimit(a: Waitable, b: Waitable): boolean {
  if (a.scope !== b.scope || a.model !== b.model || a.kind !== b.kind) return false
  return a.kind === 'slots' || (b.kind === 'rate' && a.unit === b.unit)
}
