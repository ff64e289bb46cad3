// What a native-lane stream has told its client, kept for the case that somebody else has to go on with it. Frames are kept as they
// came, and only looked into when they are many, or when it has come to that.
import { type StreamPlace, Told } from '../../core/reply/told.ts'
import type { Frame, PlaceReader, StreamReader } from '../../dialects/dialect.ts'

/** Characters of frames that are kept before they are looked into. */
const KEPT_CHARS_MAX = 65_536

export class NativeMemory {
  readonly #reader: StreamReader
  readonly #places: PlaceReader | null
  readonly #told = new Told()
  #kept: Frame[] = []
  #keptChars = 0

  constructor(reader: StreamReader, places: PlaceReader | null) {
    this.#reader = reader
    this.#places = places
  }

  /** Notes a frame that goes out. */
  keep(frame: Frame): void {
    this.#kept.push(frame)
    this.#keptChars += frame.data.length
    if (this.#keptChars > KEPT_CHARS_MAX) this.#read()
  }

  /** Everything so far. */
  get told(): Told {
    this.#read()
    const { place } = this
    // A wire may say that a text has ended before its reader knows that no more of it comes.
    if (place !== null && !hasOpenText(place)) this.#told.close()
    // What is open and has said nothing yet is no part.
    if (place !== null && place.open !== null && place.open !== 'text') this.#told.hinder(place.open)
    return this.#told
  }

  get place(): StreamPlace | null {
    return this.#places?.place ?? null
  }

  #read(): void {
    for (const frame of this.#kept) {
      this.#places?.take(frame)
      for (const event of this.#reader.push(frame)) this.#told.push(event)
    }
    this.#kept = []
    this.#keptChars = 0
  }
}

function hasOpenText(place: StreamPlace): boolean {
  return place.kind === 'blocks' ? place.open !== null : place.message?.contents.at(-1)?.isDone === false
}
