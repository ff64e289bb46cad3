// Where this run strikes: every point between a provider's answer and its row in the ledger at which something can die, be
// lost, come twice or stay away. `Faults` says when: what was armed strikes at the next opportunity, and is counted.

/** What strikes, and what that is. */
export const POINTS = {
  'isolate, busy': 'SIGKILL of a gateway with streams running',
  'isolate, fresh': 'SIGKILL of a gateway at the moment an answer has ended',
  'isolate, idle': 'SIGKILL of a gateway with a lease and nothing running',
  'isolate, cut off': 'a gateway cannot reach the limiter until its leases are written off, then reports',
  'limiter, unreachable': 'no gateway can reach the limiter for a while',
  'limiter, before its commit': 'SIGKILL of the limiter with a call in hand',
  'limiter, before its reply': 'SIGKILL of the limiter after a call is committed',
  'limiter, before its outbox is sent': 'SIGKILL of the limiter with events settled and not in the queue',
  'limiter, after its outbox is sent': 'SIGKILL of the limiter with events in the queue and not marked',
  'call, reply lost': 'a call of the limiter is committed, its reply never arrives',
  'call, twice': 'a call of the limiter arrives twice',
  'call, late': 'a call of the limiter is overtaken by others',
  'side call, reply lost': 'the same of a call of a limiter beside the tenant’s: an end user’s, a target’s, a shadow’s',
  'side call, twice': 'one of those arrives twice',
  'side call, late': 'one of those is overtaken by others',
  'queue, refuses': 'the queue takes no batch',
  'queue, loses': 'a batch vanishes from the queue',
  'queue, doubles': 'a batch is delivered twice at the same time',
  'queue, repeats': 'a batch of earlier is delivered again',
  'queue, delays': 'a batch is delivered later',
  'queue, reorders': 'a batch is delivered in another order, in parts',
  'consumer, before D1': 'the consumer dies with a batch in hand',
  'consumer, after D1': 'the consumer dies between commit and acknowledgement',
  'everything, before D1': 'SIGKILL between the queue and D1: the queue is gone as well',
  'everything, after D1': 'SIGKILL between the commit of D1 and the confirmation',
  'D1, away': 'D1 fails for a while',
  'confirmation, lost': 'the limiter is never told that a batch is in the ledger',
  'KV, away': 'the directory fails for a while',
} as const

export type Point = keyof typeof POINTS

export class Faults {
  readonly struck = new Map<Point, number>()
  readonly #armed = new Map<Point, number>()

  /** Has it strike, so many times. */
  arm(point: Point, times = 1): void {
    this.#armed.set(point, (this.#armed.get(point) ?? 0) + times)
  }

  /** True where it is to strike here: then it has. */
  take(point: Point): boolean {
    const left = this.#armed.get(point) ?? 0
    if (left === 0) return false
    this.#armed.set(point, left - 1)
    this.note(point)
    return true
  }

  isArmed(point: Point): boolean {
    return (this.#armed.get(point) ?? 0) > 0
  }

  /** Nothing waits for its opportunity. */
  get isQuiet(): boolean {
    return this.waiting.length === 0
  }

  /** What is armed and has found no opportunity yet. */
  get waiting(): readonly Point[] {
    return [...this.#armed].filter(([, left]) => left > 0).map(([point]) => point)
  }

  /** It struck. */
  note(point: Point): void {
    this.struck.set(point, (this.struck.get(point) ?? 0) + 1)
  }

  /** What was armed and has found no opportunity is called off. */
  disarm(): void {
    this.#armed.clear()
  }
}
