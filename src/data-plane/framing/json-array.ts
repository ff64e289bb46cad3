// Cuts a stream that is one JSON array into its elements while it is still coming: Gemini streams so where it isn't asked
// for events, pretty-printed and piece by piece. https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent
import type { Frame } from '../../dialects/dialect.ts'
import type { LineFramer } from './ndjson.ts'

/** Most characters that one element may take (pictures come inside); a longer one is an error, and nothing is read after. */
export const ELEMENT_CHARS_MAX = 16 * 1024 * 1024

/**
 * A framer for one stream, to be fed decoded text. Each object of the array is a frame. Objects that stand alone are frames whose event is
 * `error`, as JSON outside of events is among server-sent ones: what it is, the reader sees. Anything else between
 * objects is an error, and nothing is read after it. An object that is cut off by the end is none.
 */
export function createJsonArrayFramer(): LineFramer {
  return new ArrayFramer()
}

const QUOTE = 34
const BACKSLASH = 92
const OPEN_BRACKET = 91
const CLOSE_BRACKET = 93
const OPEN_BRACE = 123
const CLOSE_BRACE = 125
const BETWEEN = /^[\s,\ufeff]$/

class ArrayFramer implements LineFramer {
  /** Pieces of the open element that came with earlier chunks. */
  #head: string[] = []
  #headLength = 0
  #depth = 0
  #isInString = false
  #isEscaped = false
  #isInArray = false
  #isOver = false

  push(text: string): readonly Frame[] {
    if (this.#isOver) return []
    const frames: Frame[] = []
    let start = 0
    for (let at = 0; at < text.length; at += 1) {
      const code = text.charCodeAt(at)
      if (this.#depth > 0) {
        if (!this.#endsElement(code)) continue
        frames.push(this.#element(text.slice(start, at + 1)))
      } else if (code === OPEN_BRACE) {
        start = at
        this.#depth = 1
      } else if (!this.#isBetween(code, text.charAt(at))) {
        return [...frames, this.#fail('The provider sent a message that is not JSON.', 'not_json')]
      }
    }
    if (this.#depth > 0) this.#keep(text.slice(start))
    if (this.#headLength <= ELEMENT_CHARS_MAX) return frames
    return [...frames, this.#fail('An element of the stream is too long to be read.', 'event_too_long')]
  }

  end(): readonly Frame[] {
    this.#isOver = true
    return []
  }

  /** Goes over one character inside an element; true for its last one. */
  #endsElement(code: number): boolean {
    if (this.#isInString) {
      if (this.#isEscaped) this.#isEscaped = false
      else if (code === BACKSLASH) this.#isEscaped = true
      else if (code === QUOTE) this.#isInString = false
      return false
    }
    if (code === QUOTE) this.#isInString = true
    else if (code === OPEN_BRACE || code === OPEN_BRACKET) this.#depth += 1
    else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) this.#depth -= 1
    return this.#depth === 0
  }

  #isBetween(code: number, character: string): boolean {
    if (code === OPEN_BRACKET) this.#isInArray = true
    return code === OPEN_BRACKET || code === CLOSE_BRACKET || BETWEEN.test(character)
  }

  #keep(piece: string): void {
    this.#head.push(piece)
    this.#headLength += piece.length
  }

  #element(tail: string): Frame {
    const data = this.#head.length === 0 ? tail : this.#head.join('') + tail
    this.#head = []
    this.#headLength = 0
    return { event: this.#isInArray ? '' : 'error', data }
  }

  #fail(message: string, code: string): Frame {
    this.#isOver = true
    this.#head = []
    return { event: 'error', data: JSON.stringify({ error: { message, code } }) }
  }
}
