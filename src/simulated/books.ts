// What the simulated providers know of the calls they served, per model, and call by call with the key that paid: an account
// to hold the gateway's against. In the isolate's memory; a restart forgets it.
import type { SimulatedClock } from './clock.ts'

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

/** One call, as it stands. */
export interface CallBook {
  readonly key: string
  readonly model: string
  readonly tokensIn: number
  /** Up to the last token that was written. */
  readonly tokensOut: number
  /** Null while it is open. */
  readonly ending: CallEnding | null
  /** What the request calls itself, as `ref-<letters, digits>` anywhere in it: whose call it was. Null: nothing. */
  readonly reference: string | null
  /** All that it calls itself, each once, where several requests share the call. */
  readonly references: readonly string[]
  /** Epoch ms; the end is null while it is open. */
  readonly startedAtMs: number
  readonly endedAtMs: number | null
}

/** A call as it begins. */
export interface CallFacts {
  readonly key: string
  readonly model: string
  readonly isStreamed: boolean
  readonly tokensIn: number
  /** The request as it was sent. */
  readonly text: string
  readonly clock: Pick<SimulatedClock, 'nowMs'>
}

/** Prices in pico-USD per token. */
export interface BookPrice {
  readonly input: number
  readonly output: number
}

/** What the calls of a key to a model come to. */
export interface BookTotal {
  readonly key: string
  readonly model: string
  readonly calls: number
  readonly tokensIn: number
  readonly tokensOut: number
  /** Each call rounded up to a nano-USD; one that failed before its first token costs nothing. */
  readonly nanoUsd: number
}

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
/** Calls kept one by one; beyond it the oldest go, and sums by key are no longer whole. */
const CALLS_MAX = 100_000
const PICO_PER_NANO = 1_000
const REFERENCE = /\bref-[0-9a-z]+/g
/** References kept of one call. */
const REFERENCES_MAX = 100
const EMPTY: ModelBook = { calls: 0, streams: 0, completed: 0, aborted: 0, errors: 0, tokensIn: 0, tokensOut: 0 }

const books = new Map<string, ModelBook>()
const releases = new Map<string, number>()
type OpenBook = { -readonly [Name in keyof CallBook]: CallBook[Name] }
let calls: OpenBook[] = []

/** Opens a call. */
export function bookCall({ key, model, isStreamed, tokensIn, text, clock }: CallFacts): BookedCall {
  const releasesBefore = releases.get(model) ?? 0
  const references = [...new Set(text.match(REFERENCE))].slice(0, REFERENCES_MAX)
  const [reference = null] = references
  const startedAtMs = clock.nowMs()
  const names = { key, model, reference, references }
  const call: OpenBook = { ...names, tokensIn, tokensOut: 0, ending: null, startedAtMs, endedAtMs: null }
  if (calls.length >= CALLS_MAX) calls = calls.slice(CALLS_MAX / 2)
  calls.push(call)
  add(model, { calls: 1, streams: isStreamed ? 1 : 0, tokensIn })
  return {
    produced: (tokens) => {
      if (call.ending !== null || tokens <= 0) return
      call.tokensOut += tokens
      add(model, { tokensOut: tokens })
    },
    end: (ending) => {
      if (call.ending !== null) return
      add(model, { [ending]: 1 })
      call.ending = ending
      call.endedAtMs = clock.nowMs()
    },
    isReleased: () => (releases.get(model) ?? 0) > releasesBefore,
  }
}

/** The key that pays for a call, as it was sent; empty where it was signed instead. */
export function payerOf(headers: Headers): string {
  const bearer = /^bearer\s+(.+)$/i.exec(headers.get('authorization') ?? '')?.[1]
  return bearer ?? headers.get('x-api-key') ?? headers.get('x-goog-api-key') ?? ''
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

/** Every call that is kept, the oldest first. */
export function readCalls(): readonly CallBook[] {
  return calls
}

/** What was produced for each key and model, at these prices. */
export function totals(price: BookPrice): readonly BookTotal[] {
  const sums = new Map<string, { -readonly [Name in keyof BookTotal]: BookTotal[Name] }>()
  for (const call of calls) {
    const { key, model, tokensIn, tokensOut } = call
    const name = JSON.stringify([key, model])
    const sum = sums.get(name) ?? { key, model, calls: 0, tokensIn: 0, tokensOut: 0, nanoUsd: 0 }
    sum.calls += 1
    sum.tokensIn += tokensIn
    sum.tokensOut += tokensOut
    sum.nanoUsd += costOf(call, price)
    sums.set(name, sum)
  }
  return [...sums.values()]
}

function costOf({ tokensIn, tokensOut, ending }: CallBook, price: BookPrice): number {
  if (ending === 'errors' && tokensOut === 0) return 0
  return Math.ceil((tokensIn * price.input + tokensOut * price.output) / PICO_PER_NANO)
}

/** Empties the books. Calls that are still open go on counting, from nothing. */
export function resetBooks(): void {
  books.clear()
  calls = []
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
