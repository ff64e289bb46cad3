// What the simulated providers know of the calls they served, per model: an account to hold the gateway's against. In
// the isolate's memory; a restart forgets it.

/** The account of one model. `calls` = completed + aborted + errors + those still open. */
export interface ModelBook {
  readonly calls: number
  /** Calls that asked for a stream. */
  readonly streams: number
  /** Delivered to the end, whatever was in it. */
  readonly completed: number
  /** The client left first. */
  readonly aborted: number
  /** Answered with an error, or broken off by the simulation. */
  readonly errors: number
  readonly tokensIn: number
  /** Output tokens produced, up to the abort or the fault. */
  readonly tokensOut: number
}

export type CallEnding = 'completed' | 'aborted' | 'errors'

/** An open call in the books. */
export interface BookedCall {
  produced(tokens: number): void
  /** The first ending counts, later ones are ignored. */
  end(ending: CallEnding): void
  /** True once a release of this model was asked for since the call began. */
  isReleased(): boolean
}

/** Models kept; beyond it the longest unused goes. */
const MODELS_MAX = 1_000
const EMPTY: ModelBook = { calls: 0, streams: 0, completed: 0, aborted: 0, errors: 0, tokensIn: 0, tokensOut: 0 }

const books = new Map<string, ModelBook>()
const releases = new Map<string, number>()

/** Opens a call. */
export function bookCall(model: string, isStreamed: boolean, tokensIn: number): BookedCall {
  const releasesBefore = releases.get(model) ?? 0
  let isOpen = true
  add(model, { calls: 1, streams: isStreamed ? 1 : 0, tokensIn })
  return {
    produced: (tokens) => {
      if (isOpen && tokens > 0) add(model, { tokensOut: tokens })
    },
    end: (ending) => {
      if (isOpen) add(model, { [ending]: 1 })
      isOpen = false
    },
    isReleased: () => (releases.get(model) ?? 0) > releasesBefore,
  }
}

/** Lets the paused calls of a model go on. Calls that begin later pause again. */
export function release(model: string): void {
  const count = (releases.get(model) ?? 0) + 1
  releases.delete(model)
  releases.set(model, count)
  forgetOldest(releases)
}

/** All books, by model. */
export function readBooks(): Readonly<Record<string, ModelBook>> {
  return Object.fromEntries(books)
}

/** Empties the books. Calls that are still open go on counting, from nothing. */
export function resetBooks(): void {
  books.clear()
}

function add(model: string, counts: Partial<ModelBook>): void {
  const book = books.get(model) ?? EMPTY
  books.delete(model)
  books.set(model, {
    calls: book.calls + (counts.calls ?? 0),
    streams: book.streams + (counts.streams ?? 0),
    completed: book.completed + (counts.completed ?? 0),
    aborted: book.aborted + (counts.aborted ?? 0),
    errors: book.errors + (counts.errors ?? 0),
    tokensIn: book.tokensIn + (counts.tokensIn ?? 0),
    tokensOut: book.tokensOut + (counts.tokensOut ?? 0),
  })
  forgetOldest(books)
}

function forgetOldest(map: Map<string, unknown>): void {
  if (map.size <= MODELS_MAX) return
  for (const oldest of map.keys()) {
    map.delete(oldest)
    return
  }
}
