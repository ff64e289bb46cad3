// Cuts newline-delimited JSON into messages, one a line: Ollama, Cohere's older API, in-house servers. Tolerates what
// servers mix in: CRLF, blank lines, comments, lines that are dressed as server-sent events. What is no JSON is an error.
// https://github.com/ndjson/ndjson-spec
import type { Frame } from '../../dialects/dialect.ts'

/** Most characters that one line may take; a longer one is reported as an error and nothing is read after it. */
export const LINE_CHARS_MAX = 1024 * 1024

/** Cuts decoded text into messages. */
export interface LineFramer {
  /** The messages that `text` completes. Any way of cutting a stream into pushes gives the same ones. */
  push(text: string): readonly Frame[]
  /** What was still open when the stream ended: the last line needs no newline. */
  end(): readonly Frame[]
}

const OVERFLOW: Frame = {
  event: 'error',
  data: JSON.stringify({ error: { message: 'A line of the stream is too long to be read.', code: 'line_too_long' } }),
}

/** A framer for one stream, to be fed decoded text. */
export function createLineFramer(): LineFramer {
  return new Framer()
}

class Framer implements LineFramer {
  /** The last, unfinished line. */
  private pending = ''
  private event = ''
  private isBroken = false

  push(text: string): readonly Frame[] {
    if (this.isBroken) return []
    if (text.indexOf('\n') === -1) {
      this.pending += text
      return this.pending.length > LINE_CHARS_MAX ? [this.break(OVERFLOW)] : []
    }
    const lines = (this.pending + text).split('\n')
    this.pending = lines.pop() ?? ''
    const frames = this.readLines(lines)
    return this.isBroken || this.pending.length <= LINE_CHARS_MAX ? frames : [...frames, this.break(OVERFLOW)]
  }

  end(): readonly Frame[] {
    const last = this.pending
    this.pending = ''
    return this.isBroken ? [] : this.readLines([last])
  }

  private readLines(lines: readonly string[]): readonly Frame[] {
    const frames: Frame[] = []
    for (const line of lines) {
      const frame = line.length > LINE_CHARS_MAX ? this.break(OVERFLOW) : this.readLine(line)
      if (frame !== null) frames.push(frame)
      if (this.isBroken) break
    }
    return frames
  }

  private readLine(raw: string): Frame | null {
    // A byte order mark is white space to `trim`.
    const line = raw.trim()
    if (line === '') return null
    const field = FIELD.exec(line)
    if (field === null) return JSON_START.test(line) ? this.frame(line) : this.break({ event: 'error', data: line })
    const value = line.slice(field[0].length)
    if (field[1] === 'event') this.event = value
    if (field[1] === 'error') return { event: 'error', data: value }
    return field[1] === 'data' && value !== '' ? this.frame(value) : null
  }

  private frame(data: string): Frame {
    const event = this.event
    this.event = ''
    return { event, data }
  }

  private break(frame: Frame): Frame {
    this.isBroken = true
    this.pending = ''
    return frame
  }
}

/** A field of a server-sent event, or a comment. */
const FIELD = /^(data|event|error|id|retry|):\s*/
/** How a JSON value begins; `[DONE]` passes too. */
const JSON_START = /^(?:[[{"\d-]|true|false|null)/
