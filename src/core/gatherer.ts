// Puts together what comes within a little while and belongs together. Runs in an isolate and in the object where isolates meet.
// Time is the caller's: it is asked to sleep, and to keep the work alive of whoever happens to be the first or the last.

/** What comes and stays together. */
export interface Lot<Entry> {
  readonly entries: readonly Entry[]
  /** Whether nobody waits for it any more: it is left out. */
  isGone(): boolean
}

/** How far a group may grow. */
export interface GroupBounds {
  readonly inputs: number
  readonly chars: number
  readonly waitMs: number
}

interface Sized {
  readonly inputs: readonly unknown[]
  readonly chars: number
}

/** Of whoever adds a lot: the last to fill a group sends it, else, when its time is over, the first. */
export interface Adder<Entry, Answer> {
  sleep(ms: number): Promise<void>
  /** Keeps work alive when its request is over. */
  keep(work: Promise<void>): void
  /** The answers, one for each entry, in order. */
  send(entries: readonly Entry[]): Promise<readonly Answer[]>
}

interface Waiting<Entry, Answer> {
  readonly lot: Lot<Entry>
  resolve(answers: readonly Answer[]): void
  reject(error: unknown): void
}

interface Group<Entry, Answer> {
  readonly waiting: Waiting<Entry, Answer>[]
  inputs: number
  chars: number
  isSent: boolean
}

/** Groups that gather at once. */
const GROUPS_MAX = 1_000

export class Gatherer<Entry extends Sized, Answer> {
  readonly #groups = new Map<string, Group<Entry, Answer>>()

  /** Whether another group may begin. */
  get isFull(): boolean {
    return this.#groups.size >= GROUPS_MAX
  }

  /** The answers to a lot, gathered with others of its key. It never waits longer than `waitMs` to be sent, and a group never
   *  exceeds the bounds unless a single lot does. Rejects as the sending does; of a lot that is gone by then it never settles. */
  add(key: string, lot: Lot<Entry>, bounds: GroupBounds, adder: Adder<Entry, Answer>): Promise<readonly Answer[]> {
    const inputs = sum(lot, (entry) => entry.inputs.length)
    const chars = sum(lot, (entry) => entry.chars)
    let group = this.#groups.get(key)
    if (group !== undefined && (group.inputs + inputs > bounds.inputs || group.chars + chars > bounds.chars)) {
      adder.keep(this.#send(key, group, adder))
      group = undefined
    }
    if (group === undefined) {
      group = { waiting: [], inputs: 0, chars: 0, isSent: false }
      this.#groups.set(key, group)
      adder.keep(this.#sendLater(key, group, bounds.waitMs, adder))
    }
    group.inputs += inputs
    group.chars += chars
    const { waiting } = group
    const answered = new Promise<readonly Answer[]>((resolve, reject) => waiting.push({ lot, resolve, reject }))
    if (group.inputs >= bounds.inputs) adder.keep(this.#send(key, group, adder))
    return answered
  }

  async #sendLater(
    key: string,
    group: Group<Entry, Answer>,
    waitMs: number,
    adder: Adder<Entry, Answer>,
  ): Promise<void> {
    await adder.sleep(waitMs)
    await this.#send(key, group, adder)
  }

  async #send(key: string, group: Group<Entry, Answer>, { send }: Adder<Entry, Answer>): Promise<void> {
    if (group.isSent) return
    group.isSent = true
    if (this.#groups.get(key) === group) this.#groups.delete(key)
    const waiting = group.waiting.filter(({ lot }) => !lot.isGone())
    if (waiting.length === 0) return
    try {
      const answers = await send(waiting.flatMap(({ lot }) => lot.entries))
      let from = 0
      for (const { lot, resolve } of waiting) {
        resolve(answers.slice(from, from + lot.entries.length))
        from += lot.entries.length
      }
    } catch (error) {
      for (const { reject } of waiting) reject(error)
    }
  }
}

function sum<Entry>({ entries }: Lot<Entry>, of: (entry: Entry) => number): number {
  return entries.reduce((total, entry) => total + of(entry), 0)
}
