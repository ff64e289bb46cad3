// Cuts a text stream into server-sent events, whatever the chunking. Separate from relaying, because it is pure and both
// lanes need the same answer to "where does an event end". It departs from the standard where providers do: errors sent
// outside any `data:` field are reported instead of dropped. https://html.spec.whatwg.org/multipage/server-sent-events.html
import { parseJson } from '../../core/json.ts'
import type { Frame } from '../../dialects/dialect.ts'

/** Most characters that one event may take (a picture comes in one); a longer one is reported as an error and nothing is
 *  read after it. */
export const EVENT_CHARS_MAX = 16 * 1024 * 1024

/** An event with the exact text it was cut from. */
export interface SseFrame extends Frame {
  /** Everything from the end of the event before to the end of this one, its blank line included. The `raw` of all
   *  frames in a row, with `rest`, is the text that was pushed. */
  readonly raw: string
}

export interface SseFramer {
  /**
   * The events that `text` completes, in order. Any way of cutting a stream into pushes gives the same frames. A run of
   * comments is a frame without data, so that a relay can send it on at once. An `error:` field, and JSON that stands in
   * the stream without `data:`, become frames whose event is `error`.
   */
  push(text: string): readonly SseFrame[]
  /** What was still open when the stream ended, as the SDKs read it: an event without its blank line counts. */
  end(): readonly SseFrame[]
  /** True when everything pushed so far belongs to finished events: here something of our own can be put in between. */
  readonly isAtBoundary: boolean
  /** Text pushed but not yet part of a frame. */
  readonly rest: string
  /** True once an event was too long. */
  readonly isOverflowed: boolean
}

const OVERFLOW_DATA = JSON.stringify({
  error: { message: 'An event of the stream is too long to be read.', code: 'event_too_long' },
})

/** A framer for one stream, to be fed decoded text. */
export function createSseFramer(): SseFramer {
  return new Framer()
}

class Framer implements SseFramer {
  isOverflowed = false
  /** The last, unfinished line. */
  private pending = ''
  /** The unfinished line ends in a carriage return. Kept, because to look at a long line costs its length. */
  private isOpenReturn = false
  /** Finished lines of the unfinished event. */
  private rawHead = ''
  private isFirstLine = true
  private event = ''
  private data: string | null = null
  /** Lines of JSON that stand outside any field. */
  private bare: string | null = null

  get rest(): string {
    return this.rawHead + this.pending
  }

  get isAtBoundary(): boolean {
    return this.rawHead === '' && this.pending === ''
  }

  push(text: string): readonly SseFrame[] {
    if (this.isOverflowed || text === '') return []
    const frames: SseFrame[] = []
    // A pending carriage return may be half of a CRLF: the line ends only when the next character is known.
    if (!this.isOpenReturn && text.indexOf('\n') === -1 && text.indexOf('\r') === -1) {
      this.pending += text
    } else {
      this.cut(this.pending + text, frames, false)
    }
    this.checkLength(frames)
    return frames
  }

  end(): readonly SseFrame[] {
    if (this.isOverflowed) return []
    const frames: SseFrame[] = []
    this.cut(this.pending, frames, true)
    if (this.pending !== '') this.line(this.pending)
    const raw = this.rest
    this.pending = ''
    if (raw !== '') frames.push(this.finish(raw))
    return frames
  }

  private cut(buffer: string, frames: SseFrame[], isLast: boolean): void {
    const hasReturn = buffer.indexOf('\r') !== -1
    let eventStart = 0
    let lineStart = 0
    for (;;) {
      const lineEnd = hasReturn ? nextLineEnd(buffer, lineStart) : buffer.indexOf('\n', lineStart)
      if (lineEnd === -1) break
      const isReturn = hasReturn && buffer.charCodeAt(lineEnd) === CARRIAGE_RETURN
      if (isReturn && lineEnd + 1 === buffer.length && !isLast) break
      const next = isReturn && buffer.charCodeAt(lineEnd + 1) === LINE_FEED ? lineEnd + 2 : lineEnd + 1
      if (lineEnd === lineStart) {
        frames.push(this.finish(this.rawHead + buffer.slice(eventStart, next)))
        eventStart = next
      } else {
        this.line(buffer.slice(lineStart, lineEnd))
      }
      lineStart = next
    }
    this.rawHead += buffer.slice(eventStart, lineStart)
    this.pending = buffer.slice(lineStart)
    this.isOpenReturn = this.pending.endsWith('\r')
  }

  private line(text: string): void {
    let line = text
    if (this.isFirstLine) {
      this.isFirstLine = false
      if (line.charCodeAt(0) === BYTE_ORDER_MARK) line = line.slice(1)
    }
    if (line.startsWith('data:')) return this.addData(fieldValue(line, 5))
    if (this.bare !== null) return this.addBare(line)
    if (line.startsWith('event:')) this.event = fieldValue(line, 6)
    else if (line.startsWith('error:')) this.addError(fieldValue(line, 6))
    else if (line === 'data') this.addData('')
    else if (line.startsWith('{') || line.startsWith('[')) this.addBare(line)
  }

  private addData(value: string): void {
    this.data = this.data === null ? value : `${this.data}\n${value}`
  }

  private addError(value: string): void {
    this.event = 'error'
    this.addData(value)
  }

  private addBare(line: string): void {
    this.bare = this.bare === null ? line : `${this.bare}\n${line}`
  }

  private finish(raw: string): SseFrame {
    const isBareOnly = this.data === null && this.bare !== null
    const frame = isBareOnly
      ? { event: 'error', data: this.bare ?? '', raw }
      : { event: this.data === null ? '' : this.event, data: this.data ?? '', raw }
    this.isFirstLine = false
    this.event = ''
    this.data = null
    this.bare = null
    this.rawHead = ''
    return frame
  }

  private checkLength(frames: SseFrame[]): void {
    const isTooLong = this.rawHead.length + this.pending.length > EVENT_CHARS_MAX
    const tooLong = frames.findIndex((frame) => frame.raw.length > EVENT_CHARS_MAX)
    if (!isTooLong && tooLong === -1) return
    this.isOverflowed = true
    if (tooLong !== -1) frames.splice(tooLong)
    frames.push({ event: 'error', data: OVERFLOW_DATA, raw: '' })
    this.rawHead = ''
    this.pending = ''
    this.data = null
    this.bare = null
  }
}

const LINE_FEED = 10
const CARRIAGE_RETURN = 13
const BYTE_ORDER_MARK = 0xfeff

function nextLineEnd(text: string, from: number): number {
  const feed = text.indexOf('\n', from)
  const carriage = text.indexOf('\r', from)
  if (feed === -1) return carriage
  return carriage === -1 ? feed : Math.min(feed, carriage)
}

/** A field's value: one space after the colon is not part of it. */
function fieldValue(line: string, from: number): string {
  return line.charCodeAt(from) === 32 ? line.slice(from + 1) : line.slice(from)
}

/** Whether a byte is the end of a line; missing: it isn't. */
export function isLineEnd(byte: number | undefined): boolean {
  return byte === LINE_FEED || byte === CARRIAGE_RETURN
}

/** Whether an event's data is JSON that broke off. */
export function isCutOff({ event, data }: Frame): boolean {
  return event !== 'error' && data.startsWith('{') && parseJson(data) === undefined
}

/** An event whose data never came: it says nothing, and clients that read JSON stumble over it. Comments are none. */
export function isHollow({ data, raw }: SseFrame): boolean {
  return data === '' && /^data:/m.test(raw)
}
