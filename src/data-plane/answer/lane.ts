// What becomes of a provider's stream on its way to the client. Native lane: the provider's own bytes, whole events at a
// time, watched for usage. Translated lane: read as neutral events and written anew in the client's protocol. Both give
// out nothing but whole events, so that something of our own can be put between any two pieces. Pure but for decoding.
import type { UpstreamFailure } from '../../core/failure.ts'
import type { NeutralEvent, PartStart } from '../../core/neutral.ts'
import type { Usage } from '../../core/money/usage.ts'
import type { Target, Wire } from '../../core/directory.ts'
import { type StreamPlace, Told } from '../../core/reply/told.ts'
import type { Dialect, Frame, StreamMeter, StreamReader } from '../../dialects/dialect.ts'
import type { StreamWriter } from '../../protocols/protocol.ts'
import { COLLECTED_CHARS_MAX, EventCollector } from './event-collector.ts'
import { type Framer, streamDecoder } from '../framing/index.ts'
import { DONE_DATA } from '../../wire/openai-chat.ts'
import { type SseFrame, type SseFramer, createSseFramer, isCutOff, isHollow, isLineEnd } from '../framing/sse.ts'
import { type LastWords, noted } from './last-words.ts'
import { NativeMemory } from './native-memory.ts'
import { wideBytesOf } from '../bodies/wide-bytes.ts'

/** What one chunk, or the end, of the provider's stream comes to. */
export interface LaneStep {
  /** To be sent to the client; null for nothing yet. */
  readonly out: Uint8Array | string | null
  /** The provider failed: nothing after this is to be read. */
  readonly failure: UpstreamFailure | null
}

export interface Lane {
  push(chunk: Uint8Array): LaneStep
  /** Call once, when the provider's stream has ended. */
  end(): LaneStep
  /** True once something that a user would see has come. */
  readonly hasContent: boolean
  /** True once the reply is whole, whatever may still follow. */
  readonly isComplete: boolean
  readonly usage: Usage | null
  /** Characters of visible output so far. */
  readonly visibleChars: number
  /** The reply's events so far; null where they are not collected. */
  readonly events: readonly NeutralEvent[] | null
  /** Bytes of what came beyond one for each character; missing where nobody asks. */
  readonly wideBytes?: number
  /** What ends the stream here, in order; null, or missing, where that can't be done. Nothing is to be read after. */
  cut?(words: LastWords): string | null
  /** The number of the next event of what is sent, on wires that number theirs. */
  readonly nextNumber?: number
  /** How somebody else can go on with the reply where it stands; null, or missing, where nobody remembers. */
  resumption?(): Resumption | null
}

/** Where a reply stands, for whoever goes on with it. */
export interface Resumption {
  readonly told: Told
  /** Writes what comes after it. Null where the client's wire can't be gone on with. */
  readonly writer: StreamWriter | null
  /** The reply's reasoning is signed when it is whole. */
  readonly isSigned: boolean
}

/** Wires whose providers sign what their models think. */
const SIGNING: ReadonlySet<Wire> = new Set(['anthropic-messages', 'bedrock-converse', 'gemini', 'openai-responses'])
/** A tool call is held back until it is whole, if it isn't longer than this: then nobody sees half of one. Characters. */
const CALL_CHARS_MAX = 65_536

const NOTHING: LaneStep = { out: null, failure: null }

/** A stream that breaks off before the reply is whole. */
export const BROKEN_OFF: UpstreamFailure = {
  class: 'stream',
  status: 0,
  message: "The provider's stream ended before the reply was complete.",
  code: null,
  type: null,
  param: null,
  retryAfterMs: null,
}

/** How a provider's own bytes are passed on. */
export interface NativeOptions {
  /** The client didn't ask for usage, so frames with nothing else are taken out. */
  readonly hidesUsage: boolean
  readonly collects: boolean
  readonly choices?: TranslatedOptions['choices']
  readonly ending: () => string
  /** The stream may have to be ended before its time. */
  readonly isCuttable?: boolean
  /** A writer that goes on where the stream stands. Missing: nobody is going to. */
  readonly writerAt?: (told: Told, place: StreamPlace | null) => StreamWriter | null
}

/** The native lane. */
export function nativeLane(dialect: Dialect, target: Target, options: NativeOptions): Lane {
  return new NativeLane(dialect, target, options)
}

class NativeLane implements Lane {
  hasContent = false
  wideBytes = 0
  readonly #decoder = streamDecoder()
  readonly #framer: SseFramer = createSseFramer()
  readonly #meter: StreamMeter
  readonly #hidesUsage: boolean
  readonly #collector: EventCollector | null
  readonly #ending: () => string
  readonly #memory: NativeMemory | null
  readonly #writerAt: NativeOptions['writerAt']
  readonly #isSigned: boolean
  readonly #choices: number
  /** Frames from the first tool call on, until the reply is whole. */
  #held: SseFrame[] = []
  #heldChars = 0
  #heldFrom = 0
  #isAtBoundary = true

  constructor(dialect: Dialect, target: Target, options: NativeOptions) {
    this.#meter = dialect.meter(target, options.isCuttable)
    this.#hidesUsage = options.hidesUsage
    this.#collector = options.collects ? new EventCollector(dialect.reader(target)) : null
    this.#ending = options.ending
    this.#choices = options.choices ?? 1
    this.#writerAt = options.writerAt
    this.#isSigned = SIGNING.has(dialect.wire)
    const { writerAt } = options
    this.#memory = writerAt === undefined ? null : new NativeMemory(dialect.reader(target), dialect.places?.() ?? null)
  }

  get isComplete(): boolean {
    const { isComplete, isTerminated, choicesBegun = Infinity } = this.#meter
    return isComplete && (isTerminated || choicesBegun >= this.#choices)
  }

  get usage(): Usage | null {
    return this.#meter.usage
  }

  get visibleChars(): number {
    return this.#meter.visibleChars
  }

  get events(): readonly NeutralEvent[] | null {
    return this.#collector?.events ?? null
  }

  get nextNumber(): number {
    return this.#held.length > 0 ? this.#heldFrom : (this.#meter.nextNumber ?? 0)
  }

  push(chunk: Uint8Array): LaneStep {
    const beganWhole = this.#isAtBoundary
    const text = this.#decoder.decode(chunk, { stream: true })
    this.wideBytes += chunk.length - text.length
    const frames = this.#framer.push(text)
    // The decoder may hold the beginning of a character: then the last byte is no line end.
    if (chunk.length > 0) this.#isAtBoundary = this.#framer.isAtBoundary && isLineEnd(chunk[chunk.length - 1])
    if (frames.length === 0) return NOTHING
    let isAltered = !beganWhole || !this.#isAtBoundary
    let kept = ''
    for (const frame of frames) {
      // Behind the last word of a whole reply only another wire's last word may stand.
      const isLate = this.#meter.isTerminated && frame.data.trim() !== DONE_DATA && frame.data !== ''
      const kind = this.#see(frame)
      if (kind === 'error') return { out: kept === '' ? null : kept, failure: this.#meter.failure ?? BROKEN_OFF }
      if (kind === 'content') this.hasContent = true
      const isLeftOut = isLate || (kind === 'usage-only' && this.#hidesUsage) || isHollow(frame)
      const sent = isLeftOut ? '' : this.#sent(frame)
      if (sent !== frame.raw) isAltered = true
      kept += sent
    }
    // A chunk of whole events with nothing taken out goes on as it came.
    return { out: isAltered ? kept || null : chunk, failure: null }
  }

  end(): LaneStep {
    let out = ''
    const wasComplete = this.isComplete
    for (const frame of this.#framer.end()) {
      // The beginning of an event that never came whole says nothing, and would spoil what somebody else says after it.
      if (frame.data === '' || isCutOff(frame)) continue
      const kind = this.#see(frame)
      if (kind === 'error' && wasComplete) break
      if (kind === 'error') return { out: out || null, failure: this.#meter.failure ?? BROKEN_OFF }
      if (kind === 'content') this.hasContent = true
      if (kind !== 'usage-only' || !this.#hidesUsage) out += this.#sent({ ...frame, raw: `${frame.raw.trimEnd()}\n\n` })
    }
    const isWhole = this.isComplete || (wasComplete && this.#meter.failure !== null)
    if (!isWhole) return { out: out || null, failure: BROKEN_OFF }
    this.#collector?.end()
    return { out: this.#meter.isTerminated ? out || null : out + this.#ending(), failure: null }
  }

  cut({ note, ...at }: LastWords): string | null {
    const text = this.#meter.cut?.(at) ?? null
    return text === null ? null : noted(this.#release() + text, note)
  }

  resumption(): Resumption | null {
    const memory = this.#memory
    if (memory === null) return null
    const { told } = memory
    return { told, writer: this.#writerAt?.(told, memory.place) ?? null, isSigned: this.#isSigned }
  }

  /** What goes out now that this frame has come. */
  #sent(frame: SseFrame): string {
    const memory = this.#memory
    if (memory === null) return frame.raw
    const isHeld = this.#held.length > 0
    const isBegun = this.#meter.isCalling === true && !this.#meter.isComplete && this.#heldChars <= CALL_CHARS_MAX
    if (!isHeld && !isBegun) {
      memory.keep(frame)
      return frame.raw
    }
    if (!isHeld) this.#heldFrom = (this.#meter.nextNumber ?? 1) - 1
    this.#held.push(frame)
    this.#heldChars += frame.raw.length
    return this.#meter.isComplete || this.#heldChars > CALL_CHARS_MAX ? this.#release() : ''
  }

  #release(): string {
    const held = this.#held
    this.#held = []
    for (const frame of held) this.#memory?.keep(frame)
    return held.map(({ raw }) => raw).join('')
  }

  #see(frame: Frame): ReturnType<StreamMeter['push']> {
    this.#collector?.push(frame)
    return this.#meter.push(frame)
  }
}

export interface TranslatedOptions {
  readonly collects: boolean
  /** As in `NativeOptions`. */
  readonly isCuttable?: boolean
  /** The wire that is read, where somebody else may have to go on with the reply. */
  readonly from?: Wire | null
  /** How many alternative replies were asked for. Until so many have begun, only the provider's last word makes it whole. */
  readonly choices?: number
}

/** The translated lane: `framer` cuts, `reader` reads, `writer` writes. */
export function translatedLane(
  framer: Framer,
  reader: StreamReader,
  writer: StreamWriter,
  options: TranslatedOptions,
): Lane {
  return new TranslatedLane(framer, reader, writer, options)
}

class TranslatedLane implements Lane {
  hasContent = false
  isComplete = false
  usage: Usage | null = null
  visibleChars = 0
  wideBytes = 0
  readonly #framer: Framer
  readonly #reader: StreamReader
  readonly #writer: StreamWriter
  readonly #events: NeutralEvent[] | null
  readonly #isCuttable: boolean
  readonly #asked: number
  readonly #told: Told | null
  readonly #isSigned: boolean
  /** Events from the first tool call on, until the reply is whole. */
  #held: NeutralEvent[] = []
  #heldChars = 0
  /** Choices that have begun, and whether they are finished. */
  readonly #choices = new Map<number, boolean>()
  #hasBegun = false
  /** Written, and not yet handed over. */
  #out = ''

  constructor(framer: Framer, reader: StreamReader, writer: StreamWriter, options: TranslatedOptions) {
    const { from = null } = options
    this.#framer = framer
    this.#reader = reader
    this.#writer = writer
    this.#events = options.collects ? [] : null
    this.#isCuttable = options.isCuttable ?? false
    this.#asked = options.choices ?? 1
    this.#told = from === null ? null : new Told()
    this.#isSigned = from !== null && SIGNING.has(from)
  }

  get events(): readonly NeutralEvent[] | null {
    return this.visibleChars > COLLECTED_CHARS_MAX ? null : this.#events
  }

  get nextNumber(): number {
    return this.#writer.nextNumber ?? 0
  }

  push(chunk: Uint8Array): LaneStep {
    return this.#step(this.#read(this.#framer.push(chunk)))
  }

  end(): LaneStep {
    const failed = this.#read(this.#framer.end())
    const isTerminated = this.isComplete
    const failure = failed ?? this.#take(this.#reader.end())
    if (failure !== null) return this.#step(failure)
    this.isComplete &&= isTerminated || this.#choices.size >= this.#asked
    if (!this.isComplete) return this.#step(BROKEN_OFF)
    this.#out += this.#writer.end()
    return this.#step(null)
  }

  cut({ usage, note }: LastWords): string | null {
    const events: NeutralEvent[] = []
    if (!this.#hasBegun) events.push({ type: 'reply-start', id: '', model: '', createdSeconds: null })
    if (this.#choices.size === 0) this.#choices.set(0, false)
    for (const [choice, isFinished] of this.#choices) {
      if (!isFinished) events.push({ type: 'finish', choice, reason: 'length' })
    }
    events.push({ type: 'usage', usage })
    this.#release()
    const text = events.reduce((all, event) => all + this.#writer.push(event), this.#out)
    return noted(text + this.#writer.end(), note)
  }

  #step(failure: UpstreamFailure | null): LaneStep {
    const out = this.#out
    this.#out = ''
    return { out: out === '' ? null : out, failure }
  }

  #read(frames: readonly Frame[]): UpstreamFailure | null {
    for (const frame of frames) {
      const failure = this.#take(this.#reader.push(frame))
      if (failure !== null) return failure
    }
    return null
  }

  /** Writes what was read; the failure that it ends with, if it does. */
  #take(events: readonly NeutralEvent[]): UpstreamFailure | null {
    for (const event of events) {
      if (event.type === 'failure') return event.failure
      this.#note(event)
      this.#send(event)
    }
    return null
  }

  resumption(): Resumption | null {
    return this.#told === null ? null : { told: this.#told, writer: this.#writer, isSigned: this.#isSigned }
  }

  #send(event: NeutralEvent): void {
    if (this.#told === null || !this.#holds(event)) return this.#write(event)
    this.#held.push(event)
    if (event.type === 'part-delta') this.#heldChars += event.text.length
    if (this.isComplete || this.#heldChars > CALL_CHARS_MAX) this.#release()
  }

  #holds(event: NeutralEvent): boolean {
    if (this.#held.length > 0) return true
    return event.type === 'part-start' && event.start.kind === 'tool-call' && this.#heldChars <= CALL_CHARS_MAX
  }

  #release(): void {
    const held = this.#held
    this.#held = []
    for (const event of held) this.#write(event)
  }

  #write(event: NeutralEvent): void {
    this.#told?.push(event)
    this.#out += this.#writer.push(event)
  }

  #isAnyOpen(): boolean {
    for (const isFinished of this.#choices.values()) if (!isFinished) return true
    return false
  }

  #note(event: NeutralEvent): void {
    if (event.type === 'part-delta') {
      this.hasContent = true
      this.visibleChars += event.text.length
      if (this.#isCuttable) this.wideBytes += wideBytesOf(event.text)
    } else if (event.type === 'part-start') {
      this.hasContent ||= isSeen(event.start)
      this.#choices.set(event.choice, false)
      this.isComplete = false
    } else if (event.type === 'part-data') this.hasContent = true
    else if (event.type === 'finish') {
      this.#choices.set(event.choice, true)
      this.isComplete = !this.#isAnyOpen()
    } else if (event.type === 'reply-start') this.#hasBegun = true
    else if (event.type === 'usage') this.usage = event.usage
    if (this.#events !== null && this.visibleChars <= COLLECTED_CHARS_MAX) this.#events.push(event)
  }
}

/** Whether the mere beginning of a part is something that a user sees. */
function isSeen(start: PartStart): boolean {
  return start.kind === 'tool-call' || start.kind === 'image' || start.kind === 'other'
}
